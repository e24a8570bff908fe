select
    r.rolname::text as name,
    r.rolcanlogin as login,
    r.rolsuper as superuser,
    r.rolinherit as inherit,
    r.rolcreaterole as createrole,
    r.rolcreatedb as createdb,
    r.rolreplication as replication,
    r.rolbypassrls as bypassrls,
    r.rolconnlimit as connection_limit,
    r.rolvaliduntil is not null and r.rolvaliduntil <> 'infinity'::timestamptz as expires
from pg_catalog.pg_roles r
where r.rolname = any ($1::text[]::name[])
order by r.rolname
