-- Tables and sequences of a schema, with $2 also its populated materialized views, their owners, and what this login and the owners may do with them.
with
  relation as (
    select c.oid, c.relname, c.relkind, c.relowner, c.relnamespace, c.relrowsecurity, c.relforcerowsecurity
    from pg_catalog.pg_class c
    where c.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1) and (c.relkind in ('r', 'p', 'S') or ($2 and c.relkind = 'm' and c.relispopulated))
      and not exists (
        select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
  ),
  owner as (
    select o.relowner as oid, pg_catalog.pg_get_userbyid(o.relowner)::pg_catalog.text as name, up.superuser,
      case when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 160000
        then pg_catalog.pg_has_role(current_user, o.relowner, 'member with admin option')
        else true end as grantable,
      case when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 160000
        then pg_catalog.pg_has_role(current_user, o.relowner, 'set')
        else pg_catalog.pg_has_role(current_user, o.relowner, 'member') end as settable
    from (select distinct r.relowner from relation r) o,
    lateral (
      -- a member of a superuser can become it
      with recursive up as (
        select o.relowner as role
        union
        select m.roleid from up join pg_catalog.pg_auth_members m on m.member = up.role
      )
      select pg_catalog.bool_or(u.rolsuper) as superuser from up join pg_catalog.pg_roles u on u.oid = up.role
    ) up
  )
select r.oid::pg_catalog.int8 as oid, r.relname::pg_catalog.text as name, r.relkind = 'S' as sequence, r.relkind = 'm' as view, o.name as owner,
  o.superuser as owner_superuser, o.grantable, o.settable,
  r.relrowsecurity as secured, r.relrowsecurity and r.relforcerowsecurity as forced,
  pg_catalog.has_schema_privilege(r.relowner, r.relnamespace, 'usage') as owner_uses,
  case when r.relkind = 'S' then pg_catalog.has_sequence_privilege(r.relowner, r.oid, 'select')
    else pg_catalog.has_table_privilege(r.relowner, r.oid, 'select') end as owner_reads,
  pg_catalog.has_schema_privilege(r.relnamespace, 'usage with grant option') as self_grants,
  pg_catalog.has_schema_privilege(r.relnamespace, 'usage')
    and case when r.relkind = 'S' then pg_catalog.has_sequence_privilege(r.oid, 'select')
      else pg_catalog.has_table_privilege(r.oid, 'select') and not pg_catalog.row_security_active(r.oid) end as self_reads
from relation r join owner o on o.oid = r.relowner
order by r.relname
