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
    pg_catalog.to_regclass('pgcleave.applied_plan') is not null as registry,
    exists (
        select from pg_catalog.pg_namespace n
        where n.nspname = 'pgcleave' and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    ) as registry_readable
from pg_catalog.pg_database d
join pg_catalog.pg_roles o on o.oid = d.datdba
join pg_catalog.pg_roles r on r.rolname = current_user
where d.datname = pg_catalog.current_database()
