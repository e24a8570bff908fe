-- expressions that turn text into an object only when they run, which no dependency tells: text to regclass (1079),
-- to_reg* and query_to_xml by their fixed OIDs, and text to the other reg* types; and arguments of triggers, which
-- their functions may read as names
with late (sign) as (
  values (':funcid (1079|349[2-5]|3476|3479|4085|4086|4093|2923|2924|2925|2926|2927) |:resulttype (24|220[2-6]|3734|3769|4089|4191) ')
)
select h.schema, h.kind, h.label, h.expression
from (
  select 2606::int8 as class, k.oid::int8 as oid, k.connamespace::int8 as schema, 'check'::text as kind,
    pg_catalog.format('%I on %s', k.conname,
      case when k.contypid <> 0 then k.contypid::pg_catalog.regtype::text else k.conrelid::pg_catalog.regclass::text end) as label,
    pg_catalog.pg_get_expr(k.conbin, k.conrelid) as expression
  from late, pg_catalog.pg_constraint k
  where k.conbin is not null and k.conbin::text ~ late.sign
  union all
  select 2618, r.oid::int8, c.relnamespace::int8, 'view', c.oid::pg_catalog.regclass::text, pg_catalog.pg_get_viewdef(c.oid)
  from late, pg_catalog.pg_rewrite r
  join pg_catalog.pg_class c on c.oid = r.ev_class
  where r.ev_type = '1' and r.ev_action ~ late.sign
  union all
  select 2618, r.oid::int8, c.relnamespace::int8, 'rule',
    pg_catalog.format('%I on %s', r.rulename, c.oid::pg_catalog.regclass), pg_catalog.pg_get_ruledef(r.oid)
  from late, pg_catalog.pg_rewrite r
  join pg_catalog.pg_class c on c.oid = r.ev_class
  where r.ev_type <> '1' and (r.ev_action ~ late.sign or r.ev_qual ~ late.sign)
  union all
  select 1247, t.oid::int8, t.typnamespace::int8, 'default', t.oid::pg_catalog.regtype::text,
    pg_catalog.pg_get_expr(t.typdefaultbin, 0)
  from late, pg_catalog.pg_type t
  where t.typdefaultbin is not null and t.typdefaultbin::text ~ late.sign
  union all
  select 1255, p.oid::int8, p.pronamespace::int8, 'default',
    pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
    pg_catalog.pg_get_expr(p.proargdefaults, 0)
  from late, pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where p.proargdefaults is not null and p.proargdefaults::text ~ late.sign
  union all
  select 1255, p.oid::int8, p.pronamespace::int8, 'standard body',
    pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
    pg_catalog.pg_get_function_sqlbody(p.oid)
  from late, pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where p.prosqlbody is not null and p.prosqlbody::text ~ late.sign
  union all
  select 2620, t.oid::int8, c.relnamespace::int8, 'trigger',
    pg_catalog.format('%I on %s', t.tgname, c.oid::pg_catalog.regclass), pg_catalog.pg_get_triggerdef(t.oid)
  from late, pg_catalog.pg_trigger t
  join pg_catalog.pg_class c on c.oid = t.tgrelid
  where t.tgqual is not null and t.tgparentid = 0 and t.tgqual::text ~ late.sign
  union all
  select 2620, t.oid::int8, c.relnamespace::int8, 'trigger argument',
    pg_catalog.format('%I on %s', t.tgname, c.oid::pg_catalog.regclass), a.line
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_class c on c.oid = t.tgrelid
  cross join lateral pg_catalog.unnest(pg_catalog.string_to_array(pg_catalog.encode(t.tgargs, 'escape'), '\000')) a (line)
  where t.tgnargs > 0 and t.tgparentid = 0 and not t.tgisinternal and a.line like '%.%'
) h
join pg_catalog.pg_namespace n on n.oid = h.schema
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and h.oid >= 16384
  and h.label is not null and h.expression is not null
order by h.class, h.oid, h.expression
