-- who may grant a role, and so act as it: from 16 on whoever has its ADMIN option, before every CREATEROLE
select r.rolname::text as name
from pg_catalog.pg_roles r
join pg_catalog.pg_roles me on me.rolname = current_user
where r.rolname = any ($1::text[]::name[])
  and r.oid <> me.oid
  and not me.rolsuper
  and (
      r.rolsuper
      or not (
          pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
          or me.rolcreaterole and pg_catalog.current_setting('server_version_num')::int4 < 160000
      )
  )
