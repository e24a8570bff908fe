-- Who owns the schema (no relation) and each of its tables. `refused` says that a member of the owner could become a
-- superuser, or administer roles; `forced` that row security holds for the owner too.
with recursive above as (
  select r.oid as role, r.oid as of from pg_catalog.pg_roles r
  union
  select m.roleid, a.of from above a join pg_catalog.pg_auth_members m on m.member = a.role
),
owned as (
  select null::pg_catalog.text as relation, n.nspowner as owner, false as forced
  from pg_catalog.pg_namespace n where n.nspname = $1
  union all
  select c.relname::pg_catalog.text, c.relowner, c.relrowsecurity and c.relforcerowsecurity
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relkind in ('r', 'p')
)
select o.relation, pg_catalog.pg_get_userbyid(o.owner)::pg_catalog.text as owner, o.forced,
  o.owner = (select s.oid from pg_catalog.pg_roles s where s.rolname = session_user)
    or exists (
      select from above a join pg_catalog.pg_roles r on r.oid = a.role
      where a.of = o.owner and (r.rolsuper or r.rolcreaterole)) as refused
from owned o
order by 1 nulls first
