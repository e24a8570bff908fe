select
    exists (select from pg_catalog.pg_roles r where r.rolname = $2::text) as owner_exists,
    exists (select from pg_catalog.pg_roles r where r.rolname = $3::text) as writer_exists,
    exists (
        select
        from pg_catalog.pg_namespace n
        join pg_catalog.pg_roles r on r.oid = n.nspowner
        where n.nspname = $1::text and r.rolname = $2::text
    ) as owns_schema,
    (
        select coalesce(pg_catalog.array_agg(distinct n.nspname::text order by n.nspname::text), '{}')
        from pg_catalog.pg_extension e
        join pg_catalog.pg_namespace n on n.oid = e.extnamespace
        where e.extname = any ($4::text[]::name[]) and n.nspname <> 'pg_catalog'
    ) as extension_schemas
