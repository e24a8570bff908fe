-- Each table of the schema with its write block: by the OIDs that the record has, or, where it has none yet, by name.
select c.relname::pg_catalog.text as relation, t.tgname::pg_catalog.text as trigger, t.tgenabled::pg_catalog.text as state,
  coalesce(t.tgname = $4 and t.tgtype = 62 and not t.tgisinternal and t.tgconstraint = 0 and t.tgparentid = 0
    and t.tgqual is null and pg_catalog.cardinality(t.tgattr::pg_catalog.int2[]) = 0 and t.tgnargs = 2
    and t.tgargs = pg_catalog.convert_to($5, pg_catalog.getdatabaseencoding()) || '\x00'::pg_catalog.bytea
      || pg_catalog.convert_to($6, pg_catalog.getdatabaseencoding()) || '\x00'::pg_catalog.bytea
    and exists (
      select from pg_catalog.pg_proc p
      join pg_catalog.pg_namespace r on r.oid = p.pronamespace
      join pg_catalog.pg_language l on l.oid = p.prolang
      where p.oid = t.tgfoid and r.nspname = 'pgcleave' and p.proname = 'split_moved' and p.proowner = r.nspowner
        and p.prosrc = $7 and l.lanname = 'plpgsql' and not p.prosecdef and p.proconfig = array['search_path=""']),
    false) as as_made
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join lateral (
  select * from pg_catalog.pg_trigger t
  where t.tgrelid = c.oid and (t.oid::pg_catalog.int8 = any ($2) or ($3 and t.tgname = $4))
  order by t.oid limit 1
) t on true
where n.nspname = $1 and c.relkind in ('r', 'p')
  and not exists (
    select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
order by c.relname
