select w.oid::int8 as oid, w.fdwname::text as name, w.fdwowner::int8 as owner, w.fdwacl::text as acl
from pg_catalog.pg_foreign_data_wrapper w
order by w.oid
