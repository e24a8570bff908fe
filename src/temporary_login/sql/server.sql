select
    pg_catalog.current_database()::pg_catalog.text as database,
    d.oid::pg_catalog.int8 as database_oid,
    r.rolsuper as superuser,
    pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as version,
    pg_catalog.to_char(
        (pg_catalog.clock_timestamp() + pg_catalog.make_interval(hours => $1)) at time zone 'UTC',
        'YYYY-MM-DD HH24:MI:SS'
    ) || '+00' as expires
from pg_catalog.pg_roles r, pg_catalog.pg_database d
where r.rolname = current_user and d.datname = pg_catalog.current_database()
