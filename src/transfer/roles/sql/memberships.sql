select m.roleid::pg_catalog.regrole::pg_catalog.text as sort, g.rolname::pg_catalog.text as role, u.rolname::pg_catalog.text as member,
  pg_catalog.bool_or(m.admin_option) as admin,
  pg_catalog.bool_or((pg_catalog.to_jsonb(m) ->> 'inherit_option')::pg_catalog.bool) as inherit,
  pg_catalog.bool_or((pg_catalog.to_jsonb(m) ->> 'set_option')::pg_catalog.bool) as set
from pg_catalog.pg_auth_members m
join pg_catalog.pg_roles g on g.oid = m.roleid join pg_catalog.pg_roles u on u.oid = m.member
where m.roleid = any ($1::pg_catalog.int8[]::pg_catalog.oid[]) and m.member = any ($2::pg_catalog.int8[]::pg_catalog.oid[])
group by m.roleid, g.rolname, u.rolname
order by g.rolname collate "C", u.rolname collate "C"
