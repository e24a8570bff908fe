select s.subname::text as name, s.subowner::int8 as owner, s.subenabled as enabled, s.subpublications as publications
from pg_catalog.pg_subscription s
where s.subdbid = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
order by s.subname
