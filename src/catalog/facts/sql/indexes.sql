select i.indexrelid::int8 as oid, c.relname::text as name, i.indrelid::int8 as relation,
  exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')) as of_constraint
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
where c.oid >= 16384
  -- those that call something which is not the server's own
  and (
    i.indexprs is not null
    or i.indpred is not null
    or exists (select from pg_catalog.unnest(i.indclass::pg_catalog.oid[]) k (class) where k.class >= 16384)
  )
order by i.indexrelid
