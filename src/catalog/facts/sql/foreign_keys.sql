select
  k.oid::int8 as oid,
  k.conname::text as name,
  k.conrelid::int8 as from_relation,
  k.confrelid::int8 as to_relation,
  k.confdeltype::text as on_delete,
  k.confupdtype::text as on_update,
  k.convalidated as validated,
  coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::bool, true) as enforced
from pg_catalog.pg_constraint k
where k.contype = 'f' and k.conparentid = 0
order by k.oid
