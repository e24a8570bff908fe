select s.role_prefix as prefix
from pgcleave.service s
group by s.role_prefix
order by pg_catalog.count(*) desc, s.role_prefix collate "C"
