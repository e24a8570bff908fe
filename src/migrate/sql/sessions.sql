select pg_catalog.count(*)::int8
from pg_catalog.pg_stat_activity a
where a.usename = $1::text
