select
  r.oid::int8 as oid,
  r.rolname::text as name,
  r.rolsuper as superuser,
  r.rolinherit as inherit,
  r.rolcreaterole as create_role,
  r.rolcreatedb as create_db,
  r.rolcanlogin as login,
  r.rolreplication as replication,
  r.rolbypassrls as bypass_rls,
  r.rolconnlimit as connection_limit,
  coalesce(r.rolvaliduntil < pg_catalog.now(), false) as expired
from pg_catalog.pg_roles r
order by r.rolname
