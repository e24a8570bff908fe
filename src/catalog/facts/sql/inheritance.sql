select i.inhrelid::int8 as child, i.inhparent::int8 as parent
from pg_catalog.pg_inherits i
join pg_catalog.pg_class c on c.oid = i.inhrelid
where c.relkind in ('r', 'p', 'f') and not i.inhdetachpending
order by i.inhrelid, i.inhseqno
