-- What ties a schema to the rest of its database, as far as the catalog knows.
with recursive
  target as (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1),
  direct as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass as classid, c.oid as objid from pg_catalog.pg_class c, target t where c.relnamespace = t.oid
    union all select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid from pg_catalog.pg_proc p, target t where p.pronamespace = t.oid
    union all select 'pg_catalog.pg_type'::pg_catalog.regclass, y.oid from pg_catalog.pg_type y, target t where y.typnamespace = t.oid
    union all select 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid from pg_catalog.pg_operator o, target t where o.oprnamespace = t.oid
    union all select 'pg_catalog.pg_opclass'::pg_catalog.regclass, o.oid from pg_catalog.pg_opclass o, target t where o.opcnamespace = t.oid
    union all select 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.oid from pg_catalog.pg_opfamily o, target t where o.opfnamespace = t.oid
    union all select 'pg_catalog.pg_collation'::pg_catalog.regclass, o.oid from pg_catalog.pg_collation o, target t where o.collnamespace = t.oid
    union all select 'pg_catalog.pg_conversion'::pg_catalog.regclass, o.oid from pg_catalog.pg_conversion o, target t where o.connamespace = t.oid
    union all select 'pg_catalog.pg_ts_config'::pg_catalog.regclass, o.oid from pg_catalog.pg_ts_config o, target t where o.cfgnamespace = t.oid
    union all select 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, o.oid from pg_catalog.pg_ts_dict o, target t where o.dictnamespace = t.oid
    union all select 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, o.oid from pg_catalog.pg_ts_parser o, target t where o.prsnamespace = t.oid
    union all select 'pg_catalog.pg_ts_template'::pg_catalog.regclass, o.oid from pg_catalog.pg_ts_template o, target t where o.tmplnamespace = t.oid
    union all select 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, o.oid from pg_catalog.pg_statistic_ext o, target t where o.stxnamespace = t.oid
    union all select 'pg_catalog.pg_constraint'::pg_catalog.regclass, o.oid from pg_catalog.pg_constraint o, target t where o.connamespace = t.oid
  ),
  ours as (
    select classid::pg_catalog.oid as classid, objid from direct
    union select 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, t.oid from target t
    union select 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid, a.oid from pg_catalog.pg_attrdef a join pg_catalog.pg_class c on c.oid = a.adrelid join target t on c.relnamespace = t.oid
    union select 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid, r.oid from pg_catalog.pg_rewrite r join pg_catalog.pg_class c on c.oid = r.ev_class join target t on c.relnamespace = t.oid
    union select 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid, r.oid from pg_catalog.pg_trigger r join pg_catalog.pg_class c on c.oid = r.tgrelid join target t on c.relnamespace = t.oid
    union select 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid, r.oid from pg_catalog.pg_policy r join pg_catalog.pg_class c on c.oid = r.polrelid join target t on c.relnamespace = t.oid
    union select 'pg_catalog.pg_amop'::pg_catalog.regclass::pg_catalog.oid, a.oid from pg_catalog.pg_amop a join pg_catalog.pg_opfamily f on f.oid = a.amopfamily join target t on f.opfnamespace = t.oid
    union select 'pg_catalog.pg_amproc'::pg_catalog.regclass::pg_catalog.oid, a.oid from pg_catalog.pg_amproc a join pg_catalog.pg_opfamily f on f.oid = a.amprocfamily join target t on f.opfnamespace = t.oid
  ),
  staff as (
    select n.nspowner as role from pg_catalog.pg_namespace n join target t on t.oid = n.oid
    union
    select m.member from staff s join pg_catalog.pg_auth_members m on m.roleid = s.role
  ),
  members as (
    select d.classid, d.objid, e.extname, e.oid as extension from pg_catalog.pg_depend d
    join pg_catalog.pg_extension e on e.oid = d.refobjid
    where d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e'
  ),
  outward as (
    select d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, m.extname
    from pg_catalog.pg_depend d
    join ours o on o.classid = d.classid and o.objid = d.objid
    left join ours r on r.classid = d.refclassid and r.objid = d.refobjid
    left join members m on m.classid = d.refclassid and m.objid = d.refobjid
    left join members self on self.classid = d.classid and self.objid = d.objid
    where r.objid is null and self.objid is null and (d.refobjid >= 16384 or m.extname is not null)
      and d.refclassid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
      -- a toast table, or the row type of a table of ours
      and not (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and exists (
        select from pg_catalog.pg_class c where c.oid = d.objid and c.relkind = 't'))
  ),
  inward as (
    select d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid
    from pg_catalog.pg_depend d
    join ours r on r.classid = d.refclassid and r.objid = d.refobjid
    left join ours o on o.classid = d.classid and o.objid = d.objid
    left join members m on m.classid = d.classid and m.objid = d.objid
    where o.objid is null and m.objid is null and d.deptype <> 'i' and d.objid >= 16384
      and d.refclassid <> 'pg_catalog.pg_namespace'::pg_catalog.regclass
      and d.classid not in ('pg_catalog.pg_publication_rel'::pg_catalog.regclass, 'pg_catalog.pg_event_trigger'::pg_catalog.regclass,
        'pg_catalog.pg_cast'::pg_catalog.regclass)
      and d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
      and not (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and exists (
        select from pg_catalog.pg_class c where c.oid = d.objid and c.relkind in ('t', 'i')))
  )
select distinct kind, object, refers_to from (
  select 'extension' as kind, extname::pg_catalog.text as object, ''::pg_catalog.text as refers_to from outward where extname is not null
  union all
  select 'extension', m.extname::pg_catalog.text, '' from members m join ours o on o.classid = m.classid and o.objid = m.objid
  -- ALTER ... DEPENDS ON EXTENSION.
  union
  select 'extension', e.extname::pg_catalog.text, '' from pg_catalog.pg_depend d join ours o on o.classid = d.classid and o.objid = d.objid
  join pg_catalog.pg_extension e on e.oid = d.refobjid
  where d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'x'
  union all
  select case when w.refclassid = 'pg_catalog.pg_foreign_server'::pg_catalog.regclass then 'foreign-table'
      when w.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
        and exists (select from pg_catalog.pg_constraint k where k.oid = w.objid and k.contype = 'f') then 'foreign-key'
      else 'needs' end,
    pg_catalog.pg_describe_object(w.classid, w.objid, 0), pg_catalog.pg_describe_object(w.refclassid, w.refobjid, 0)
  from outward w where w.extname is null
  union all
  select case when w.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and exists (select from pg_catalog.pg_class c where c.oid = w.objid and c.relispartition) then 'partition-elsewhere'
      else 'needed-by' end,
    pg_catalog.pg_describe_object(w.refclassid, w.refobjid, 0), pg_catalog.pg_describe_object(w.classid, w.objid, 0)
  from inward w
  union all
  select 'large-objects', c.relname || '.' || a.attname, ''
  from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid join target t on c.relnamespace = t.oid
  join pg_catalog.pg_type y on y.oid = a.atttypid
  where c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
    and (a.atttypid = 'pg_catalog.oid'::pg_catalog.regtype or y.typbasetype = 'pg_catalog.oid'::pg_catalog.regtype)
    and exists (select from pg_catalog.pg_largeobject_metadata)
  union all
  select 'publication', p.pubname::pg_catalog.text, c.relname::pg_catalog.text
  from pg_catalog.pg_publication p join pg_catalog.pg_publication_rel r on r.prpubid = p.oid
  join pg_catalog.pg_class c on c.oid = r.prrelid join target t on c.relnamespace = t.oid
  union all
  select 'publication', p.pubname::pg_catalog.text, 'the schema' from pg_catalog.pg_publication p where p.puballtables
    or exists (select from pg_catalog.pg_publication_namespace n join target t on n.pnnspid = t.oid where n.pnpubid = p.oid)
  union all
  select 'event-trigger', e.evtname::pg_catalog.text, e.evtfoid::pg_catalog.regprocedure::pg_catalog.text
  from pg_catalog.pg_event_trigger e
  where not exists (select from members m where m.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass and m.objid = e.oid)
  union all
  select 'cast', pg_catalog.pg_describe_object('pg_catalog.pg_cast'::pg_catalog.regclass, k.oid, 0), ''
  from pg_catalog.pg_cast k join pg_catalog.pg_type s on s.oid = k.castsource join pg_catalog.pg_type y on y.oid = k.casttarget, target t
  where (s.typnamespace = t.oid or y.typnamespace = t.oid)
    -- a range type brings its own
    and not exists (select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass and d.objid = k.oid and d.deptype = 'i')
    and not exists (select from members m where m.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass and m.objid = k.oid)
  union all
  select 'unlogged', c.relname::pg_catalog.text, '' from pg_catalog.pg_class c join target t on c.relnamespace = t.oid
  where c.relkind = 'r' and c.relpersistence = 'u'
  union all
  select 'tablespace', c.relname::pg_catalog.text, s.spcname::pg_catalog.text
  from pg_catalog.pg_class c join target t on c.relnamespace = t.oid join pg_catalog.pg_tablespace s on s.oid = c.reltablespace
  where c.relkind in ('r', 'p', 'm', 'i', 'I')
  union all
  select 'row-level-security', c.relname::pg_catalog.text, current_user::pg_catalog.text
  from pg_catalog.pg_class c join target t on c.relnamespace = t.oid
  where c.relkind in ('r', 'p') and pg_catalog.row_security_active(c.oid)
  union all
  select 'inaccessible', c.relname::pg_catalog.text, current_user::pg_catalog.text
  from pg_catalog.pg_class c join target t on c.relnamespace = t.oid
  where c.relkind in ('r', 'p', 'S') and not pg_catalog.has_table_privilege(c.oid, 'select')
  union all
  select 'security-label', pg_catalog.pg_describe_object(l.classoid, l.objoid, l.objsubid), l.provider
  from pg_catalog.pg_seclabel l join ours o on o.classid = l.classoid and o.objid = l.objoid
  union all
  select 'setting', c, '' from pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c
  where s.setrole = 0 and s.setdatabase in (0, (select b.oid from pg_catalog.pg_database b where b.datname = pg_catalog.current_database()))
  union all
  select 'role-attribute', r.rolname::pg_catalog.text, pg_catalog.concat_ws(' and ', case when r.rolcreaterole then 'CREATEROLE' end,
    case when r.rolcreatedb then 'CREATEDB' end, case when r.rolbypassrls then 'BYPASSRLS' end, case when r.rolreplication then 'REPLICATION' end)
  from pg_catalog.pg_roles r join staff s on s.role = r.oid
  where not r.rolsuper and (r.rolcreaterole or r.rolcreatedb or r.rolbypassrls or r.rolreplication)
    and r.rolname::pg_catalog.text !~ 'pgcleave_tmp_[0-9a-f]{8}_[0-9a-f]{8}$'
  union all
  select 'search-path', pg_catalog.format('%s(%s)', p.proname, pg_catalog.oidvectortypes(p.proargtypes)), ''
  from pg_catalog.pg_proc p join target t on p.pronamespace = t.oid join pg_catalog.pg_language l on l.oid = p.prolang
  where l.lanname in ('sql', 'plpgsql') and p.prosqlbody is null
    and not exists (select from pg_catalog.unnest(p.proconfig) s where s like 'search\_path=%')
    and exists (
      select from pg_catalog.pg_depend d
      where d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.refobjid = p.oid
        and (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass or d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
          or d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
          or (d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and exists (
            select from pg_catalog.pg_rewrite r join pg_catalog.pg_class c on c.oid = r.ev_class where r.oid = d.objid and c.relkind = 'm'))))
) x
where not (kind = 'extension' and object = 'plpgsql')
order by kind, object, refers_to
