select distinct
    vn.nspname::text || '.' || v.relname::text as view,
    pn.nspname::text || '.' || p.proname::text || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')' as routine
from pg_catalog.pg_class v
join pg_catalog.pg_namespace vn on vn.oid = v.relnamespace
join pg_catalog.pg_rewrite w on w.ev_class = v.oid
join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    and d.objid = w.oid
    and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
join pg_catalog.pg_proc p on p.oid = d.refobjid
join pg_catalog.pg_namespace pn on pn.oid = p.pronamespace
where v.relkind = 'v'
  and vn.nspname = any ($1::text[]::name[])
  and v.relname = any ($2::text[]::name[])
  and pn.nspname = any ($1::text[]::name[])
order by 1, 2
