select
  p.oid::int8 as oid,
  p.polname::text as name,
  p.polrelid::int8 as relation,
  p.polpermissive as permissive,
  p.polcmd::text as command,
  array(select r::int8 from pg_catalog.unnest(p.polroles) r where r <> 0) as roles,
  pg_catalog.pg_get_expr(p.polqual, p.polrelid) as using,
  pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as check
from pg_catalog.pg_policy p
order by p.oid
