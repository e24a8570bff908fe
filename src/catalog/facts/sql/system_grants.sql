-- what initdb or CREATE EXTENSION granted is in pg_init_privs; of the rest the built-in default is the initial list
with member as (
  select d.classid, d.objid from pg_catalog.pg_depend d where d.deptype = 'e'
), object as (
  select 'pg_catalog.pg_proc'::pg_catalog.regclass as class, p.oid, 0 as sub, p.pronamespace as schema, 'routine' as kind,
    pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)) as label,
    p.proowner as owner, p.proacl as acl, null::text as column, n.nspname
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where p.proacl is not null
  union all
  select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, 0, c.relnamespace,
    case when c.relkind = 'S' then 'sequence' else 'relation' end,
    pg_catalog.format('%I.%I', n.nspname, c.relname), c.relowner, c.relacl, null, n.nspname
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relacl is not null and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  union all
  select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, a.attnum, c.relnamespace, 'column',
    pg_catalog.format('%I.%I', n.nspname, c.relname), c.relowner, a.attacl, a.attname::text, n.nspname
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where a.attacl is not null
  union all
  select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, 0, t.typnamespace, 'type',
    pg_catalog.format('%I.%I', n.nspname, t.typname), t.typowner, t.typacl, null, n.nspname
  from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  where t.typacl is not null
  union all
  select 'pg_catalog.pg_namespace'::pg_catalog.regclass, n.oid, 0, n.oid, 'schema',
    pg_catalog.format('schema %I', n.nspname), n.nspowner, n.nspacl, null, n.nspname
  from pg_catalog.pg_namespace n
  where n.nspacl is not null and n.nspname in ('pg_catalog', 'information_schema', 'pg_toast')
)
select
  o.oid::int8 as oid,
  o.nspname::text as schema,
  o.column,
  o.kind,
  o.label,
  o.owner::int8 as owner,
  o.acl::text as acl,
  case
    -- initdb makes information_schema after it has filled pg_init_privs
    when i.initprivs is null and o.nspname = 'information_schema' and o.kind in ('relation', 'schema')
    then pg_catalog.acldefault(case o.kind when 'schema' then 'n' else 'r' end::"char", o.owner)
      || pg_catalog.makeaclitem(0, o.owner, case o.kind when 'schema' then 'USAGE' else 'SELECT' end, false)
    else i.initprivs
  end::text as initial
from object o
left join pg_catalog.pg_init_privs i on i.classoid = o.class and i.objoid = o.oid and i.objsubid = o.sub
where (
    o.nspname in ('pg_catalog', 'information_schema', 'pg_toast')
    or exists (select from member m where m.classid = o.class and m.objid = o.oid)
  )
  and o.acl is distinct from i.initprivs
order by o.class, o.oid, o.sub
