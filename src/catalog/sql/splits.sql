select
    s.service,
    s.id,
    s.side = 'source' as leaves,
    s.record ->> 'phase' as phase,
    coalesce(s.record -> 'target' ->> 'label', '') as target,
    s.record -> 'kept' ->> 'schema' as kept,
  case when pg_catalog.jsonb_typeof(s.record -> 'blocks' -> s.side) = 'array' then array(
    select (b.value ->> 'trigger')::pg_catalog.int8 from pg_catalog.jsonb_array_elements(s.record -> 'blocks' -> s.side) b
  ) end as write_blocks,
  case when pg_catalog.jsonb_typeof(s.record -> 'roles' -> s.side) = 'array' then array(
    select r.value::pg_catalog.int8 from pg_catalog.jsonb_array_elements_text(s.record -> 'roles' -> s.side) r
  ) end as roles
from pgcleave.split s
order by s.service collate "C"
