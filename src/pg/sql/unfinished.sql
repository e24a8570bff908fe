with leftover as (
    select
        c.oid as oid,
        true as is_index,
        n.nspname::text as schema,
        c.relname::text as name,
        tn.nspname::text as parent_schema,
        t.relname::text as parent,
        t.oid as table_oid
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) i.indexrelid
    join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
    join pg_catalog.pg_class t on t.oid operator(pg_catalog.=) i.indrelid
    join pg_catalog.pg_namespace tn on tn.oid operator(pg_catalog.=) t.relnamespace
    left join pg_catalog.pg_class main
        on main.reltoastrelid operator(pg_catalog.=) t.oid and t.relkind operator(pg_catalog.=) 't'
    left join pg_catalog.pg_namespace mn on mn.oid operator(pg_catalog.=) main.relnamespace
    where c.relkind operator(pg_catalog.=) 'i'
      and not (i.indisvalid and i.indisready and i.indislive)
      and coalesce(mn.nspname, tn.nspname)::text operator(pg_catalog.=) $1::text
    union all
    select
        c.oid,
        false,
        n.nspname::text,
        c.relname::text,
        pn.nspname::text,
        p.relname::text,
        p.oid
    from pg_catalog.pg_inherits h
    join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) h.inhrelid
    join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
    join pg_catalog.pg_class p on p.oid operator(pg_catalog.=) h.inhparent
    join pg_catalog.pg_namespace pn on pn.oid operator(pg_catalog.=) p.relnamespace
    where h.inhdetachpending
      and (n.nspname::text operator(pg_catalog.=) $1::text or pn.nspname::text operator(pg_catalog.=) $1::text)
)
select
    f.oid::int8 as oid,
    f.is_index,
    f.schema,
    f.name,
    f.parent_schema,
    f.parent,
    (
        select l.pid
        from pg_catalog.pg_locks l
        where l.locktype operator(pg_catalog.=) 'relation'
          and l.relation operator(pg_catalog.=) f.table_oid
          and l.mode operator(pg_catalog.=) 'ShareUpdateExclusiveLock'
          and l.pid operator(pg_catalog.<>) pg_catalog.pg_backend_pid()
          and l.database operator(pg_catalog.=) (
              select d.oid
              from pg_catalog.pg_database d
              where d.datname operator(pg_catalog.=) pg_catalog.current_database()
          )
        order by l.pid
        limit 1
    ) as busy
from leftover f
order by f.oid
