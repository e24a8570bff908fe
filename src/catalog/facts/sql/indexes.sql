select i.indexrelid::int8 as oid, c.relname::text as name, i.indrelid::int8 as relation
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
where (i.indexprs is not null or i.indpred is not null) and c.oid >= 16384
order by i.indexrelid
