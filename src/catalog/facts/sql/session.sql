select
  pg_catalog.current_setting('server_version_num')::int4 / 10000 as major,
  pg_catalog.current_database()::text as database,
  current_user::text as role,
  coalesce(pg_catalog.current_setting('pgcleave.administrator', true), '') as administrator,
  pg_catalog.current_setting('lo_compat_privileges')::bool as lo_compat_privileges,
  pg_catalog.current_setting('port')::text as port,
  array['localhost', '127.0.0.1', '::1']
    || coalesce(pg_catalog.host(pg_catalog.inet_server_addr()), '127.0.0.1') as own_hosts,
  array(
    select c.relname::text
    from pg_catalog.pg_class c
    where c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
      and c.relkind in ('r', 'v')
      and not pg_catalog.has_any_column_privilege(c.oid, 'select')
    order by 1
  ) as closed
