-- The roles that this administrator can grant to a login of its own, without making it a superuser.
select r.oid::pg_catalog.int8 as role
from pg_catalog.pg_roles r
join pg_catalog.pg_roles me on me.rolname operator(pg_catalog.=) current_user
where r.oid operator(pg_catalog.=) any ($1::pg_catalog.int8[]::pg_catalog.oid[])
  and not r.rolsuper
  and (
    me.rolsuper
    or (
      me.rolcreaterole
      and pg_catalog.current_setting('server_version_num')::pg_catalog.int4 operator(pg_catalog.<) 160000
    )
    or pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
  )
order by r.oid
