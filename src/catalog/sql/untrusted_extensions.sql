select distinct v.name::text as name
from pg_catalog.pg_available_extension_versions v
where v.superuser and not v.trusted
order by name
