-- one text for all majors: the options are columns from 16 on
select
  m.roleid::int8 as role,
  m.member::int8 as member,
  m.grantor::int8 as grantor,
  m.admin_option as admin,
  coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::bool, r.rolinherit) as inherit,
  coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::bool, true) as set
from pg_catalog.pg_auth_members m
join pg_catalog.pg_roles r on r.oid = m.member
order by m.roleid, m.member, m.grantor
