-- What people call objects; a column, a row type and the like are left out where what they are part of is among them.
with gone as (
  select g.class::pg_catalog.oid as class, g.oid::pg_catalog.oid as oid, g.part
  from rows from (pg_catalog.unnest($1::pg_catalog.int8[]), pg_catalog.unnest($2::pg_catalog.int8[]),
    pg_catalog.unnest($3::pg_catalog.int4[])) g (class, oid, part)
)
select pg_catalog.pg_describe_object(g.class, g.oid, g.part) as object
from gone g
where not (g.part <> 0 and exists (select from gone w where w.class = g.class and w.oid = g.oid and w.part = 0))
  and not exists (
    select from pg_catalog.pg_depend d join gone w on w.class = d.refclassid and w.oid = d.refobjid
    where d.classid = g.class and d.objid = g.oid and (d.deptype in ('i', 'e') or (d.deptype = 'a' and w.part = 0 and d.refobjsubid = 0)))
order by 1
