select
  nullif(s.setrole, 0)::int8 as role,
  d.datname::text as database,
  pg_catalog.split_part(c.line, '=', 1) as name,
  pg_catalog.substr(c.line, pg_catalog.strpos(c.line, '=') + 1) as value
from pg_catalog.pg_db_role_setting s
left join pg_catalog.pg_database d on d.oid = s.setdatabase
cross join lateral pg_catalog.unnest(s.setconfig) c (line)
order by s.setrole, s.setdatabase, c.line
