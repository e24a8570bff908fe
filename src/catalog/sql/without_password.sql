-- logins among these that no password lets in; asked only where pg_authid can be read
select a.rolname::text as name
from pg_catalog.pg_authid a
where a.rolname = any ($1::text[]::name[])
  and a.rolcanlogin
  and a.rolpassword is null
order by a.rolname
