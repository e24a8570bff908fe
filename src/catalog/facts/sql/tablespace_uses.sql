select c.relnamespace::int8 as schema, t.oid::int8 as tablespace, t.spcname::text as name,
  pg_catalog.min(c.oid::pg_catalog.regclass::text) as example, pg_catalog.count(*)::int4 as count
from pg_catalog.pg_class c
join pg_catalog.pg_tablespace t on t.oid = c.reltablespace
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
group by c.relnamespace, t.oid, t.spcname
order by c.relnamespace, t.oid
