select
  a.oid::int8 as oid,
  case
    when a.rolpassword is null then 'none'
    when a.rolpassword like 'md5%' then 'md5'
    else 'scram'
  end as password
from pg_catalog.pg_authid a
order by a.oid
