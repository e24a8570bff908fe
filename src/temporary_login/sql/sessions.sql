select pg_catalog.count(*)::pg_catalog.int8
from pg_catalog.pg_stat_activity a
where a.usename = $1::pg_catalog.text
