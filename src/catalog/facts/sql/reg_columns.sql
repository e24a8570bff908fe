-- columns that keep objects' OIDs as data; a domain over, an array of or a composite with such a type counts
with recursive made (part, whole) as materialized (
  select t.typbasetype, t.oid from pg_catalog.pg_type t where t.typtype = 'd'
  union all
  select t.typelem, t.oid from pg_catalog.pg_type t where t.typcategory = 'A'
  union all
  select a.atttypid, c.reltype
  from pg_catalog.pg_class c
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relkind = 'c'
), reg (oid) as (
  select t.oid from pg_catalog.pg_type t
  where t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace and t.typtype = 'b'
    and t.typname ~ '^(oid|reg(class|proc|procedure|oper|operator|type|config|dictionary|namespace|collation|role))$'
  union
  select m.whole from made m join reg r on r.oid = m.part
)
select c.oid::int8 as relation, a.attname::text as column, pg_catalog.format_type(a.atttypid, null) as type
from pg_catalog.pg_attribute a
join reg r on r.oid = a.atttypid
join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where a.attnum > 0 and not a.attisdropped
  and c.relkind in ('r', 'p', 'm', 'f')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by c.oid, a.attnum
