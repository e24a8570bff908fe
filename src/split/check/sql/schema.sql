-- What of a schema matters to replication, as one JSON document.
with recursive
  target as (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1),
  relation as (select c.* from pg_catalog.pg_class c join target t on c.relnamespace = t.oid),
  -- The columns of tables that whole rows identify, and the types on which the equality of their values rests.
  rests_on as (
    select c.oid as relation, a.attname, a.atttypid as type from relation c join pg_catalog.pg_attribute a on a.attrelid = c.oid
    where c.relkind = 'r' and c.relreplident = 'f' and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    union
    select n.relation, n.attname, x.type from rests_on n join pg_catalog.pg_type y on y.oid = n.type,
      lateral (
        select y.typbasetype as type where y.typtype = 'd'
        union all
        select y.typelem where y.typelem <> 0 and y.typcategory = 'A'
        union all
        select b.atttypid from pg_catalog.pg_attribute b
        where y.typtype = 'c' and b.attrelid = y.typrelid and b.attnum > 0 and not b.attisdropped
      ) x
  ),
  -- https://www.postgresql.org/docs/current/logical-replication-publication.html: each needs a default operator class.
  incomparable as (
    select distinct n.relation, n.attname from rests_on n join pg_catalog.pg_type y on y.oid = n.type
    where y.typtype = 'b' and y.typcategory <> 'A' and not exists (
      select from pg_catalog.pg_opclass o join pg_catalog.pg_am m on m.oid = o.opcmethod
      where o.opcdefault and m.amname in ('btree', 'hash') and (o.opcintype = y.oid or exists (
        select from pg_catalog.pg_cast k where k.castsource = y.oid and k.casttarget = o.opcintype
          and k.castmethod = 'b' and k.castcontext = 'i')))
  )
select pg_catalog.jsonb_build_object(
  'tables', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'name', c.relname,
      'partitioned', c.relkind = 'p',
      'identity', case c.relreplident
        when 'f' then 'full'
        when 'n' then 'nothing'
        when 'i' then case when exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisreplident and i.indisvalid)
          then 'index' else 'nothing' end
        else case when exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary and i.indimmediate and i.indisvalid)
          then 'key' else 'nothing' end end,
      'candidate', (select pg_catalog.min(x.relname::pg_catalog.text) from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
        where i.indrelid = c.oid and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null and i.indexprs is null
          and not exists (select from pg_catalog.unnest(i.indkey[0 : i.indnkeyatts - 1]) k
            join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k where not a.attnotnull)),
      'incomparable', (select coalesce(pg_catalog.jsonb_agg(n.attname order by n.attname), '[]') from incomparable n where n.relation = c.oid),
      'generated_key', (select coalesce(pg_catalog.jsonb_agg(a.attname order by a.attname), '[]')
        from pg_catalog.pg_index i join pg_catalog.pg_attribute a
          on a.attrelid = c.oid and a.attnum = any (i.indkey[0 : i.indnkeyatts - 1]) and a.attgenerated <> ''
        where i.indrelid = c.oid and case c.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident end),
      'deferrable_key', exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary and not i.indimmediate),
      -- never analyzed, it is reckoned as the planner would: the size by the widths of the columns, 32 where they vary
      'rows', case when c.reltuples >= 0 then c.reltuples::pg_catalog.int8 when c.relkind = 'p' then 0
        else pg_catalog.pg_relation_size(c.oid) / (28 + (select coalesce(pg_catalog.sum(case when a.attlen > 0 then a.attlen else 32 end), 0)
          from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped))::pg_catalog.int8 end,
      'bytes', case when c.relkind = 'r' then pg_catalog.pg_table_size(c.oid) else 0 end,
      'index_bytes', case when c.relkind = 'r' then pg_catalog.pg_indexes_size(c.oid) else 0 end,
      'changes', (select s.n_tup_upd + s.n_tup_del from pg_catalog.pg_stat_all_tables s where s.relid = c.oid)
    ) order by c.relname), '[]') from relation c where c.relkind in ('r', 'p') and c.relpersistence = 'p'),
  'materialized_views', (select coalesce(pg_catalog.jsonb_agg(c.relname order by c.relname), '[]') from relation c where c.relkind = 'm'),
  'sequences', (select pg_catalog.count(*) from relation c where c.relkind = 'S'),
  'firing_triggers', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.format('%s on %s', g.tgname, c.relname) order by c.relname, g.tgname), '[]')
    from pg_catalog.pg_trigger g join relation c on c.oid = g.tgrelid where g.tgenabled in ('A', 'R') and not g.tgisinternal),
  'collations', (select coalesce(pg_catalog.jsonb_agg(distinct n.nspname || '.' || k.collname), '[]')
    from pg_catalog.pg_collation k join pg_catalog.pg_namespace n on n.oid = k.collnamespace
    where n.nspname <> $1 and k.collname not in ('default', 'C', 'POSIX', 'ucs_basic', 'unicode') and k.oid in (
      select a.attcollation from pg_catalog.pg_attribute a join relation c on c.oid = a.attrelid where not a.attisdropped
      union select pg_catalog.unnest(i.indcollation) from pg_catalog.pg_index i join relation c on c.oid = i.indrelid
      union select y.typcollation from pg_catalog.pg_type y join target t on y.typnamespace = t.oid)),
  'extensions', (select coalesce(pg_catalog.jsonb_agg(distinct e.extname), '[]')
    from pg_catalog.pg_depend d join pg_catalog.pg_extension e on d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.refobjid = e.oid
    where e.extname <> 'plpgsql' and d.deptype = 'e' and (
      exists (select from pg_catalog.pg_depend u join relation c on u.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and u.objid = c.oid
        where u.refclassid = d.classid and u.refobjid = d.objid)
      or exists (select from pg_catalog.pg_proc p join target t on p.pronamespace = t.oid
        join pg_catalog.pg_depend u on u.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and u.objid = p.oid
        where u.refclassid = d.classid and u.refobjid = d.objid)
      or exists (select from relation c join pg_catalog.pg_attrdef f on f.adrelid = c.oid
        join pg_catalog.pg_depend u on u.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and u.objid = f.oid
        where u.refclassid = d.classid and u.refobjid = d.objid))),
  'relations', (select pg_catalog.count(*) from relation) + (select pg_catalog.count(*) from relation c
    join pg_catalog.pg_class o on o.oid = c.reltoastrelid left join pg_catalog.pg_index i on i.indrelid = o.oid) * 2,
  'locked', (select pg_catalog.count(*) from relation c where c.relkind in ('r', 'p'))
)::pg_catalog.text
