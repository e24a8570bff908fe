select l.oid::int8 as oid, l.lanname::text as name, l.lanowner::int8 as owner, l.lanacl::text as acl, l.lanpltrusted as trusted
from pg_catalog.pg_language l
order by l.oid
