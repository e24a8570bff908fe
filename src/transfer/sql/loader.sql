-- Which of the owners are superusers, or members of one, and whether this login is an administrator.
with recursive
  asked as (select r.oid, r.rolname from pg_catalog.pg_roles r where r.rolname = any ($1::pg_catalog.text[])),
  above as (
    select a.oid as role, a.oid as above from asked a
    union
    select x.role, m.roleid from above x join pg_catalog.pg_auth_members m on m.member = x.above
  )
select
  array(select a.rolname::pg_catalog.text from asked a where exists (
    select from above x join pg_catalog.pg_roles r on r.oid = x.above where x.role = a.oid and r.rolsuper) order by 1) as superusers,
  (select r.rolsuper or r.rolcreaterole from pg_catalog.pg_roles r where r.rolname = current_user) as administrator
