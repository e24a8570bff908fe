select
    s.name as service,
    s.schema as schema,
    s.role_prefix as role_prefix,
    c.name as credential,
    c.active::text as active,
    c.phase as phase,
    -- a registry that an older version made has no such column
    pg_catalog.to_jsonb(c) operator(pg_catalog.->>) ('verifier_' operator(pg_catalog.||) c.active::text) as verifier
from pgcleave.service s
left join pgcleave.credential c on c.service = s.name
order by s.name collate "C", c.name collate "C"
