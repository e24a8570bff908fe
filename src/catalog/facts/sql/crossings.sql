-- what depends on something in another schema, whatever it is: every catalog's objects with the schema that they
-- are in, or that what they hang on is in; then the dependencies between two of them
with home (class, oid, schema, carrier_class, carrier_oid, carrier_column, detail) as materialized (
  select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, c.oid, c.relnamespace,
    null::pg_catalog.oid, null::pg_catalog.oid, 0, c.relkind::text
  from pg_catalog.pg_class c
  where c.relkind <> 't' and not (c.relkind in ('i', 'I') and c.relispartition)
  union all
  select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, t.typnamespace, null, null, 0, t.typtype::text
  from pg_catalog.pg_type t
  union all
  select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, p.pronamespace, null, null, 0, p.prokind::text
  from pg_catalog.pg_proc p
  union all
  select 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, k.connamespace, null, null, 0, k.contype::text
  from pg_catalog.pg_constraint k where k.contype <> 'f' or k.conparentid = 0
  union all
  select 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid, c.relnamespace,
    'pg_catalog.pg_class'::pg_catalog.regclass, d.adrelid, d.adnum, a.attgenerated::text
  from pg_catalog.pg_attrdef d
  join pg_catalog.pg_class c on c.oid = d.adrelid
  join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
  union all
  select 'pg_catalog.pg_rewrite'::pg_catalog.regclass, r.oid, c.relnamespace,
    case when r.ev_type = '1' then 'pg_catalog.pg_class'::pg_catalog.regclass end,
    case when r.ev_type = '1' then r.ev_class end, 0, r.ev_type::text
  from pg_catalog.pg_rewrite r join pg_catalog.pg_class c on c.oid = r.ev_class
  union all
  select 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid, c.relnamespace, null, null, 0, ''
  from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid
  where not t.tgisinternal and t.tgparentid = 0
  union all
  select 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, c.relnamespace, null, null, 0, ''
  from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
  union all
  select 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid, s.stxnamespace, null, null, 0, ''
  from pg_catalog.pg_statistic_ext s
  union all
  select 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid, o.oprnamespace, null, null, 0, ''
  from pg_catalog.pg_operator o
  union all
  select 'pg_catalog.pg_opclass'::pg_catalog.regclass, o.oid, o.opcnamespace, null, null, 0, ''
  from pg_catalog.pg_opclass o
  union all
  select 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.oid, o.opfnamespace, null, null, 0, ''
  from pg_catalog.pg_opfamily o
  union all
  select 'pg_catalog.pg_amop'::pg_catalog.regclass, m.oid, o.opfnamespace,
    'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.oid, 0, ''
  from pg_catalog.pg_amop m join pg_catalog.pg_opfamily o on o.oid = m.amopfamily
  union all
  select 'pg_catalog.pg_amproc'::pg_catalog.regclass, m.oid, o.opfnamespace,
    'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.oid, 0, ''
  from pg_catalog.pg_amproc m join pg_catalog.pg_opfamily o on o.oid = m.amprocfamily
  union all
  select 'pg_catalog.pg_collation'::pg_catalog.regclass, c.oid, c.collnamespace, null, null, 0, ''
  from pg_catalog.pg_collation c
  union all
  select 'pg_catalog.pg_conversion'::pg_catalog.regclass, c.oid, c.connamespace, null, null, 0, ''
  from pg_catalog.pg_conversion c
  union all
  select 'pg_catalog.pg_ts_config'::pg_catalog.regclass, c.oid, c.cfgnamespace, null, null, 0, ''
  from pg_catalog.pg_ts_config c
  union all
  select 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, d.oid, d.dictnamespace, null, null, 0, ''
  from pg_catalog.pg_ts_dict d
  union all
  select 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, p.oid, p.prsnamespace, null, null, 0, ''
  from pg_catalog.pg_ts_parser p
  union all
  select 'pg_catalog.pg_ts_template'::pg_catalog.regclass, t.oid, t.tmplnamespace, null, null, 0, ''
  from pg_catalog.pg_ts_template t
  union all
  -- a cast and a transform are in no schema: they go with their first type that is not the system's
  select 'pg_catalog.pg_cast'::pg_catalog.regclass, c.oid,
    case when s.oid >= 16384 then s.typnamespace when t.oid >= 16384 then t.typnamespace else p.pronamespace end,
    null, null, 0, ''
  from pg_catalog.pg_cast c
  join pg_catalog.pg_type s on s.oid = c.castsource
  join pg_catalog.pg_type t on t.oid = c.casttarget
  left join pg_catalog.pg_proc p on p.oid = c.castfunc
  where c.oid >= 16384
  union all
  select 'pg_catalog.pg_transform'::pg_catalog.regclass, f.oid, t.typnamespace, null, null, 0, ''
  from pg_catalog.pg_transform f join pg_catalog.pg_type t on t.oid = f.trftype
  union all
  -- a language and an access method are in no schema: they go with their handler
  select 'pg_catalog.pg_language'::pg_catalog.regclass, l.oid, coalesce(p.pronamespace, 0), null, null, 0, ''
  from pg_catalog.pg_language l left join pg_catalog.pg_proc p on p.oid = l.lanplcallfoid
  union all
  select 'pg_catalog.pg_am'::pg_catalog.regclass, a.oid, p.pronamespace, null, null, 0, ''
  from pg_catalog.pg_am a join pg_catalog.pg_proc p on p.oid = a.amhandler
), member (class, oid, extension) as materialized (
  select d.classid, d.objid, e.extname::text
  from pg_catalog.pg_depend d
  join pg_catalog.pg_extension e on e.oid = d.refobjid
  where d.deptype = 'e' and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
  union
  -- the array of a member is none itself
  select d.classid, t.typarray, e.extname::text
  from pg_catalog.pg_depend d
  join pg_catalog.pg_extension e on e.oid = d.refobjid
  join pg_catalog.pg_type t on t.oid = d.objid and t.typarray <> 0
  where d.deptype = 'e' and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
    and d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
), routine (oid, label) as (
  select p.oid, pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes))
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where p.oid >= 16384
), crossing as (
  select distinct
    h.class as from_kind, h.detail as from_detail, h.schema as from_schema,
    coalesce(h.carrier_class, h.class) as from_class,
    coalesce(h.carrier_oid, h.oid) as from_oid,
    case when h.carrier_class is not null then h.carrier_column::int4 when h.detail in ('i', 'I') then 0 else d.objsubid end as from_column,
    r.class as to_class, r.oid as to_oid, r.detail as to_detail, r.schema as to_schema, m.extension
  from pg_catalog.pg_depend d
  join home h on h.class = d.classid and h.oid = d.objid
  join home r on r.class = d.refclassid and r.oid = d.refobjid
  join pg_catalog.pg_namespace n on n.oid = h.schema
  left join pg_catalog.pg_namespace o on o.oid = r.schema
  left join member m on m.class = r.class and m.oid = r.oid
  where d.refobjid >= 16384
    and d.deptype not in ('e', 'x')
    and h.schema <> r.schema
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and (m.extension is not null or (o.nspname !~ '^pg_' and o.nspname <> 'information_schema'))
    and not exists (select from member x where x.class = h.class and x.oid = h.oid)
    -- a foreign key also depends on the index behind the key
    and not (h.detail = 'f' and r.detail in ('i', 'I'))
)
select
  x.from_kind::int8 as from_kind,
  x.from_detail,
  x.from_schema::int8 as from_schema,
  x.from_class::int8 as from_class,
  x.from_oid::int8 as from_oid,
  f.type as from_words,
  coalesce(fr.label, f.identity) as from_label,
  x.to_class::int8 as to_class,
  x.to_oid::int8 as to_oid,
  x.to_detail,
  x.to_schema::int8 as to_schema,
  t.type as to_words,
  coalesce(tr.label, t.identity) as to_label,
  x.extension
from crossing x
cross join lateral pg_catalog.pg_identify_object(x.from_class, x.from_oid, x.from_column) f
cross join lateral pg_catalog.pg_identify_object(x.to_class, x.to_oid, 0) t
left join routine fr on x.from_class = 'pg_catalog.pg_proc'::pg_catalog.regclass and fr.oid = x.from_oid
left join routine tr on x.to_class = 'pg_catalog.pg_proc'::pg_catalog.regclass and tr.oid = x.to_oid
-- what was dropped since the snapshot was taken has no name any more
where f.type is not null and f.identity is not null and t.type is not null and t.identity is not null
order by x.from_class, x.from_oid, x.from_column, x.from_kind, x.to_class, x.to_oid
