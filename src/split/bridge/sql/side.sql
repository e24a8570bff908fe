-- What is there of a bridge, and what this login is, as one JSON document.
select pg_catalog.jsonb_build_object(
  'database', pg_catalog.current_database(),
  'superuser', r.rolsuper,
  'per_option', pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 160000,
  'roles', (select coalesce(pg_catalog.jsonb_agg(o.rolname), '[]') from pg_catalog.pg_roles o where o.rolname = any ($1)),
  'server', exists (select from pg_catalog.pg_foreign_server s where s.srvname = $2),
  'schemas', (select coalesce(pg_catalog.jsonb_object_agg(n.nspname, pg_catalog.pg_get_userbyid(n.nspowner)), '{}')
    from pg_catalog.pg_namespace n where n.nspname = any ($3)),
  'relations', (select coalesce(pg_catalog.jsonb_agg(n.nspname || '.' || c.relname), '[]')
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = any ($3)),
  'types', (select coalesce(pg_catalog.jsonb_agg(n.nspname || '.' || y.typname), '[]')
    from pg_catalog.pg_type y join pg_catalog.pg_namespace n on n.oid = y.typnamespace where n.nspname = any ($3))
)::pg_catalog.text
from pg_catalog.pg_roles r where r.rolname = current_user
