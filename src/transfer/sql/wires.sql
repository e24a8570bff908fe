-- The types of a schema's columns below their domains: PostgreSQL's own base types by name, any enum as `enum`, others empty.
with recursive
  col as (
    select c.relname, a.attname, a.atttypid from pg_catalog.pg_class c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind = 'r' and c.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1)
  ),
  base as (
    select col.atttypid as type, col.atttypid as at from col
    union
    select b.type, t.typbasetype from base b join pg_catalog.pg_type t on t.oid = b.at where t.typtype = 'd'
  )
select col.relname::pg_catalog.text as table, col.attname::pg_catalog.text as column,
  case when t.typtype = 'e' then 'enum'
    when t.typtype = 'b' and t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace then t.typname::pg_catalog.text
    else '' end as type
from col join base b on b.type = col.atttypid join pg_catalog.pg_type t on t.oid = b.at
where t.typtype <> 'd'
order by 1, 2
