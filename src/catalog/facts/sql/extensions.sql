select e.oid::int8 as oid, e.extname::text as name, e.extowner::int8 as owner, e.extnamespace::int8 as schema
from pg_catalog.pg_extension e
order by e.oid
