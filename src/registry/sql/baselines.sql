select
    n.nspname::text as schema,
    exists (
        select
        from pg_catalog.pg_class c
        where c.relnamespace operator(pg_catalog.=) n.oid
          and c.relname::text operator(pg_catalog.=) 'refinery_schema_history'
    ) as history,
    (
        select pg_catalog.count(*)::int8
        from (
            select 'pg_catalog.pg_class'::pg_catalog.regclass as class, c.oid as oid
            from pg_catalog.pg_class c
            where c.relnamespace operator(pg_catalog.=) n.oid
              and c.relkind operator(pg_catalog.=) any (array['r', 'p', 'v', 'm', 'f', 'S', 'c']::"char"[])
              and c.relname::text operator(pg_catalog.<>) 'refinery_schema_history'
            union all
            select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid
            from pg_catalog.pg_proc p
            where p.pronamespace operator(pg_catalog.=) n.oid
            union all
            select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid
            from pg_catalog.pg_type t
            where t.typnamespace operator(pg_catalog.=) n.oid
              and t.typtype operator(pg_catalog.=) any (array['e', 'd', 'r']::"char"[])
        ) o
        where not exists (
            select
            from pg_catalog.pg_depend d
            where d.classid operator(pg_catalog.=) o.class
              and d.objid operator(pg_catalog.=) o.oid
              and d.deptype operator(pg_catalog.=) 'e'
        )
    ) as objects,
    (
        select coalesce(
            pg_catalog.json_agg(pg_catalog.json_build_array(hn.nspname::text, h.relname::text, exists (
                    select
                    from pg_catalog.pg_attribute a
                    where a.attrelid operator(pg_catalog.=) h.oid
                      and a.attname::text operator(pg_catalog.=) 'dirty'
                      and not a.attisdropped
                ))
                order by hn.nspname::text, h.relname::text),
            '[]'
        )::text
        from pg_catalog.pg_class h
        join pg_catalog.pg_namespace hn on hn.oid operator(pg_catalog.=) h.relnamespace
        where (hn.oid operator(pg_catalog.=) n.oid or hn.nspname::text operator(pg_catalog.=) 'public')
          and h.relkind operator(pg_catalog.=) any (array['r', 'p']::"char"[])
          -- Reading another's table would run its policies and casts as this schema's owner.
          and (
              h.relowner operator(pg_catalog.=) n.nspowner
              or exists (select from pg_catalog.pg_roles r where r.oid operator(pg_catalog.=) h.relowner and r.rolsuper)
          )
          and h.relname::text operator(pg_catalog.=) any (array[
              '_sqlx_migrations', '__diesel_schema_migrations', 'schema_migrations', 'goose_db_version',
              'flyway_schema_history'
          ])
    ) as others
from pg_catalog.pg_namespace n
where n.nspname::text operator(pg_catalog.=) any ($1::text[])
order by n.nspname
