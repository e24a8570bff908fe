select
    pg_catalog.current_setting('server_version_num')::int4 as server_version,
    d.datname::text as database,
    o.rolname::text as database_owner,
    d.datacl::text as database_acl,
    r.rolname::text as administrator,
    r.rolsuper as superuser,
    r.rolcreaterole or r.rolsuper as createrole,
    pg_catalog.pg_has_role(d.datdba, 'USAGE') as owns_database,
    pg_catalog.has_database_privilege(d.oid, 'CREATE') as creates_schemas,
    registry.owner is not null as registry,
    coalesce(registry.readable, false) as registry_readable,
    pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT') as reads_passwords,
    registry.owner as registry_owner
from pg_catalog.pg_database d
join pg_catalog.pg_roles o on o.oid = d.datdba
join pg_catalog.pg_roles r on r.rolname = current_user
left join (
    -- to_regclass would fail where the schema may not be used
    select
        a.rolname::text as owner,
        pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'SELECT') as readable
    from pg_catalog.pg_namespace n
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = 'applied_plan'
    join pg_catalog.pg_roles a on a.oid = n.nspowner
    where n.nspname = 'pgcleave'
) registry on true
where d.datname = pg_catalog.current_database()
