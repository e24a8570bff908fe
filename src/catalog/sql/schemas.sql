select
    n.nspname::text as name,
    o.rolname::text as owner,
    n.nspacl::text as acl,
    pg_catalog.pg_has_role(n.nspowner, 'USAGE') as grants_on
from pg_catalog.pg_namespace n
join pg_catalog.pg_roles o on o.oid = n.nspowner
where n.nspname = any ($1::text[]::name[])
   or n.nspname in ('public', 'extensions')
   or n.oid in (select e.extnamespace from pg_catalog.pg_extension e)
order by n.nspname
