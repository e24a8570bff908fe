-- the view hides the options of other roles' mappings; of those it shows, only the remote role is read
select u.srvid::int8 as server, nullif(u.umuser, 0)::int8 as role,
  (select pg_catalog.substr(o.line, 6) from pg_catalog.unnest(u.umoptions) o (line) where o.line like 'user=%') as remote_role,
  u.umoptions is not null
    and not exists (select from pg_catalog.unnest(u.umoptions) o (line) where o.line like 'user=%') as own_account
from pg_catalog.pg_user_mappings u
order by u.umid
