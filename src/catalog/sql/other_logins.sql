select r.rolname::text as name
from pg_catalog.pg_roles r
where r.rolcanlogin
  and not r.rolsuper
  and r.rolname <> current_user
  and r.rolname <> all ($1::text[]::name[])
order by r.rolname
