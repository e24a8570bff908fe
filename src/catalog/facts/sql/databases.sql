select d.oid::int8 as oid, d.datname::text as name, d.datdba::int8 as owner, d.datacl::text as acl, d.datallowconn as open
from pg_catalog.pg_database d
order by d.datname
