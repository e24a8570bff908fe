select r.oid::int8 as oid, r.rulename::text as name, r.ev_class::int8 as relation, r.ev_type::text as event,
  r.ev_enabled in ('O', 'A') as enabled, r.is_instead as instead,
  case when r.ev_type <> '1' then pg_catalog.pg_get_ruledef(r.oid) end as definition
from pg_catalog.pg_rewrite r
where r.oid >= 16384
order by r.oid
