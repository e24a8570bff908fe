-- What one side offers and who uses it, as one JSON document; what this login may not see is null.
select pg_catalog.jsonb_build_object(
  'version', pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
  'database', pg_catalog.current_database(),
  'login', current_user,
  'superuser', r.rolsuper,
  'createrole', r.rolcreaterole,
  'replication', r.rolreplication,
  'creates', pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create'),
  'subscribes', exists (select from pg_catalog.pg_roles p where p.rolname = 'pg_create_subscription' and pg_catalog.pg_has_role(p.oid, 'usage')),
  'sees_all', pg_catalog.pg_has_role('pg_read_all_stats', 'usage'),
  'recovery', pg_catalog.pg_is_in_recovery(),
  'system', case when pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute')
    then (select c.system_identifier::pg_catalog.text from pg_catalog.pg_control_system() c) end,
  'encoding', pg_catalog.pg_encoding_to_char(d.encoding),
  'collation', d.datcollate, 'ctype', d.datctype,
  'provider', d.datlocprovider,
  'locale', coalesce(pg_catalog.to_jsonb(d) ->> 'datlocale', pg_catalog.to_jsonb(d) ->> 'daticulocale'),
  'bytes', case when pg_catalog.has_database_privilege(d.oid, 'connect') then pg_catalog.pg_database_size(d.oid) end,
  'settings', (select pg_catalog.jsonb_object_agg(s.name, s.setting) from pg_catalog.pg_settings s where s.name in (
    'wal_level', 'max_replication_slots', 'max_wal_senders', 'max_worker_processes', 'max_logical_replication_workers',
    'max_active_replication_origins', 'max_slot_wal_keep_size', 'max_connections', 'superuser_reserved_connections', 'reserved_connections',
    'max_locks_per_transaction', 'max_prepared_transactions', 'autovacuum_max_workers', 'autovacuum_worker_slots')),
  'slots', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.format('%s (%s%s)', s.slot_name, coalesce(s.database, 'physical'),
      case when s.active then '' else ', inactive' end) order by s.slot_name), '[]')
    from pg_catalog.pg_replication_slots s),
  'senders', (select pg_catalog.count(*) from pg_catalog.pg_stat_replication),
  'subscriptions', (select coalesce(pg_catalog.jsonb_agg(s.subname order by s.subname), '[]') from pg_catalog.pg_subscription s),
  'workers', (select pg_catalog.count(*) from pg_catalog.pg_stat_subscription s where s.pid is not null),
  'connections', (select pg_catalog.sum(s.numbackends)::pg_catalog.int8 from pg_catalog.pg_stat_database s),
  'long_transactions', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('pid', a.pid, 'login', a.usename, 'state', a.state,
      'database', a.datname, 'seconds', extract(epoch from pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8) order by a.xact_start, a.pid), '[]')
    from pg_catalog.pg_stat_activity a
    where a.xact_start < pg_catalog.clock_timestamp() - interval '60 seconds' and a.pid <> pg_catalog.pg_backend_pid()
      and a.datname is not null),
  'prepared', (select coalesce(pg_catalog.jsonb_agg(p.gid || ' (' || p.database || ')' order by p.gid), '[]')
    from pg_catalog.pg_prepared_xacts p where p.prepared < pg_catalog.clock_timestamp() - interval '60 seconds'),
  'wal_bytes_per_second', (select (w.wal_bytes / nullif(extract(epoch from pg_catalog.now() - w.stats_reset), 0))::pg_catalog.int8
    from pg_catalog.pg_stat_wal w),
  'transactions_per_second', (select (s.xact_commit / nullif(extract(epoch from pg_catalog.now() -
      coalesce(s.stats_reset, pg_catalog.pg_postmaster_start_time())), 0))::pg_catalog.int8
    from pg_catalog.pg_stat_database s where s.datname = pg_catalog.current_database()),
  'extensions', (select coalesce(pg_catalog.jsonb_object_agg(e.extname, e.extversion), '{}') from pg_catalog.pg_extension e),
  'available', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', v.name, 'version', v.version,
      'superuser', v.superuser and not v.trusted) order by v.name, v.version), '[]')
    from pg_catalog.pg_available_extension_versions v where v.name = any ($2) or v.name = 'postgres_fdw'),
  'collations', (select coalesce(pg_catalog.jsonb_agg(distinct n.nspname || '.' || c.collname), '[]')
    from pg_catalog.pg_collation c join pg_catalog.pg_namespace n on n.oid = c.collnamespace
    where n.nspname || '.' || c.collname = any ($3) and c.collencoding in (-1, d.encoding)),
  'schema_exists', exists (select from pg_catalog.pg_namespace n where n.nspname = $1),
  'schema_objects', (select pg_catalog.count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1 and c.relkind <> 'i')
    + (select pg_catalog.count(*) from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname = $1),
  -- One whose function can raise an error, for what a split does; an extension's own is known to be harmless.
  'refusing_triggers', (select coalesce(pg_catalog.jsonb_agg(e.evtname order by e.evtname), '[]')
    from pg_catalog.pg_event_trigger e join pg_catalog.pg_proc p on p.oid = e.evtfoid
    join pg_catalog.pg_language l on l.oid = p.prolang
    where e.evtenabled in ('O', 'A') and e.evtevent in ('ddl_command_start', 'ddl_command_end', 'sql_drop', 'table_rewrite')
      and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass
        and d.objid = e.oid and d.deptype = 'e')
      and (l.lanname <> 'plpgsql'
        or p.prosrc ~* '\mraise\M(?!\s+(debug|log|info|notice|warning)\M)' or p.prosrc ~* '\massert\M')
      and (e.evttags is null or exists (select from pg_catalog.unnest(e.evttags) t where t in ('GRANT', 'REVOKE', 'COMMENT')
        or t ~ '^(CREATE|ALTER|DROP) (SCHEMA|TABLE|INDEX|VIEW|SEQUENCE|TYPE|FUNCTION|TRIGGER|PUBLICATION|SUBSCRIPTION)$'
        or t ~ '^(CREATE|ALTER|DROP) (EXTENSION|SERVER|FOREIGN TABLE|USER MAPPING|MATERIALIZED VIEW)$'))),
  'connects_public', pg_catalog.has_database_privilege('public', d.oid, 'connect')
)::pg_catalog.text
from pg_catalog.pg_database d, pg_catalog.pg_roles r
where d.datname = pg_catalog.current_database() and r.rolname = current_user
