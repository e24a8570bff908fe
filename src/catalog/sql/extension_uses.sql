with
  objects as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass as class, c.oid, c.relnamespace as namespace
    from pg_catalog.pg_class c
    union all
    select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, p.pronamespace
    from pg_catalog.pg_proc p
    union all
    select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, t.typnamespace
    from pg_catalog.pg_type t
    union all
    select 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid, c.relnamespace
    from pg_catalog.pg_attrdef d
    join pg_catalog.pg_class c on c.oid = d.adrelid
    union all
    select 'pg_catalog.pg_rewrite'::pg_catalog.regclass, w.oid, c.relnamespace
    from pg_catalog.pg_rewrite w
    join pg_catalog.pg_class c on c.oid = w.ev_class
    union all
    select 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, k.connamespace
    from pg_catalog.pg_constraint k
    union all
    select 'pg_catalog.pg_trigger'::pg_catalog.regclass, g.oid, c.relnamespace
    from pg_catalog.pg_trigger g
    join pg_catalog.pg_class c on c.oid = g.tgrelid
  )
select distinct
  n.nspname::text as schema,
  e.extname::text as extension
from pg_catalog.pg_depend m
join pg_catalog.pg_extension e on e.oid = m.refobjid
join pg_catalog.pg_depend d on d.refclassid = m.classid and d.refobjid = m.objid
join objects o on o.class = d.classid and o.oid = d.objid
join pg_catalog.pg_namespace n on n.oid = o.namespace
where m.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
  and m.deptype = 'e'
  and d.deptype = 'n'
  and e.extname <> 'plpgsql'
  and not exists (
      select from pg_catalog.pg_depend x where x.classid = d.classid and x.objid = d.objid and x.deptype = 'e'
  )
order by schema, extension
