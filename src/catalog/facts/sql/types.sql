-- row types, arrays and multiranges only where something was granted on them or depends on them
select
  t.oid::int8 as oid,
  t.typnamespace::int8 as schema,
  t.typname::text as name,
  t.typowner::int8 as owner,
  t.typacl::text as acl,
  t.typtype::text as kind,
  coalesce(e.oid, 0)::int8 as element,
  case when c.relkind <> 'c' then c.oid else 0 end::int8 as relation,
  case when c.relkind = 'c' then c.oid else 0 end::int8 as composite
from pg_catalog.pg_type t
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
left join pg_catalog.pg_type e on e.oid = t.typelem and e.typarray = t.oid
left join pg_catalog.pg_class c on c.oid = t.typrelid
where n.nspname !~ '^pg_'
  and n.nspname <> 'information_schema'
  and (
    (e.oid is null and t.typtype <> 'm' and coalesce(c.relkind = 'c', true))
    or t.typacl is not null
    or exists (
      select from pg_catalog.pg_depend d
      where d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.refobjid = t.oid and d.deptype = 'n'
        -- but for the constructors that come with a range type
        and not exists (
          select from pg_catalog.pg_depend i
          where i.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.classid = i.classid and i.objid = d.objid
            and i.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass and i.deptype = 'i'
        )
    )
  )
order by t.oid
