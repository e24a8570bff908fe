select exists (
    select
    from pg_catalog.pg_locks l
    where l.granted
      and l.pid operator(pg_catalog.=) pg_catalog.pg_backend_pid()
      and (
          (
              l.locktype operator(pg_catalog.=) 'relation'
              and l.mode operator(pg_catalog.=) 'ExclusiveLock'
          )
          or (
              l.locktype operator(pg_catalog.=) 'advisory'
              and l.objsubid operator(pg_catalog.=) 2
              and l.objid operator(pg_catalog.=)
                  (pg_catalog.hashtext($1::text)::int8 operator(pg_catalog.&) 4294967295)::oid
          )
      )
)
