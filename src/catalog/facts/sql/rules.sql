select r.oid::int8 as oid, r.rulename::text as name, r.ev_class::int8 as relation, r.ev_type::text as event,
  r.ev_enabled <> 'D' as enabled, r.is_instead as instead
from pg_catalog.pg_rewrite r
where r.oid >= 16384
order by r.oid
