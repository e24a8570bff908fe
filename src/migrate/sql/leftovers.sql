select r.rolname::text as name
from pg_catalog.pg_roles r
where pg_catalog.starts_with(r.rolname::text, $1::text)
order by r.rolname
