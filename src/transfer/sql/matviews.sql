-- Populated materialized views, each after those that it reads, through whatever views lie between.
with recursive
  edge as (
    select distinct r.ev_class as reader, d.refobjid as source
    from pg_catalog.pg_rewrite r join pg_catalog.pg_depend d
      on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
      and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> r.ev_class
  ),
  view as (
    select c.oid, c.relname, c.relkind, c.relispopulated from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relkind in ('v', 'm')
  ),
  depth as (
    select v.oid, 0 as depth from view v
    union
    select e.reader, d.depth + 1 from depth d join edge e on e.source = d.oid join view v on v.oid = e.reader
    where d.depth < 1000
  )
select v.relname::pg_catalog.text as name from view v join depth d on d.oid = v.oid
where v.relkind = 'm' and v.relispopulated group by v.relname order by pg_catalog.max(d.depth), v.relname
