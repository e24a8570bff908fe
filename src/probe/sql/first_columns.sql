select
  c.oid::int8 as relation,
  (
    select a.attname::text
    from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    order by a.attnum
    limit 1
  ) as name
from pg_catalog.pg_class c
where c.oid = any ($1::int8[]::pg_catalog.oid[])
order by c.oid
