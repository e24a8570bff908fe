select t.oid::int8 as oid, t.tgname::text as name, t.tgrelid::int8 as relation, t.tgfoid::int8 as function,
  t.tgtype::int4 as type,
  t.tgtype & 1 = 1 as for_rows,
  t.tgenabled in ('O', 'A') as enabled
from pg_catalog.pg_trigger t
where not t.tgisinternal
order by t.oid
