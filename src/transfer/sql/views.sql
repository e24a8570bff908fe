-- The columns of the materialized views of these OIDs.
select c.oid::pg_catalog.int8 as oid, coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0) as toast_bytes,
  coalesce(a.columns, '{}') as columns, coalesce(a.types, '{}') as types
from pg_catalog.pg_class c
left join lateral (
  select pg_catalog.array_agg(a.attname::pg_catalog.text order by a.attnum) as columns,
    pg_catalog.array_agg(case when t.typtype = 'b' and t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
      then t.typname::pg_catalog.text else '' end order by a.attnum) as types
  from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
) a on true
where c.oid = any ($1::pg_catalog.int8[]::pg_catalog.oid[]) and c.relkind = 'm' and c.relispopulated
order by c.relname
