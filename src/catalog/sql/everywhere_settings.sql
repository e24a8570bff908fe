-- settings that a role has in every database, one by one, and whether this login may take each away
select
    r.rolname::text as role,
    entry.text as setting,
    -- pg_settings shows neither role nor session_authorization
    me.rolsuper
        or coalesce(p.context, case when pg_catalog.lower(pg_catalog.split_part(entry.text, '=', 1))
            in ('role', 'session_authorization', 'seed') then 'user' end, '') = 'user'
        or coalesce(p.context, '') = 'superuser' and pg_catalog.has_parameter_privilege(p.name, 'SET') as resettable
from pg_catalog.pg_db_role_setting s
join pg_catalog.pg_roles r on r.oid = s.setrole
join pg_catalog.pg_roles me on me.rolname = current_user
cross join lateral pg_catalog.unnest(s.setconfig) as entry (text)
left join pg_catalog.pg_settings p on p.name = pg_catalog.lower(pg_catalog.split_part(entry.text, '=', 1))
where s.setdatabase = 0
  and r.rolname = any ($1::text[]::name[])
order by r.rolname, entry.text
