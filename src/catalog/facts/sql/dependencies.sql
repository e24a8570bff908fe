select d.classid::int8 as class, d.objid::int8 as oid, d.objsubid::int4 as column, d.refclassid::int8 as ref_class,
  d.refobjid::int8 as ref_oid, d.refobjsubid::int4 as ref_column, d.deptype = 'e' as extension
from pg_catalog.pg_depend d
where d.deptype in ('n', 'e')
  and d.refobjid >= 16384
  and d.refclassid <> 'pg_catalog.pg_namespace'::pg_catalog.regclass
