-- The roles that a schema names, those that belong to its service, and the groups that these are in; after who.sql.
,
  groups as (
    select m.roleid as role from pg_catalog.pg_auth_members m join own o on o.role = m.member
  ),
  carried as (select role from named union select role from own union select role from groups)
select r.oid::pg_catalog.int8 as oid, r.rolname::pg_catalog.text as name, r.rolcanlogin as login, r.rolinherit as inherit,
  r.rolconnlimit as connection_limit, r.rolvaliduntil::pg_catalog.text as valid_until,
  exists (select from own o where o.role = r.oid) as own, r.rolname like 'pg\_%' as predefined,
  r.rolsuper as superuser, exists (select from ours o where o.owner = r.oid) as owns
from pg_catalog.pg_roles r join carried c on c.role = r.oid
-- A split's subscription applies as a role of its own, which is a member of the owners as long as the split lasts.
where r.rolname !~ '^pgcleave_[0-9a-f]{8}_apply_(source|target)$'
  and r.rolname::pg_catalog.text !~ 'pgcleave_tmp_[0-9a-f]{8}_[0-9a-f]{8}$'
order by r.rolname collate "C"
