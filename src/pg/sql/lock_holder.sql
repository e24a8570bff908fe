select
    l.pid,
    pg_catalog.format(
        '%s (%s, pid %s%s)',
        coalesce(nullif(a.application_name, ''), 'a session'),
        coalesce(a.usename::text, 'unknown role'),
        l.pid,
        coalesce(' from ' || pg_catalog.host(a.client_addr), '')
    ) as who,
    coalesce(extract(epoch from pg_catalog.clock_timestamp() operator(pg_catalog.-) a.backend_start), 0)::bigint
        as seconds
from pg_catalog.pg_locks l
left join pg_catalog.pg_stat_activity a on a.pid operator(pg_catalog.=) l.pid
left join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) a.usesysid
where l.granted
  and l.pid operator(pg_catalog.<>) pg_catalog.pg_backend_pid()
  and l.database operator(pg_catalog.=) (
      select d.oid
      from pg_catalog.pg_database d
      where d.datname operator(pg_catalog.=) pg_catalog.current_database()
  )
  and (
      (
          l.locktype operator(pg_catalog.=) 'relation'
          and l.mode operator(pg_catalog.=) 'ExclusiveLock'
          and l.relation operator(pg_catalog.=) (
              select c.oid
              from pg_catalog.pg_class c
              join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
              where n.nspname::text operator(pg_catalog.=) 'pgcleave'
                and c.relname::text operator(pg_catalog.=) $2::text
          )
      )
      or (
          -- anybody can take this one: only an administrator's counts
          l.locktype operator(pg_catalog.=) 'advisory'
          and l.objsubid operator(pg_catalog.=) 2
          and l.objid operator(pg_catalog.=) (pg_catalog.hashtext($1::text)::int8 operator(pg_catalog.&) 4294967295)::oid
          and (
              r.rolsuper
              or r.rolcreaterole
              or r.rolname operator(pg_catalog.=) session_user
              or r.oid operator(pg_catalog.=) (
                  select n.nspowner
                  from pg_catalog.pg_namespace n
                  where n.nspname::text operator(pg_catalog.=) 'pgcleave'
              )
          )
      )
  )
order by l.pid
limit 1
