-- Who uses a schema ($1): the roles that it names, and those that belong to its service, by their names' prefix ($2) too.
-- The logins of splits' bridges ($3) are nobody's: each split makes its own.
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
  -- Who may use what is in the schema: the roles that it names, and who is a member of them so that it counts.
  users as (
    select n.role from named n join pg_catalog.pg_roles r on r.oid = n.role
    where not r.rolsuper and r.rolname not like 'pg\_%'
    union
    select m.member from users u join pg_catalog.pg_auth_members m on m.roleid = u.role
    join pg_catalog.pg_roles r on r.oid = m.member
    where not r.rolsuper
      and (coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::pg_catalog.bool, true)
        or coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::pg_catalog.bool, true))
  ),
  above as (
    select u.role, u.role as above from users u
    union
    select a.role, m.roleid from above a join pg_catalog.pg_auth_members m on m.member = a.above
  ),
  -- Roles that hold something else, in whatever database; USAGE on a schema of extensions or on `public` alone is nothing.
  elsewhere as (
    -- in another database, or an object of the whole server; the groups of CONNECT and TEMPORARY serve all databases
    select d.refobjid as role from pg_catalog.pg_shdepend d join pg_catalog.pg_roles r on r.oid = d.refobjid
    left join pg_catalog.pg_database b on b.oid = d.dbid and b.datname = pg_catalog.current_database()
    where d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and d.deptype in ('o', 'a', 'r') and b.oid is null
      and (d.dbid <> 0 or d.deptype = 'o') and r.rolname !~ '(^|_)pgcleave_(connect|temporary)(_|$)'
    union
    select d.refobjid from pg_catalog.pg_shdepend d
    join pg_catalog.pg_database b on b.oid = d.dbid and b.datname = pg_catalog.current_database()
    where d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and d.deptype in ('o', 'a', 'r')
      and not exists (select from ours o where o.classid = d.classid and o.objid = d.objid)
      and not exists (select from pg_catalog.pg_depend e where e.classid = d.classid and e.objid = d.objid and e.deptype = 'e')
      and not (d.classid = 'pg_catalog.pg_default_acl'::pg_catalog.regclass and exists (
        select from pg_catalog.pg_default_acl a where a.oid = d.objid and a.defaclnamespace = 0))
      and not (d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and d.deptype = 'a' and exists (
        select from pg_catalog.pg_namespace n where n.oid = d.objid
          and not exists (select from pg_catalog.aclexplode(n.nspacl) x where x.grantee = d.refobjid and x.privilege_type = 'CREATE')
          and (n.nspname = 'public' or exists (
            select from pg_catalog.pg_extension e where e.extnamespace = n.oid))))
  ),
  -- Who uses this schema and nothing else comes along with it.
  only_here as (
    select u.role from users u
    where pg_catalog.pg_get_userbyid(u.role)::pg_catalog.text <> all ($3::pg_catalog.text[])
      and not exists (select from above a join elsewhere e on e.role = a.above where a.role = u.role)
      -- Nobody's password goes along that could do more than use a schema: a grant is given by the schema's owner alone.
      and not exists (select from above a join pg_catalog.pg_roles g on g.oid = a.above
        where a.role = u.role and (g.rolsuper or g.rolcreaterole or g.rolcreatedb or g.rolreplication or g.rolbypassrls
          or g.rolname like 'pg\_%'))
  ),
  own as (
    select t.nspowner as role from target t
    union
    select n.role from named n, target t
    where (n.role <> t.nspowner and pg_catalog.pg_has_role(t.nspowner, n.role, 'member')
        and not (select r.rolsuper from pg_catalog.pg_roles r where r.oid = t.nspowner))
      or pg_catalog.starts_with(pg_catalog.pg_get_userbyid(n.role)::pg_catalog.text, $2)
    union
    select h.role from only_here h
    union
    select m.member from own o join pg_catalog.pg_auth_members m on m.roleid = o.role
    where not (select r.rolsuper from pg_catalog.pg_roles r where r.oid = m.member)
      -- An administrator that may but grant the role does not use it.
      and (coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::pg_catalog.bool, true)
        or coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::pg_catalog.bool, true))
  )
