select d.defaclrole::int8 as creator, nullif(d.defaclnamespace, 0)::int8 as schema, d.defaclobjtype::text as kind, d.defaclacl::text as acl
from pg_catalog.pg_default_acl d
order by d.defaclrole, d.defaclnamespace, d.defaclobjtype
