select
  p.oid::int8 as oid,
  p.pubname::text as name,
  p.pubowner::int8 as owner,
  p.puballtables as all_tables,
  array(select r.prrelid::int8 from pg_catalog.pg_publication_rel r where r.prpubid = p.oid order by 1) as relations,
  array(select s.pnnspid::int8 from pg_catalog.pg_publication_namespace s where s.pnpubid = p.oid order by 1) as schemas
from pg_catalog.pg_publication p
order by p.oid
