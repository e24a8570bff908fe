select 'role' as kind, r.rolname::text as name
from pg_catalog.pg_roles r
where r.rolname !~ '^pg_'
union all
select 'schema', n.nspname::text
from pg_catalog.pg_namespace n
where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgcleave')
union all
select 'extension schema', n.nspname::text
from pg_catalog.pg_namespace n
join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and d.objid = n.oid and d.deptype = 'e'
order by kind, name
