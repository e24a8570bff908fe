select
    s.service,
    s.id,
    s.side = 'source' as leaves,
    s.record ->> 'phase' as phase,
    coalesce(s.record -> 'target' ->> 'label', '') as target,
    s.record -> 'kept' ->> 'schema' as kept
from pgcleave.split s
order by s.service collate "C"
