with managed as (
    select r.oid
    from pg_catalog.pg_roles r
    where r.rolname = any ($1::text[]::name[])
)
select
    r.rolname::text as role,
    m.rolname::text as member,
    coalesce(g.rolname::text, '') as grantor,
    am.admin_option as admin,
    coalesce((pg_catalog.to_jsonb(am) ->> 'inherit_option')::bool, m.rolinherit) as inherit,
    coalesce((pg_catalog.to_jsonb(am) ->> 'set_option')::bool, true) as set
from pg_catalog.pg_auth_members am
join pg_catalog.pg_roles r on r.oid = am.roleid
join pg_catalog.pg_roles m on m.oid = am.member
left join pg_catalog.pg_roles g on g.oid = am.grantor
where am.roleid in (select oid from managed) or am.member in (select oid from managed)
order by r.rolname, m.rolname, g.rolname
