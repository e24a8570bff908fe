select
    n.nspname::text as schema,
    c.relname::text as name,
    o.rolname::text as owner,
    c.relacl::text as acl,
    case
        when c.relkind = 'S' and exists (
            select from pg_catalog.pg_depend d
            where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
              and d.objid = c.oid
              and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
              and d.refobjsubid > 0
              and d.deptype in ('a', 'i')
        ) then 's'
        else c.relkind::text
    end as kind
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_roles o on o.oid = c.relowner
where n.nspname = any ($1::text[]::name[])
  and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
  )
order by n.nspname, c.relname
