-- Who besides the owner holds a privilege in the schema $1; null is PUBLIC.
select r.rolname::pg_catalog.text
from (
    select n.nspowner as owner, n.nspacl as acl from pg_catalog.pg_namespace n where n.nspname operator(pg_catalog.=) $1
    union all
    select c.relowner, c.relacl
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
    where n.nspname operator(pg_catalog.=) $1
    union all
    select p.proowner, p.proacl
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) p.pronamespace
    where n.nspname operator(pg_catalog.=) $1
) o (owner, acl), pg_catalog.aclexplode(o.acl) a
left join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) a.grantee
where a.grantee operator(pg_catalog.<>) o.owner
group by r.rolname
order by r.rolname
