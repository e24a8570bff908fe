-- Enabled event triggers whose function is in hands that are not trusted. Reads pg_catalog alone.
select
    e.evtname::pg_catalog.text as trigger,
    e.evtevent::pg_catalog.text as event,
    pg_catalog.format('%I.%I()', n.nspname, p.proname) as function,
    o.rolname::pg_catalog.text as owner
from pg_catalog.pg_event_trigger e
join pg_catalog.pg_proc p on p.oid operator(pg_catalog.=) e.evtfoid
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) p.pronamespace
join pg_catalog.pg_roles o on o.oid operator(pg_catalog.=) p.proowner
where e.evtenabled operator(pg_catalog.<>) 'D'
    and not o.rolsuper
    and o.rolname operator(pg_catalog.<>) session_user
    and o.rolname::pg_catalog.text operator(pg_catalog.<>)
        coalesce(pg_catalog.current_setting('pgcleave.administrator', true), '')
order by 1
