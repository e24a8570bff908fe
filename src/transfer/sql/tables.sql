-- Tables of a schema that hold rows of their own or pass them on to partitions, but for members of extensions.
with recursive
  -- A type is sent in binary when it is PostgreSQL's own and no name for an OID, or an enum; domains and arrays follow theirs.
  base as (
    select a.atttypid as type, a.atttypid as at
    from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1) and c.relkind in ('r', 'p')
    union
    select b.type, case when t.typtype = 'd' then t.typbasetype else t.typelem end
    from base b join pg_catalog.pg_type t on t.oid = b.at
    where t.typtype = 'd' or (t.typcategory = 'A' and t.typelem <> 0)
  ),
  textual as (
    select distinct b.type from base b join pg_catalog.pg_type t on t.oid = b.at
    where not (t.typtype = 'd' or (t.typcategory = 'A' and t.typelem <> 0))
      and not (t.typtype = 'e'
        or (t.typtype = 'b' and t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace and t.typname !~ '^(reg|pg_)'
            and t.typsend <> 0::pg_catalog.oid))
  ),
  -- What JSON is made of: a cast to json that a user has written in SQL or another language would decide how a value looks.
  part as (
    select a.atttypid as type, a.atttypid as at
    from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1) and c.relkind in ('r', 'p')
    union
    select p.type, x.at from part p join pg_catalog.pg_type t on t.oid = p.at, lateral (
      select t.typbasetype where t.typtype = 'd'
      union all
      select t.typelem where t.typcategory = 'A' and t.typelem <> 0
      union all
      select a.atttypid from pg_catalog.pg_attribute a where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) x(at)
  ),
  cast_by_user as (
    select distinct p.type from part p join pg_catalog.pg_cast k on k.castsource = p.at
    join pg_catalog.pg_proc f on f.oid = k.castfunc join pg_catalog.pg_language l on l.oid = f.prolang
    where k.casttarget in ('pg_catalog.json'::pg_catalog.regtype, 'pg_catalog.jsonb'::pg_catalog.regtype)
      and l.lanname not in ('internal', 'c')
  )
select c.oid::pg_catalog.int8 as oid, c.relname::pg_catalog.text as name, c.relkind = 'p' as partitioned,
  case when c.relkind = 'p' then 0 else pg_catalog.pg_table_size(c.oid) end as bytes,
  case when c.relkind = 'p' then 0
    else pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8 end as pages,
  coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0) as toast_bytes,
  coalesce(a.columns, '{}') as columns, coalesce(a.cast_by_user, '{}') as cast_by_user, coalesce(a.types, '{}') as types, coalesce(a.textual, false) as textual,
  coalesce(k.key, '{}') as key
from pg_catalog.pg_class c
left join lateral (
  select pg_catalog.array_agg(a.attname::pg_catalog.text order by a.attnum) as columns,
    pg_catalog.array_agg(case when t.typtype = 'b' and t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
      then t.typname::pg_catalog.text else '' end order by a.attnum) as types,
    pg_catalog.bool_or(a.atttypid in (select x.type from textual x)) as textual,
    pg_catalog.array_agg(a.attname::pg_catalog.text order by a.attnum) filter (where a.atttypid in (select x.type from cast_by_user x))
      as cast_by_user
  from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
) a on true
left join lateral (
  select (select pg_catalog.array_agg(a.attname::pg_catalog.text order by k.at)
      from pg_catalog.unnest(i.indkey::pg_catalog.int2[]) with ordinality k(attnum, at)
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
      where k.at <= i.indnkeyatts) as key
  from pg_catalog.pg_index i
  where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
    and not exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and a.attnum = any (i.indkey::pg_catalog.int2[]) and (not a.attnotnull or a.attgenerated <> ''))
  order by i.indisprimary desc, i.indnkeyatts, i.indexrelid limit 1
) k on true
where c.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1) and c.relkind in ('r', 'p')
  and not exists (
    select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
order by c.relname
