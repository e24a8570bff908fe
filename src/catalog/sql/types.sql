select
    n.nspname::text as schema,
    t.typname::text as name,
    o.rolname::text as owner,
    t.typacl::text as acl,
    case when t.typtype = 'd' then 'd' else 't' end as kind
from pg_catalog.pg_type t
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
join pg_catalog.pg_roles o on o.oid = t.typowner
where n.nspname = any ($1::text[]::name[])
  and t.typtype in ('b', 'c', 'd', 'e', 'r')
  and not exists (select from pg_catalog.pg_type e where e.typarray = t.oid)
  and (t.typrelid = 0 or exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
  and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid and d.deptype = 'e'
  )
order by n.nspname, t.typname
