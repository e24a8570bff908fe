select k.oid::int8 as oid, k.conname::text as name, k.conrelid::int8 as relation, k.contypid::int8 as domain
from pg_catalog.pg_constraint k
where k.contype in ('c', 'x')
  and exists (
    select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and d.objid = k.oid and d.deptype = 'n'
  )
order by k.oid
