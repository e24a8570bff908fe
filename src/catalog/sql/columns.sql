select
    n.nspname::text as schema,
    c.relname::text as relation,
    o.rolname::text as owner,
    a.attname::text as name,
    a.attacl::text as acl
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_roles o on o.oid = c.relowner
where a.attacl is not null
  and n.nspname = any ($1::text[]::name[])
  and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and not a.attisdropped
order by n.nspname, c.relname, a.attname
