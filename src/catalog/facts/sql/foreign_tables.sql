select t.ftrelid::int8 as relation, t.ftserver::int8 as server, t.ftoptions as options
from pg_catalog.pg_foreign_table t
order by t.ftrelid
