with recursive
  -- Foreign tables and the views that read them: asked whether those pass writes on, the server calls the wrapper's
  -- code, which our sessions refuse. They are taken to pass on everything.
  remote as (
    select c.oid from pg_catalog.pg_class c where c.relkind = 'f'
    union
    select v.oid
    from remote f
    join pg_catalog.pg_depend d
      on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = f.oid
      and d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    join pg_catalog.pg_rewrite r on r.oid = d.objid
    join pg_catalog.pg_class v on v.oid = r.ev_class and v.relkind = 'v'
  )
select
  c.oid::int8 as oid,
  c.relnamespace::int8 as schema,
  c.relname::text as name,
  c.relowner::int8 as owner,
  c.relkind::text as kind,
  c.relacl::text as acl,
  case when c.relkind = 'v' then c.reloptions end as options,
  case
    when c.relkind <> 'v' then 0
    when c.oid in (select f.oid from remote f) then 28
    else pg_catalog.pg_relation_is_updatable(c.oid, false)
  end as updatable,
  c.relrowsecurity as row_security,
  c.relforcerowsecurity as force_row_security,
  c.relispopulated as populated,
  c.relispartition as partition,
  c.relkind = 'S' and exists (
    select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.objsubid = 0
      and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjsubid <> 0 and d.deptype in ('a', 'i')
  ) as of_column,
  c.reltablespace::int8 as tablespace
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  and n.nspname !~ '^pg_'
  and n.nspname <> 'information_schema'
order by c.oid
