-- views and copies of catalogs that are closed to all but superusers: dependencies on what initdb made are not kept,
-- so that the parsed query is asked
with query (relation, tree) as materialized (
  select r.ev_class, r.ev_action::text
  from pg_catalog.pg_rewrite r
  where r.oid >= 16384 and r.ev_type = '1'
)
select q.relation::int8 as relation, c.relname::text as catalog,
  -- these ask who reads: a view shows each reader its own rows, and only a copy shows those of whoever filled it
  c.relname in ('pg_stats', 'pg_stats_ext', 'pg_stats_ext_exprs', 'pg_user_mappings', 'pg_stat_activity') as asks
from query q
join pg_catalog.pg_class c on pg_catalog.strpos(q.tree, ':relid ' || c.oid || ' ') > 0
where c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
  and (
    c.relname in (
      'pg_authid', 'pg_shadow', 'pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject', 'pg_user_mapping',
      'pg_stats', 'pg_stats_ext', 'pg_stats_ext_exprs', 'pg_user_mappings', 'pg_stat_activity'
    )
    -- of subscriptions only the connection string is closed
    or c.relname = 'pg_subscription' and pg_catalog.pg_get_viewdef(q.relation) ~ 'subconninfo|\.\*'
  )
order by q.relation, c.relname
