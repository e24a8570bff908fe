select d.classid::int8 as class, d.objid::int8 as oid, d.objsubid::int4 as column, d.refclassid::int8 as ref_class,
  d.refobjid::int8 as ref_oid, d.refobjsubid::int4 as ref_column, d.deptype = 'e' as extension
from pg_catalog.pg_depend d
where d.deptype in ('n', 'e')
  and d.refobjid >= 16384
  and d.refclassid <> 'pg_catalog.pg_namespace'::pg_catalog.regclass
-- what an operator class calls hangs on its family, which in turn hangs on nothing
union all
select 'pg_catalog.pg_opclass'::pg_catalog.regclass::int8, c.oid::int8, 0, 'pg_catalog.pg_proc'::pg_catalog.regclass::int8,
  f.function::int8, 0, false
from pg_catalog.pg_opclass c
cross join lateral (
  select a.amproc::pg_catalog.oid from pg_catalog.pg_amproc a where a.amprocfamily = c.opcfamily
  union
  select o.oprcode::pg_catalog.oid
  from pg_catalog.pg_amop m join pg_catalog.pg_operator o on o.oid = m.amopopr
  where m.amopfamily = c.opcfamily
) f (function)
where c.oid >= 16384 and f.function >= 16384
