select
  e.evtname::text as name,
  e.evtevent::text as event,
  e.evtowner::int8 as owner,
  e.evtfoid::int8 as function,
  p.proowner::int8 as function_owner,
  pg_catalog.format('%I.%I()', n.nspname, p.proname) as function_label,
  e.evtenabled in ('O', 'A') as enabled
from pg_catalog.pg_event_trigger e
join pg_catalog.pg_proc p on p.oid = e.evtfoid
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
order by e.oid
