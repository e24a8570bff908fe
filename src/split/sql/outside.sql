-- Every object that lies outside of a schema, and is neither part of one that lies inside nor a member of an extension there.
-- $1 is the schema, $2 a publication whose members count as the schema's own.
with
  inside as (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1),
  place as (
    -- A TOAST table goes with its table, and temporary objects with their session.
    select n.oid from pg_catalog.pg_namespace n
    where n.nspname <> $1 and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
  ),
  member as (
    select d.classid, d.objid from pg_catalog.pg_depend d
    join pg_catalog.pg_extension e on e.oid = d.refobjid join inside i on i.oid = e.extnamespace
    where d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e'
  ),
  relation as (select c.oid from pg_catalog.pg_class c join place p on p.oid = c.relnamespace),
  type as (select t.oid, t.typnamespace from pg_catalog.pg_type t),
  object (class, oid, part) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass, r.oid, 0 from relation r
    union all select 'pg_catalog.pg_class'::pg_catalog.regclass, a.attrelid, a.attnum::pg_catalog.int4
      from pg_catalog.pg_attribute a join relation r on r.oid = a.attrelid where a.attnum > 0 and not a.attisdropped
    union all select 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid, 0 from pg_catalog.pg_attrdef d join relation r on r.oid = d.adrelid
    union all select 'pg_catalog.pg_policy'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_policy o join relation r on r.oid = o.polrelid
    union all select 'pg_catalog.pg_rewrite'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_rewrite o join relation r on r.oid = o.ev_class
    union all select 'pg_catalog.pg_trigger'::pg_catalog.regclass, o.oid, 0
      from pg_catalog.pg_trigger o join relation r on r.oid = o.tgrelid where not o.tgisinternal
    union all select 'pg_catalog.pg_constraint'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_constraint o join place p on p.oid = o.connamespace
    union all select 'pg_catalog.pg_type'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_type o join place p on p.oid = o.typnamespace
    union all select 'pg_catalog.pg_proc'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_proc o join place p on p.oid = o.pronamespace
    union all select 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_operator o join place p on p.oid = o.oprnamespace
    union all select 'pg_catalog.pg_opclass'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_opclass o join place p on p.oid = o.opcnamespace
    union all select 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_opfamily o join place p on p.oid = o.opfnamespace
    union all select 'pg_catalog.pg_amop'::pg_catalog.regclass, o.oid, 0
      from pg_catalog.pg_amop o join pg_catalog.pg_opfamily f on f.oid = o.amopfamily join place p on p.oid = f.opfnamespace
    union all select 'pg_catalog.pg_amproc'::pg_catalog.regclass, o.oid, 0
      from pg_catalog.pg_amproc o join pg_catalog.pg_opfamily f on f.oid = o.amprocfamily join place p on p.oid = f.opfnamespace
    union all select 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_statistic_ext o join place p on p.oid = o.stxnamespace
    union all select 'pg_catalog.pg_collation'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_collation o join place p on p.oid = o.collnamespace
    union all select 'pg_catalog.pg_conversion'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_conversion o join place p on p.oid = o.connamespace
    union all select 'pg_catalog.pg_ts_config'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_ts_config o join place p on p.oid = o.cfgnamespace
    union all select 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_ts_dict o join place p on p.oid = o.dictnamespace
    union all select 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_ts_parser o join place p on p.oid = o.prsnamespace
    union all select 'pg_catalog.pg_ts_template'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_ts_template o join place p on p.oid = o.tmplnamespace
    union all select 'pg_catalog.pg_extension'::pg_catalog.regclass, o.oid, 0
      from pg_catalog.pg_extension o where o.extnamespace not in (select i.oid from inside i)
    -- A cast, or a transform, of a type inside goes with the type.
    union all select 'pg_catalog.pg_cast'::pg_catalog.regclass, o.oid, 0
      from pg_catalog.pg_cast o join type s on s.oid = o.castsource join type t on t.oid = o.casttarget
      where s.typnamespace not in (select i.oid from inside i) and t.typnamespace not in (select i.oid from inside i)
    union all select 'pg_catalog.pg_transform'::pg_catalog.regclass, o.oid, 0
      from pg_catalog.pg_transform o join type t on t.oid = o.trftype where t.typnamespace not in (select i.oid from inside i)
    union all select 'pg_catalog.pg_language'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_language o
    union all select 'pg_catalog.pg_am'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_am o
    union all select 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_foreign_data_wrapper o
    union all select 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_foreign_server o
    union all select 'pg_catalog.pg_user_mapping'::pg_catalog.regclass, o.umid, 0 from pg_catalog.pg_user_mappings o
    union all select 'pg_catalog.pg_event_trigger'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_event_trigger o
    union all select 'pg_catalog.pg_publication'::pg_catalog.regclass, o.oid, 0 from pg_catalog.pg_publication o
    union all select 'pg_catalog.pg_publication_rel'::pg_catalog.regclass, o.oid, 0
      from pg_catalog.pg_publication_rel o join pg_catalog.pg_publication b on b.oid = o.prpubid where b.pubname <> $2
    union all select 'pg_catalog.pg_publication_namespace'::pg_catalog.regclass, o.oid, 0
      from pg_catalog.pg_publication_namespace o join pg_catalog.pg_publication b on b.oid = o.pnpubid where b.pubname <> $2
  )
select o.class::pg_catalog.oid::pg_catalog.int8, o.oid::pg_catalog.int8, o.part
from object o
where o.oid >= 16384
  and not exists (select from member m where m.classid = o.class and m.objid = o.oid)
