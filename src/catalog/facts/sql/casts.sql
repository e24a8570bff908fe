select
  c.oid::int8 as oid,
  c.castsource::int8 as source,
  c.casttarget::int8 as target,
  c.castfunc::int8 as function,
  pg_catalog.format_type(c.castsource, null) || ' as ' || pg_catalog.format_type(c.casttarget, null) as label
from pg_catalog.pg_cast c
where c.oid >= 16384
order by c.oid
