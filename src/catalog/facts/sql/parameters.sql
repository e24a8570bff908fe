select p.parname::text as name, p.paracl::text as acl
from pg_catalog.pg_parameter_acl p
order by p.parname
