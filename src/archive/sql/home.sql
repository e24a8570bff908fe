-- Who owns schema $1, who besides the connecting login and superusers may create in it, and who was granted anything.
with
  home as (select n.oid, n.nspowner, n.nspacl from pg_catalog.pg_namespace n where n.nspname = $1),
  given as (select x.grantee, x.privilege_type from home h, pg_catalog.aclexplode(h.nspacl) x where x.grantee <> h.nspowner),
  -- A database's owner is the only member of pg_database_owner.
  owner as (
    select case when r.rolname = 'pg_database_owner'
      then (select d.datdba from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()) else r.oid end as oid
    from home h join pg_catalog.pg_roles r on r.oid = h.nspowner
  ),
  creator as (
    select o.oid from owner o
    union
    select g.grantee from given g where g.privilege_type = 'CREATE'
  )
select
  (select r.rolname::pg_catalog.text from pg_catalog.pg_roles r where r.oid = h.nspowner) as owner,
  array(select coalesce(r.rolname::pg_catalog.text, 'everybody') from creator c left join pg_catalog.pg_roles r on r.oid = c.oid
    where r.oid is null or not r.rolsuper and r.rolname <> current_user order by 1) as creators,
  array(select distinct r.rolname::pg_catalog.text from given g join pg_catalog.pg_roles r on r.oid = g.grantee order by 1) as grantees,
  exists (select from given g where g.grantee = 0) as everybody
from home h
