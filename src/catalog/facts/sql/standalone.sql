select o.class, o.oid, o.schema, o.name, o.owner, o.relation, o.signature
from (
  select 3381::int8 as class, s.oid::int8 as oid, s.stxnamespace::int8 as schema, s.stxname::text as name,
    s.stxowner::int8 as owner, s.stxrelid::int8 as relation, '' as signature
  from pg_catalog.pg_statistic_ext s
  union all
  select 2617, o.oid::int8, o.oprnamespace::int8, o.oprname::text, o.oprowner::int8, 0,
    pg_catalog.format('(%s, %s)', case when o.oprleft = 0 then 'none' else pg_catalog.format_type(o.oprleft, null) end,
      pg_catalog.format_type(o.oprright, null))
  from pg_catalog.pg_operator o
  union all
  select 2616, o.oid::int8, o.opcnamespace::int8, o.opcname::text, o.opcowner::int8, 0,
    pg_catalog.format(' using %I', (select m.amname from pg_catalog.pg_am m where m.oid = o.opcmethod))
  from pg_catalog.pg_opclass o
  union all
  select 2753, o.oid::int8, o.opfnamespace::int8, o.opfname::text, o.opfowner::int8, 0,
    pg_catalog.format(' using %I', (select m.amname from pg_catalog.pg_am m where m.oid = o.opfmethod))
  from pg_catalog.pg_opfamily o
  union all
  select 3456, c.oid::int8, c.collnamespace::int8, c.collname::text, c.collowner::int8, 0, '' from pg_catalog.pg_collation c
  union all
  select 2607, c.oid::int8, c.connamespace::int8, c.conname::text, c.conowner::int8, 0, '' from pg_catalog.pg_conversion c
  union all
  select 3602, c.oid::int8, c.cfgnamespace::int8, c.cfgname::text, c.cfgowner::int8, 0, '' from pg_catalog.pg_ts_config c
  union all
  select 3600, d.oid::int8, d.dictnamespace::int8, d.dictname::text, d.dictowner::int8, 0, '' from pg_catalog.pg_ts_dict d
) o
join pg_catalog.pg_namespace n on n.oid = o.schema
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by o.class, o.oid
