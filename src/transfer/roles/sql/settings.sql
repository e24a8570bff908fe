select r.rolname::pg_catalog.text as role, s.setdatabase <> 0 as in_database,
  pg_catalog.split_part(c, '=', 1) as name, pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) as value
from pg_catalog.pg_db_role_setting s join pg_catalog.pg_roles r on r.oid = s.setrole,
  pg_catalog.unnest(s.setconfig) with ordinality as x(c, at)
where s.setrole = any ($1::pg_catalog.int8[]::pg_catalog.oid[])
  and s.setdatabase in (0, (select b.oid from pg_catalog.pg_database b where b.datname = pg_catalog.current_database()))
order by r.rolname collate "C", 2, x.at
