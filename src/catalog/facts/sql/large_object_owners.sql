select l.lomowner::int8 as owner, pg_catalog.min(l.oid::int8) as example, pg_catalog.count(*)::int4 as count
from pg_catalog.pg_largeobject_metadata l
group by l.lomowner
order by l.lomowner
