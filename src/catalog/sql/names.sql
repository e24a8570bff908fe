select 'role' as kind, r.rolname::text as name
from pg_catalog.pg_roles r
where r.rolname !~ '^pg_'
union all
select 'schema', n.nspname::text
from pg_catalog.pg_namespace n
where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgcleave')
order by kind, name
