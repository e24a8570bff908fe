-- The roles that a schema names, those that belong to its service, and the groups that these are in.
with recursive
  target as (select n.oid, n.nspowner, n.nspacl from pg_catalog.pg_namespace n where n.nspname = $1),
  ours as (
    select 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid as classid, t.oid as objid, t.nspowner as owner from target t
    union all select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, c.relowner from pg_catalog.pg_class c join target t on c.relnamespace = t.oid
    -- the server gives a range type's constructors to the first superuser, whoever makes the type
    union all select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, case when not exists (
        select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
          and d.deptype = 'i' and d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass) then p.proowner end
      from pg_catalog.pg_proc p join target t on p.pronamespace = t.oid
    union all select 'pg_catalog.pg_type'::pg_catalog.regclass, y.oid, y.typowner from pg_catalog.pg_type y join target t on y.typnamespace = t.oid
    union all select 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, c.relowner from pg_catalog.pg_policy p
      join pg_catalog.pg_class c on c.oid = p.polrelid join target t on c.relnamespace = t.oid
    union all select 'pg_catalog.pg_default_acl'::pg_catalog.regclass, d.oid, d.defaclrole from pg_catalog.pg_default_acl d join target t
      on d.defaclnamespace = t.oid or (d.defaclnamespace = 0 and d.defaclrole = t.nspowner)
    union all select 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid, o.oprowner from pg_catalog.pg_operator o join target t on o.oprnamespace = t.oid
    union all select 'pg_catalog.pg_collation'::pg_catalog.regclass, o.oid, o.collowner from pg_catalog.pg_collation o join target t on o.collnamespace = t.oid
    union all select 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, o.oid, o.stxowner from pg_catalog.pg_statistic_ext o join target t on o.stxnamespace = t.oid
    union all select 'pg_catalog.pg_opclass'::pg_catalog.regclass, o.oid, o.opcowner from pg_catalog.pg_opclass o join target t on o.opcnamespace = t.oid
    union all select 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.oid, o.opfowner from pg_catalog.pg_opfamily o join target t on o.opfnamespace = t.oid
    union all select 'pg_catalog.pg_conversion'::pg_catalog.regclass, o.oid, o.conowner from pg_catalog.pg_conversion o join target t on o.connamespace = t.oid
    union all select 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, o.oid, o.dictowner from pg_catalog.pg_ts_dict o join target t on o.dictnamespace = t.oid
    union all select 'pg_catalog.pg_ts_config'::pg_catalog.regclass, o.oid, o.cfgowner from pg_catalog.pg_ts_config o join target t on o.cfgnamespace = t.oid
  ),
  named as (
    select owner as role from ours
    union
    select d.refobjid from pg_catalog.pg_shdepend d join ours o on o.classid = d.classid and o.objid = d.objid
    where d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
      and d.dbid = (select b.oid from pg_catalog.pg_database b where b.datname = pg_catalog.current_database())
  ),
  own as (
    select t.nspowner as role from target t
    union
    select n.role from named n, target t
    where (n.role <> t.nspowner and pg_catalog.pg_has_role(t.nspowner, n.role, 'member')
        and not (select r.rolsuper from pg_catalog.pg_roles r where r.oid = t.nspowner))
      or pg_catalog.starts_with(pg_catalog.pg_get_userbyid(n.role)::pg_catalog.text, $2)
    union
    select m.member from own o join pg_catalog.pg_auth_members m on m.roleid = o.role
    where not (select r.rolsuper from pg_catalog.pg_roles r where r.oid = m.member)
  ),
  groups as (
    select m.roleid as role from pg_catalog.pg_auth_members m join own o on o.role = m.member
  ),
  carried as (select role from named union select role from own union select role from groups)
select r.oid::pg_catalog.int8 as oid, r.rolname::pg_catalog.text as name, r.rolcanlogin as login, r.rolinherit as inherit,
  r.rolconnlimit as connection_limit, r.rolvaliduntil::pg_catalog.text as valid_until,
  exists (select from own o where o.role = r.oid) as own, r.rolname like 'pg\_%' as predefined,
  r.rolsuper as superuser, exists (select from ours o where o.owner = r.oid) as owns
from pg_catalog.pg_roles r join carried c on c.role = r.oid
-- A split's subscription applies as a role of its own, which is a member of the owners as long as the split lasts.
where r.rolname !~ '^pgcleave_[0-9a-f]{8}_apply_(source|target)$'
  and r.rolname::pg_catalog.text !~ 'pgcleave_tmp_[0-9a-f]{8}_[0-9a-f]{8}$'
order by r.rolname collate "C"
