select
    r.rolname::text as role,
    s.setconfig as settings
from pg_catalog.pg_db_role_setting s
join pg_catalog.pg_roles r on r.oid = s.setrole
where r.rolname = any ($1::text[]::name[])
  and s.setdatabase = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
order by r.rolname
