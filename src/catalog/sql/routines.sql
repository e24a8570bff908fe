select
    n.nspname::text as schema,
    p.proname::text as name,
    pg_catalog.oidvectortypes(p.proargtypes) as arguments,
    o.rolname::text as owner,
    p.proacl::text as acl,
    case
        when p.prokind = 'p' then 'p'
        when p.provolatile in ('i', 's') and not p.prosecdef then 'r'
        else 'f'
    end as kind
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_roles o on o.oid = p.proowner
where n.nspname = any ($1::text[]::name[])
  and not exists (
      -- an extension's, or a range type's constructor: those belong to the bootstrap superuser, whoever makes the type
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
        and (d.deptype = 'e' or d.deptype = 'i' and d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass)
  )
order by n.nspname, p.proname, arguments
