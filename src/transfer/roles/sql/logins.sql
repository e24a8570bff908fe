-- The logins that can use what is in the schema; after who.sql.
select r.rolname::pg_catalog.text as name, exists (select from own o where o.role = r.oid) as own,
  not pg_catalog.starts_with(r.rolname::pg_catalog.text, $2)
    and not exists (select from target t where pg_catalog.pg_has_role(r.oid, t.nspowner, 'member')) as granted,
  array(select g.rolname::pg_catalog.text from above a join named n on n.role = a.above
    join pg_catalog.pg_roles g on g.oid = a.above where a.role = r.oid and g.oid <> r.oid order by g.rolname) as through
from pg_catalog.pg_roles r
where r.rolcanlogin and not r.rolsuper and r.oid in (select u.role from users u union select o.role from own o)
  and r.rolname::pg_catalog.text <> all ($3::pg_catalog.text[])
  and r.rolname !~ '^pgcleave_[0-9a-f]{8}_apply_(source|target)$'
  and r.rolname::pg_catalog.text !~ 'pgcleave_tmp_[0-9a-f]{8}_[0-9a-f]{8}$'
order by r.rolname collate "C"
