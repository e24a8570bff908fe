-- expressions that turn text into an object only when they run, which no dependency tells: text to regclass (1079),
-- to_reg* and query_to_xml by their fixed OIDs, and text to the other reg* types
select h.schema, h.kind, h.label, h.expression
from (
  select 2606::int8 as class, k.oid::int8 as oid, k.connamespace::int8 as schema, 'check'::text as kind,
    pg_catalog.format('%I on %s', k.conname,
      case when k.contypid <> 0 then k.contypid::pg_catalog.regtype::text else k.conrelid::pg_catalog.regclass::text end) as label,
    pg_catalog.pg_get_expr(k.conbin, k.conrelid) as expression
  from pg_catalog.pg_constraint k
  where k.conbin is not null
    and k.conbin::text ~ ':funcid (1079|349[2-5]|3476|3479|4085|4086|4093|2923|2924|2925|2926|2927) |:resulttype (24|220[2-6]|3734|3769|4089|4191) '
  union all
  select 2618, r.oid::int8, c.relnamespace::int8, 'view', c.oid::pg_catalog.regclass::text, pg_catalog.pg_get_viewdef(c.oid)
  from pg_catalog.pg_rewrite r
  join pg_catalog.pg_class c on c.oid = r.ev_class
  where r.ev_type = '1'
    and r.ev_action ~ ':funcid (1079|349[2-5]|3476|3479|4085|4086|4093|2923|2924|2925|2926|2927) |:resulttype (24|220[2-6]|3734|3769|4089|4191) '
) h
join pg_catalog.pg_namespace n on n.oid = h.schema
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and h.oid >= 16384 and h.label is not null
order by h.class, h.oid
