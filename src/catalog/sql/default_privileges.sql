select
    r.rolname::text as creator,
    n.nspname::text as schema,
    d.defaclobjtype::text as class,
    d.defaclacl::text as acl
from pg_catalog.pg_default_acl d
join pg_catalog.pg_roles r on r.oid = d.defaclrole
left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace
where r.rolname = any ($1::text[]::name[])
  and d.defaclobjtype in ('r', 'S', 'f', 'T')
order by r.rolname, n.nspname, d.defaclobjtype
