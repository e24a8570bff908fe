select
    s.name as service,
    s.schema as schema,
    c.name as credential,
    c.active::text as active,
    c.phase as phase
from pgcleave.service s
left join pgcleave.credential c on c.service = s.name
order by s.name collate "C", c.name collate "C"
