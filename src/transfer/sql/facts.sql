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
  grants as (
    select 'schema' as what, '' as object, x.* from target t, pg_catalog.aclexplode(coalesce(t.nspacl, pg_catalog.acldefault('n', t.nspowner))) x where x.grantee <> t.nspowner
    union all
    select 'relation', c.relname::pg_catalog.text, x.* from rel c, pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault(case c.relkind when 'S' then 's'::"char" else 'r'::"char" end, c.relowner))) x
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and x.grantee <> c.relowner
    union all
    select 'column', c.relname || '.' || a.attname, x.* from rel c join pg_catalog.pg_attribute a on a.attrelid = c.oid, pg_catalog.aclexplode(a.attacl) x
    where a.attacl is not null and x.grantee <> c.relowner
    union all
    select 'routine', pg_catalog.format('%s(%s)', p.proname, pg_catalog.oidvectortypes(p.proargtypes)), x.* from routine p, pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) x where x.grantee <> p.proowner
    union all
    select 'type', y.typname::pg_catalog.text, x.* from pg_catalog.pg_type y join target t on y.typnamespace = t.oid, pg_catalog.aclexplode(coalesce(y.typacl, pg_catalog.acldefault('T', y.typowner))) x
    where x.grantee <> y.typowner and y.typelem = 0 and (y.typrelid = 0 or exists (select from pg_catalog.pg_class c where c.oid = y.typrelid and c.relkind = 'c'))
  )
select kind, object, fact from (
  select 'table' as kind, c.relname::pg_catalog.text as object,
    pg_catalog.format('%s persistence=%s replica=%s rls=%s force=%s options=%s bound=%s inherits=%s key=%s owner=%s',
      c.relkind, c.relpersistence, c.relreplident, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
      pg_catalog.pg_get_expr(c.relpartbound, c.oid),
      (select pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::pg_catalog.text, ',' order by i.inhseqno) from pg_catalog.pg_inherits i where i.inhrelid = c.oid),
      case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end,
      pg_catalog.pg_get_userbyid(c.relowner)) as fact
  from rel c where c.relkind in ('r', 'p', 'f', 'v', 'm', 'c')
  union all
  select 'column', c.relname || '.' || a.attname,
    pg_catalog.format('%s notnull=%s default=%s identity=%s generated=%s collation=%s storage=%s compression=%s options=%s target=%s',
      pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid),
      -- partitions have their root's identity from 17 on
      case when not c.relispartition then a.attidentity end, a.attgenerated,
      case when a.attcollation <> y.typcollation then (select o.collname from pg_catalog.pg_collation o where o.oid = a.attcollation) end,
      a.attstorage, a.attcompression,
      -- newer minors keep a mark of their own there
      (select pg_catalog.array_agg(o) from pg_catalog.unnest(a.attoptions) o where o not like 'pg\_attver=%'), coalesce(a.attstattarget::pg_catalog.int4, -1))
  from rel c join pg_catalog.pg_attribute a on a.attrelid = c.oid join pg_catalog.pg_type y on y.oid = a.atttypid
  left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where c.relkind in ('r', 'p', 'f', 'v', 'm', 'c') and a.attnum > 0 and not a.attisdropped
  union all
  -- Before 16 the columns of a view's only relation are written with its name, since then without.
  select 'view', c.relname::pg_catalog.text, case when x.only is null then x.text
      else pg_catalog.regexp_replace(x.text, '(^|[^[:alnum:]_."])' || pg_catalog.regexp_replace(x.only, '([^[:alnum:]_])', '\\\1', 'g') || '\.', '\1', 'g') end
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
  from rel c join pg_catalog.pg_constraint k on k.conrelid = c.oid where k.contype <> 'n' and k.contype <> 't'
    -- a foreign key's parts for partitions come by themselves, under names that the server makes up
    and not (k.contype = 'f' and k.conparentid <> 0)
  union all
  select 'index', i.relname::pg_catalog.text, pg_catalog.pg_get_indexdef(x.indexrelid)
    || pg_catalog.format(' valid=%s clustered=%s replica=%s options=%s', x.indisvalid, x.indisclustered, x.indisreplident, i.reloptions)
  from rel c join pg_catalog.pg_index x on x.indrelid = c.oid join pg_catalog.pg_class i on i.oid = x.indexrelid where c.relkind <> 't'
  union all
  select 'trigger', c.relname || '.' || g.tgname, pg_catalog.pg_get_triggerdef(g.oid) || ' enabled=' || g.tgenabled::pg_catalog.text
  from rel c join pg_catalog.pg_trigger g on g.tgrelid = c.oid where not g.tgisinternal
  union all
  select 'rule', c.relname || '.' || r.rulename, pg_catalog.pg_get_ruledef(r.oid) || ' enabled=' || r.ev_enabled::pg_catalog.text
  from rel c join pg_catalog.pg_rewrite r on r.ev_class = c.oid where r.rulename <> '_RETURN'
  union all
  select 'policy', c.relname || '.' || p.polname, pg_catalog.format('%s permissive=%s to=%s using=%s check=%s', p.polcmd, p.polpermissive,
      (select pg_catalog.string_agg(case r when 0 then 'public' else pg_catalog.pg_get_userbyid(r)::pg_catalog.text end, ',' order by 1) from pg_catalog.unnest(p.polroles) r),
      pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
  from rel c join pg_catalog.pg_policy p on p.polrelid = c.oid
  union all
  select 'statistics', s.stxname::pg_catalog.text, pg_catalog.pg_get_statisticsobjdef(s.oid)
  from pg_catalog.pg_statistic_ext s join target t on s.stxnamespace = t.oid
  union all
  select 'routine', pg_catalog.format('%s(%s)', p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
    pg_catalog.format('%s owner=%s', case when p.prokind = 'a' then 'aggregate ' || (select pg_catalog.format('%s %s %s', a.aggtransfn, pg_catalog.format_type(a.aggtranstype, null), a.agginitval) from pg_catalog.pg_aggregate a where a.aggfnoid = p.oid)
      else pg_catalog.pg_get_functiondef(p.oid) end, pg_catalog.pg_get_userbyid(p.proowner))
  from routine p
  union all
  select 'type', y.typname::pg_catalog.text, pg_catalog.format('%s base=%s notnull=%s default=%s labels=%s checks=%s range=%s owner=%s', y.typtype,
      case when y.typtype = 'd' then pg_catalog.format_type(y.typbasetype, y.typtypmod) end, y.typnotnull, y.typdefault,
      (select pg_catalog.array_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = y.oid),
      (select pg_catalog.string_agg(k.conname || ' ' || pg_catalog.pg_get_constraintdef(k.oid), '; ' order by k.conname) from pg_catalog.pg_constraint k where k.contypid = y.oid and k.contype <> 'n'),
      (select pg_catalog.format_type(r.rngsubtype, null) from pg_catalog.pg_range r where r.rngtypid = y.oid), pg_catalog.pg_get_userbyid(y.typowner))
  from pg_catalog.pg_type y join target t on y.typnamespace = t.oid
  where y.typtype in ('b', 'd', 'e', 'r') and y.typelem = 0
    and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = y.oid and d.deptype = 'e')
  union all
  select 'sequence', c.relname::pg_catalog.text, pg_catalog.format('%s start=%s min=%s max=%s increment=%s cycle=%s cache=%s owned by %s',
      pg_catalog.format_type(s.seqtypid, null), s.seqstart, s.seqmin, s.seqmax, s.seqincrement, s.seqcycle, s.seqcache,
      (select d.refobjid::pg_catalog.regclass || '.' || a.attname from pg_catalog.pg_depend d join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype in ('a', 'i')))
  from rel c join pg_catalog.pg_sequence s on s.seqrelid = c.oid
  union all
  select 'position', c.relname::pg_catalog.text, coalesce(pg_catalog.pg_sequence_last_value(c.oid)::pg_catalog.text, 'unused') from rel c where c.relkind = 'S'
  union all
  select 'comment', pg_catalog.pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
  from pg_catalog.pg_description d join rel c on d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objoid = c.oid
  union all
  select 'comment', pg_catalog.pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
  from pg_catalog.pg_description d join routine p on d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objoid = p.oid
  union all
  select 'label', pg_catalog.pg_describe_object(d.classoid, d.objoid, d.objsubid), d.provider || ': ' || d.label
  from pg_catalog.pg_seclabel d join rel c on d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objoid = c.oid
  union all
  select 'schema', '', 'owner=' || pg_catalog.pg_get_userbyid(t.nspowner) from target t
  union all
  select 'grant', g.what || ' ' || g.object,
    pg_catalog.string_agg(pg_catalog.format('%s=%s%s', case g.grantee when 0 then 'PUBLIC' else pg_catalog.pg_get_userbyid(g.grantee)::pg_catalog.text end,
      g.privilege_type, case when g.is_grantable then '*' else '' end), ', ' order by g.grantee = 0, pg_catalog.pg_get_userbyid(g.grantee)::pg_catalog.text collate "C", g.privilege_type)
  from grants g group by g.what, g.object
) f
order by kind collate "C", object collate "C", fact collate "C"
