-- Everything that defines a schema's objects, one row a fact, in words that do not depend on OIDs or the server's major.
with
  target as (select n.oid, n.nspowner, n.nspacl from pg_catalog.pg_namespace n where n.nspname = $1),
  rel as (
    select c.*, t.oid as schema from pg_catalog.pg_class c join target t on c.relnamespace = t.oid
    where not exists (select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
  ),
  routine as (
    select p.* from pg_catalog.pg_proc p join target t on p.pronamespace = t.oid
    where not exists (select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e')
  ),
  ours as (
    select 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid as class, t.oid as object from target t
    union all select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid from pg_catalog.pg_class c join target t on c.relnamespace = t.oid
    union all select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid from pg_catalog.pg_proc p join target t on p.pronamespace = t.oid
    union all select 'pg_catalog.pg_type'::pg_catalog.regclass, y.oid from pg_catalog.pg_type y join target t on y.typnamespace = t.oid
    union all select 'pg_catalog.pg_constraint'::pg_catalog.regclass, o.oid from pg_catalog.pg_constraint o join target t on o.connamespace = t.oid
    union all select 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid from pg_catalog.pg_operator o join target t on o.oprnamespace = t.oid
    union all select 'pg_catalog.pg_opclass'::pg_catalog.regclass, o.oid from pg_catalog.pg_opclass o join target t on o.opcnamespace = t.oid
    union all select 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.oid from pg_catalog.pg_opfamily o join target t on o.opfnamespace = t.oid
    union all select 'pg_catalog.pg_collation'::pg_catalog.regclass, o.oid from pg_catalog.pg_collation o join target t on o.collnamespace = t.oid
    union all select 'pg_catalog.pg_conversion'::pg_catalog.regclass, o.oid from pg_catalog.pg_conversion o join target t on o.connamespace = t.oid
    union all select 'pg_catalog.pg_ts_config'::pg_catalog.regclass, o.oid from pg_catalog.pg_ts_config o join target t on o.cfgnamespace = t.oid
    union all select 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, o.oid from pg_catalog.pg_ts_dict o join target t on o.dictnamespace = t.oid
    union all select 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, o.oid from pg_catalog.pg_ts_parser o join target t on o.prsnamespace = t.oid
    union all select 'pg_catalog.pg_ts_template'::pg_catalog.regclass, o.oid from pg_catalog.pg_ts_template o join target t on o.tmplnamespace = t.oid
    union all select 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, o.oid from pg_catalog.pg_statistic_ext o join target t on o.stxnamespace = t.oid
    union all select 'pg_catalog.pg_trigger'::pg_catalog.regclass, g.oid from pg_catalog.pg_trigger g join rel c on g.tgrelid = c.oid where not g.tgisinternal
    union all select 'pg_catalog.pg_rewrite'::pg_catalog.regclass, r.oid from pg_catalog.pg_rewrite r join rel c on r.ev_class = c.oid
    union all select 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid from pg_catalog.pg_policy p join rel c on p.polrelid = c.oid
  ),
  -- what extensions have made comes with them
  made as (
    select o.class, o.object from ours o where not exists (
      select from pg_catalog.pg_depend d where d.classid = o.class and d.objid = o.object and d.deptype = 'e')
  ),
  acls as (
    select 'schema' as what, '' as object, t.nspowner as owner, coalesce(t.nspacl, x.preset) as acl, x.preset
    from target t, lateral (select pg_catalog.acldefault('n', t.nspowner) as preset) x
    union all
    select 'relation', c.relname::pg_catalog.text, c.relowner, coalesce(c.relacl, x.preset), x.preset
    from rel c, lateral (select pg_catalog.acldefault(case c.relkind when 'S' then 's'::"char" else 'r'::"char" end, c.relowner) as preset) x
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select 'column', c.relname || '.' || a.attname, null, a.attacl, null
    from rel c join pg_catalog.pg_attribute a on a.attrelid = c.oid where a.attacl is not null and not a.attisdropped
    union all
    select 'routine', pg_catalog.format('%s(%s)', p.proname, pg_catalog.oidvectortypes(p.proargtypes)), p.proowner, coalesce(p.proacl, x.preset), x.preset
    from routine p, lateral (select pg_catalog.acldefault('f', p.proowner) as preset) x
    union all
    select 'type', y.typname::pg_catalog.text, y.typowner, coalesce(y.typacl, x.preset), x.preset
    from pg_catalog.pg_type y join target t on y.typnamespace = t.oid, lateral (select pg_catalog.acldefault('T', y.typowner) as preset) x
    where y.typelem = 0 and (y.typrelid = 0 or exists (select from pg_catalog.pg_class c where c.oid = y.typrelid and c.relkind = 'c'))
    union all
    select 'default', pg_catalog.format('%s of %s', d.defaclobjtype, pg_catalog.pg_get_userbyid(d.defaclrole)), null, d.defaclacl, null
    from pg_catalog.pg_default_acl d join target t on d.defaclnamespace = t.oid
  ),
  -- What an owner may do is told only where it is not all.
  granted as (
    select a.what, a.object, x.grantee, x.list from acls a, lateral (
      select x.grantee, pg_catalog.array_agg(distinct x.privilege_type || case when x.is_grantable then '*' else '' end) as list
      from pg_catalog.aclexplode(a.acl) x group by x.grantee) x
    -- a temporary login of another command is gone when that ends
    where pg_catalog.pg_get_userbyid(x.grantee)::pg_catalog.text !~ 'pgcleave_tmp_[0-9a-f]{8}_[0-9a-f]{8}$'
      and (x.grantee is distinct from a.owner or x.list <> (
      select pg_catalog.array_agg(distinct p.privilege_type) from pg_catalog.aclexplode(a.preset) p where p.grantee = a.owner))
    union all
    select a.what, a.object, a.owner, '{nothing}' from acls a
    where a.owner is not null and not exists (select from pg_catalog.aclexplode(a.acl) x where x.grantee = a.owner)
  ),
  -- ALL of a table has eight privileges from 17 on, and is written as a word: it comes back as whatever ALL is there.
  everything as (
    select w.grantable, pg_catalog.array_agg(distinct x.privilege_type || w.grantable) as list
    from (values (''), ('*')) w(grantable), pg_catalog.aclexplode(pg_catalog.acldefault('r', 10::pg_catalog.oid)) x where x.grantee = 10 group by w.grantable
  )
select kind, object, fact from (
  select 'table' as kind, c.relname::pg_catalog.text as object,
    pg_catalog.format('%s%s persistence=%s replica=%s rls=%s force=%s options=%s%s bound=%s inherits=%s key=%s owner=%s',
      c.relkind, pg_catalog.concat((select ' using ' || m.amname from pg_catalog.pg_am m where m.oid = c.relam and m.amname <> 'heap'),
        case when c.reloftype <> 0 then ' of ' || pg_catalog.format_type(c.reloftype, null) end,
        (select pg_catalog.format(' server=%s%s', s.srvname, f.ftoptions) from pg_catalog.pg_foreign_table f
          join pg_catalog.pg_foreign_server s on s.oid = f.ftserver where f.ftrelid = c.oid)),
      c.relpersistence, c.relreplident, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
      (select ' toast=' || o.reloptions::pg_catalog.text from pg_catalog.pg_class o where o.oid = c.reltoastrelid),
      pg_catalog.pg_get_expr(c.relpartbound, c.oid),
      (select pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::pg_catalog.text, ',' order by i.inhseqno) from pg_catalog.pg_inherits i where i.inhrelid = c.oid),
      case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end,
      pg_catalog.pg_get_userbyid(c.relowner)) as fact
  from rel c where c.relkind in ('r', 'p', 'f', 'v', 'm', 'c')
  union all
  select 'column', c.relname || '.' || a.attname,
    pg_catalog.format('%s notnull=%s default=%s identity=%s generated=%s collation=%s storage=%s compression=%s options=%s%s target=%s',
      pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid),
      -- partitions have their root's identity from 17 on
      case when not c.relispartition then a.attidentity end, a.attgenerated,
      case when a.attcollation <> y.typcollation then (select o.collname from pg_catalog.pg_collation o where o.oid = a.attcollation) end,
      a.attstorage, a.attcompression,
      -- newer minors keep a mark of their own there
      (select pg_catalog.array_agg(o) from pg_catalog.unnest(a.attoptions) o where o not like 'pg\_attver=%'), a.attfdwoptions, coalesce(a.attstattarget::pg_catalog.int4, -1))
  from rel c join pg_catalog.pg_attribute a on a.attrelid = c.oid join pg_catalog.pg_type y on y.oid = a.atttypid
  left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where c.relkind in ('r', 'p', 'f', 'v', 'm', 'c') and a.attnum > 0 and not a.attisdropped
  union all
  -- Before 16 the columns of a view's only relation are written with its name, since then without; its schema may be
  -- called like it, and stays before it: after the word that begins the line.
  select 'view', c.relname::pg_catalog.text, case when x.only is null then x.text
      else pg_catalog.regexp_replace(x.text, '(^|[^[:alnum:]_."])(?<!\n   [[:upper:]]{4} )(?<!\n   [[:upper:]]{4} [[:upper:]]{4} )' || pg_catalog.regexp_replace(x.only, '([^[:alnum:]_])', '\\\1', 'g') || '\.', '\1', 'g') end
    || case when c.relispopulated then '' else ' -- not populated' end
  from rel c,
    lateral (select pg_catalog.pg_get_viewdef(c.oid) as text,
      (select pg_catalog.quote_ident(r.names[3]) from (
          select pg_catalog.array_agg(m[1] order by at) as names
          from pg_catalog.pg_rewrite w, pg_catalog.regexp_matches(w.ev_action::pg_catalog.text, ':eref \{ALIAS :aliasname (\S+) ', 'g') with ordinality as m(m, at)
          where w.ev_class = c.oid and w.rulename = '_RETURN') r
        where pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000 and pg_catalog.cardinality(r.names) = 3) as only) x
  where c.relkind in ('v', 'm')
  union all
  select 'constraint', c.relname || '.' || k.conname, pg_catalog.pg_get_constraintdef(k.oid)
  from rel c join pg_catalog.pg_constraint k on k.conrelid = c.oid where k.contype <> 't'
    -- from 18 on NOT NULL is a constraint, too; where it has nothing that the column does not tell it is left out
    and not (k.contype = 'n' and (k.coninhcount > 0 or pg_catalog.octet_length(k.conname) >= 60 or k.convalidated and not k.connoinherit
      and k.conname = (select c.relname || '_' || a.attname || '_not_null' from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum = k.conkey[1])))
    -- a foreign key's parts for partitions come by themselves, under names that the server makes up
    and not (k.contype = 'f' and k.conparentid <> 0)
  union all
  select 'index', i.relname::pg_catalog.text, pg_catalog.pg_get_indexdef(x.indexrelid)
    || pg_catalog.format(' valid=%s clustered=%s replica=%s options=%s targets=%s', x.indisvalid, x.indisclustered, x.indisreplident, i.reloptions,
      (select pg_catalog.string_agg(pg_catalog.format('%s:%s', a.attnum, a.attstattarget), ',' order by a.attnum) from pg_catalog.pg_attribute a where a.attrelid = i.oid and a.attstattarget >= 0))
  from rel c join pg_catalog.pg_index x on x.indrelid = c.oid join pg_catalog.pg_class i on i.oid = x.indexrelid where c.relkind <> 't'
  union all
  select 'trigger', c.relname || '.' || g.tgname, pg_catalog.pg_get_triggerdef(g.oid) || ' enabled=' || g.tgenabled::pg_catalog.text
  from rel c join pg_catalog.pg_trigger g on g.tgrelid = c.oid where not g.tgisinternal
  union all
  -- What enforces a foreign key or a deferrable key is told only where it does not. A partition's part has the whole's name.
  select 'constraint trigger', c.relname || '.' || (
      with recursive up as (
        select k.conname, k.conparentid from pg_catalog.pg_constraint k where k.oid = g.tgconstraint
        union all
        select k.conname, k.conparentid from up join pg_catalog.pg_constraint k on k.oid = up.conparentid
      )
      select up.conname from up where up.conparentid = 0),
    pg_catalog.format('%s enabled=%s', g.tgfoid::pg_catalog.regproc, g.tgenabled)
  from rel c join pg_catalog.pg_trigger g on g.tgrelid = c.oid
  where g.tgisinternal and g.tgconstraint <> 0 and g.tgenabled <> 'O'
  union all
  select 'rule', c.relname || '.' || r.rulename, pg_catalog.pg_get_ruledef(r.oid) || ' enabled=' || r.ev_enabled::pg_catalog.text
  from rel c join pg_catalog.pg_rewrite r on r.ev_class = c.oid where r.rulename <> '_RETURN'
  union all
  select 'policy', c.relname || '.' || p.polname, pg_catalog.format('%s permissive=%s to=%s using=%s check=%s', p.polcmd, p.polpermissive,
      (select pg_catalog.string_agg(case r when 0 then 'public' else pg_catalog.pg_get_userbyid(r)::pg_catalog.text end, ',' order by 1) from pg_catalog.unnest(p.polroles) r),
      pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
  from rel c join pg_catalog.pg_policy p on p.polrelid = c.oid
  union all
  select 'statistics', s.stxname::pg_catalog.text, pg_catalog.format('%s target=%s owner=%s', pg_catalog.pg_get_statisticsobjdef(s.oid),
      coalesce(s.stxstattarget::pg_catalog.int4, -1), pg_catalog.pg_get_userbyid(s.stxowner))
  from pg_catalog.pg_statistic_ext s join target t on s.stxnamespace = t.oid
  union all
  select 'routine', pg_catalog.format('%s(%s)', p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
    pg_catalog.format('%s owner=%s', case when p.prokind = 'a' then 'aggregate ' || (select pg_catalog.format('%s %s %s kind=%s final=%s combine=%s serial=%s deserial=%s moving=%s %s %s %s %s space=%s sort=%s parallel=%s',
        a.aggtransfn, pg_catalog.format_type(a.aggtranstype, null), a.agginitval, a.aggkind, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
        a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn, nullif(a.aggmtranstype, 0)::pg_catalog.regtype, a.aggminitval, a.aggtransspace, a.aggsortop::pg_catalog.regoperator, p.proparallel) from pg_catalog.pg_aggregate a where a.aggfnoid = p.oid)
      else pg_catalog.pg_get_functiondef(p.oid) end, pg_catalog.pg_get_userbyid(p.proowner))
  from routine p
  union all
  select 'type', y.typname::pg_catalog.text, pg_catalog.format('%s base=%s notnull=%s default=%s labels=%s checks=%s range=%s%s owner=%s', y.typtype,
      case when y.typtype = 'd' then pg_catalog.format_type(y.typbasetype, y.typtypmod) end, y.typnotnull, y.typdefault,
      (select pg_catalog.array_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = y.oid),
      (select pg_catalog.string_agg(k.conname || ' ' || pg_catalog.pg_get_constraintdef(k.oid), '; ' order by k.conname) from pg_catalog.pg_constraint k where k.contypid = y.oid and k.contype <> 'n'),
      (select pg_catalog.format('%s multi=%s collation=%s class=%s canonical=%s difference=%s', pg_catalog.format_type(r.rngsubtype, null), r.rngmultitypid::pg_catalog.regtype,
          nullif(r.rngcollation, 0)::pg_catalog.regcollation, (select o.opcname from pg_catalog.pg_opclass o where o.oid = r.rngsubopc), r.rngcanonical, r.rngsubdiff)
        from pg_catalog.pg_range r where r.rngtypid = y.oid),
      case when y.typtype = 'd' and y.typcollation <> 0 then ' collation=' || y.typcollation::pg_catalog.regcollation::pg_catalog.text
        when y.typtype = 'b' then pg_catalog.format(' %s %s %s', y.typinput, y.typoutput, y.typlen) end, pg_catalog.pg_get_userbyid(y.typowner))
  from pg_catalog.pg_type y join target t on y.typnamespace = t.oid
  where y.typtype in ('b', 'd', 'e', 'r') and y.typelem = 0
    and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = y.oid and d.deptype = 'e')
  union all
  select 'sequence', c.relname::pg_catalog.text, pg_catalog.format('%s persistence=%s owner=%s start=%s min=%s max=%s increment=%s cycle=%s cache=%s owned by %s',
      pg_catalog.format_type(s.seqtypid, null), c.relpersistence, pg_catalog.pg_get_userbyid(c.relowner), s.seqstart, s.seqmin, s.seqmax, s.seqincrement, s.seqcycle, s.seqcache,
      (select d.refobjid::pg_catalog.regclass || '.' || a.attname from pg_catalog.pg_depend d join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype in ('a', 'i')))
  from rel c join pg_catalog.pg_sequence s on s.seqrelid = c.oid
  union all
  select 'collation', o.collname::pg_catalog.text, pg_catalog.format('%s deterministic=%s owner=%s %s', o.collprovider, o.collisdeterministic, pg_catalog.pg_get_userbyid(o.collowner),
      -- what names the locale has another name in every few majors
      (select pg_catalog.string_agg(v.value, ' ' order by v.value) from pg_catalog.jsonb_each_text(pg_catalog.to_jsonb(o)) v
        where v.key in ('collcollate', 'collctype', 'colliculocale', 'colllocale', 'collicurules')))
  from pg_catalog.pg_collation o join made m on m.class = 'pg_catalog.pg_collation'::pg_catalog.regclass and m.object = o.oid
  union all
  select 'operator', o.oid::pg_catalog.regoperator::pg_catalog.text, pg_catalog.format('%s result=%s commutator=%s negator=%s restrict=%s join=%s merges=%s hashes=%s owner=%s',
      o.oprcode, o.oprresult::pg_catalog.regtype, nullif(o.oprcom, 0)::pg_catalog.regoperator, nullif(o.oprnegate, 0)::pg_catalog.regoperator,
      o.oprrest, o.oprjoin, o.oprcanmerge, o.oprcanhash, pg_catalog.pg_get_userbyid(o.oprowner))
  from pg_catalog.pg_operator o join made m on m.class = 'pg_catalog.pg_operator'::pg_catalog.regclass and m.object = o.oid
  union all
  select 'operator class', pg_catalog.format('%s using %s', o.opcname, a.amname), pg_catalog.format('%s default=%s family=%s key=%s owner=%s', o.opcintype::pg_catalog.regtype, o.opcdefault,
      (select f.opfname from pg_catalog.pg_opfamily f where f.oid = o.opcfamily), nullif(o.opckeytype, 0)::pg_catalog.regtype, pg_catalog.pg_get_userbyid(o.opcowner))
  from pg_catalog.pg_opclass o join made m on m.class = 'pg_catalog.pg_opclass'::pg_catalog.regclass and m.object = o.oid join pg_catalog.pg_am a on a.oid = o.opcmethod
  union all
  select 'operator family', pg_catalog.format('%s using %s', f.opfname, a.amname), pg_catalog.format('operators=%s functions=%s owner=%s',
      (select pg_catalog.string_agg(pg_catalog.format('%s %s %s', o.amopstrategy, o.amopopr::pg_catalog.regoperator, o.amoppurpose), ', ' order by o.amopstrategy, o.amopopr::pg_catalog.regoperator::pg_catalog.text)
        from pg_catalog.pg_amop o where o.amopfamily = f.oid),
      (select pg_catalog.string_agg(pg_catalog.format('%s %s', o.amprocnum, o.amproc::pg_catalog.regprocedure), ', ' order by o.amprocnum, o.amproc::pg_catalog.regprocedure::pg_catalog.text)
        from pg_catalog.pg_amproc o where o.amprocfamily = f.oid),
      pg_catalog.pg_get_userbyid(f.opfowner))
  from pg_catalog.pg_opfamily f join made m on m.class = 'pg_catalog.pg_opfamily'::pg_catalog.regclass and m.object = f.oid join pg_catalog.pg_am a on a.oid = f.opfmethod
  union all
  select 'conversion', o.conname::pg_catalog.text, pg_catalog.format('%s to %s by %s default=%s owner=%s', pg_catalog.pg_encoding_to_char(o.conforencoding), pg_catalog.pg_encoding_to_char(o.contoencoding),
      o.conproc, o.condefault, pg_catalog.pg_get_userbyid(o.conowner))
  from pg_catalog.pg_conversion o join made m on m.class = 'pg_catalog.pg_conversion'::pg_catalog.regclass and m.object = o.oid
  union all
  select 'text search configuration', o.cfgname::pg_catalog.text, pg_catalog.format('parser=%s owner=%s %s', (select p.prsname from pg_catalog.pg_ts_parser p where p.oid = o.cfgparser), pg_catalog.pg_get_userbyid(o.cfgowner),
      (select pg_catalog.string_agg(pg_catalog.format('%s:%s', x.maptokentype, x.mapdict::pg_catalog.regdictionary), ',' order by x.maptokentype, x.mapseqno) from pg_catalog.pg_ts_config_map x where x.mapcfg = o.oid))
  from pg_catalog.pg_ts_config o join made m on m.class = 'pg_catalog.pg_ts_config'::pg_catalog.regclass and m.object = o.oid
  union all
  select 'text search dictionary', o.dictname::pg_catalog.text, pg_catalog.format('template=%s %s owner=%s', (select x.tmplname from pg_catalog.pg_ts_template x where x.oid = o.dicttemplate), o.dictinitoption, pg_catalog.pg_get_userbyid(o.dictowner))
  from pg_catalog.pg_ts_dict o join made m on m.class = 'pg_catalog.pg_ts_dict'::pg_catalog.regclass and m.object = o.oid
  union all
  select 'text search parser', o.prsname::pg_catalog.text, pg_catalog.format('%s %s %s %s %s', o.prsstart, o.prstoken, o.prsend, o.prsheadline, o.prslextype)
  from pg_catalog.pg_ts_parser o join made m on m.class = 'pg_catalog.pg_ts_parser'::pg_catalog.regclass and m.object = o.oid
  union all
  select 'text search template', o.tmplname::pg_catalog.text, pg_catalog.format('%s %s', o.tmplinit, o.tmpllexize)
  from pg_catalog.pg_ts_template o join made m on m.class = 'pg_catalog.pg_ts_template'::pg_catalog.regclass and m.object = o.oid
  union all
  select 'comment', pg_catalog.pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
  from pg_catalog.pg_description d join made m on d.classoid = m.class and d.objoid = m.object
  union all
  select 'label', pg_catalog.pg_describe_object(d.classoid, d.objoid, d.objsubid), d.provider || ': ' || d.label
  from pg_catalog.pg_seclabel d join made m on d.classoid = m.class and d.objoid = m.object
  union all
  select 'schema', '', 'owner=' || pg_catalog.pg_get_userbyid(t.nspowner) from target t
  union all
  select 'grant', g.what || ' ' || g.object,
    pg_catalog.string_agg(pg_catalog.format('%s=%s', case g.grantee when 0 then 'PUBLIC' else pg_catalog.pg_get_userbyid(g.grantee)::pg_catalog.text end,
      coalesce((select 'ALL' || e.grantable from everything e where e.list = g.list), pg_catalog.array_to_string(g.list, ','))),
      '; ' order by g.grantee = 0, pg_catalog.pg_get_userbyid(g.grantee)::pg_catalog.text collate "C")
  from granted g group by g.what, g.object
) f
order by kind collate "C", object collate "C", fact collate "C"
