-- Functions of services that run with the rights of whoever calls them. Standard SQL bodies that are not volatile are left
-- out: they read and compute.
select distinct n.nspname::text as schema, p.proname::text as name
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname = any ($1::text[]::name[])
  and not p.prosecdef
  and not (p.prosqlbody is not null and p.provolatile <> 'v')
order by 1, 2
