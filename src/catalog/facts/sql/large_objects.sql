-- one without an access list is its owner's alone
select l.oid::int8 as oid, l.lomowner::int8 as owner, l.lomacl::text as acl
from pg_catalog.pg_largeobject_metadata l
where l.lomacl is not null
order by l.oid
