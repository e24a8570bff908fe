select r.oid::int8 as role
from pg_catalog.pg_roles r
where r.oid = any ($1::int8[]::pg_catalog.oid[])
  and pg_catalog.pg_has_role(
    r.oid,
    case when pg_catalog.current_setting('server_version_num')::int4 >= 160000 then 'SET' else 'MEMBER' end
  )
order by r.oid
