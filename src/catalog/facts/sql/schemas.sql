select n.oid::int8 as oid, n.nspname::text as name, n.nspowner::int8 as owner, n.nspacl::text as acl
from pg_catalog.pg_namespace n
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by n.oid
