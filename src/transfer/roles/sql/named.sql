-- The roles of these names.
select r.oid::pg_catalog.int8 as oid, r.rolname::pg_catalog.text as name, r.rolcanlogin as login, r.rolinherit as inherit,
  r.rolconnlimit as connection_limit, r.rolvaliduntil::pg_catalog.text as valid_until,
  r.rolname like 'pg\_%' as predefined, r.rolsuper as superuser,
  pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'connect') as connects
from pg_catalog.pg_roles r where r.rolname = any ($1::pg_catalog.text[])
order by r.rolname collate "C"
