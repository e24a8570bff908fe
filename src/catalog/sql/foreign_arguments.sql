-- Routines whose argument types live in other schemas. GRANT and ALTER look the types up as the role that runs them.
select
    n.nspname::text as schema,
    p.proname::text as name,
    pg_catalog.oidvectortypes(p.proargtypes) as arguments,
    f.names as type_schemas,
    not exists (
        select from pg_catalog.pg_proc o
        where o.pronamespace = p.pronamespace and o.proname = p.proname and o.oid <> p.oid
    ) as alone,
    (
        select pg_catalog.bool_and(pg_catalog.has_schema_privilege('public', s.oid, 'usage'))
        from pg_catalog.unnest(f.oids) as s (oid)
    ) as open,
    array(
        select r.rolname::text
        from pg_catalog.pg_roles r
        where (r.rolname = any ($2::text[]::name[]) or r.rolname = current_user)
          and (
              select pg_catalog.bool_and(pg_catalog.has_schema_privilege(r.oid, s.oid, 'usage'))
              from pg_catalog.unnest(f.oids) as s (oid)
          )
        order by r.rolname
    ) as usable_by
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
cross join lateral (
    select pg_catalog.array_agg(distinct t.typnamespace) as oids, pg_catalog.array_agg(distinct tn.nspname::text) as names
    from pg_catalog.unnest(p.proargtypes::pg_catalog.oid[]) as a (type)
    join pg_catalog.pg_type t on t.oid = a.type
    join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
    where t.typnamespace <> p.pronamespace and tn.nspname <> 'pg_catalog'
) f
where n.nspname = any ($1::text[]::name[]) and f.oids is not null
order by n.nspname, p.proname, arguments
