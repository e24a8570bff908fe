select
    coalesce(
        (
            select pg_catalog.format(
                '%s (pid %s%s%s)',
                coalesce(a.usename::text, 'a prepared transaction'),
                b.pid,
                coalesce(', ' || nullif(pg_catalog.left(a.application_name, 60), ''), ''),
                coalesce(', ' || a.state, '')
            )
            from pg_catalog.unnest(pg_catalog.pg_blocking_pids($1::int4)) b (pid)
            left join pg_catalog.pg_stat_activity a on a.pid operator(pg_catalog.=) b.pid
            order by b.pid
            limit 1
        ),
        'a session that has ended since'
    ) as blocker
from pg_catalog.pg_locks l
where l.pid operator(pg_catalog.=) $1::int4
  and not l.granted
  and l.locktype operator(pg_catalog.<>) 'virtualxid'
  and l.waitstart operator(pg_catalog.<) (
      pg_catalog.clock_timestamp() operator(pg_catalog.-) pg_catalog.make_interval(secs => $2::int8::float8)
  )
limit 1
