select t.oid::int8 as oid, t.spcname::text as name, t.spcowner::int8 as owner, t.spcacl::text as acl
from pg_catalog.pg_tablespace t
order by t.oid
