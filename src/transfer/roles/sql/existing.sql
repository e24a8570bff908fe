-- Which of the roles $1 are there, and what they or the roles above them hold outside of schema $2.
with recursive
  asked as (select r.oid, r.rolname from pg_catalog.pg_roles r where r.rolname = any ($1::pg_catalog.text[])),
  above as (
    select a.oid as role, a.oid as above from asked a
    union
    select x.role, m.roleid from above x join pg_catalog.pg_auth_members m on m.member = x.above
  ),
  here as (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()),
  home as (select n.oid from pg_catalog.pg_namespace n where n.nspname = $2::pg_catalog.text),
  -- Default privileges give nothing by themselves; USAGE alone on a schema neither.
  held as (
    select d.refobjid as role, d.dbid from pg_catalog.pg_shdepend d, here h
    where d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and d.deptype in ('o', 'a')
      and d.classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass
      and (d.dbid <> 0 or d.deptype = 'o')
      and not (d.dbid = h.oid and d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
        and (d.objid in (select home.oid from home)
          or d.deptype = 'a' and not exists (select from pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) x
            where n.oid = d.objid and x.grantee = d.refobjid and x.privilege_type = 'CREATE')))
      and not (d.dbid = h.oid and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and exists (select from pg_catalog.pg_class c, home where c.oid = d.objid and c.relnamespace = home.oid))
      and not (d.dbid = h.oid and d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        and exists (select from pg_catalog.pg_proc p, home where p.oid = d.objid and p.pronamespace = home.oid))
      and not (d.dbid = h.oid and d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
        and exists (select from pg_catalog.pg_type t, home where t.oid = d.objid and t.typnamespace = home.oid))
  )
select a.rolname::pg_catalog.text as name,
  exists (select from above x join pg_catalog.pg_roles r on r.oid = x.above where x.role = a.oid and r.rolsuper) as superuser,
  exists (select from above x join pg_catalog.pg_roles r on r.oid = x.above where x.role = a.oid
    and (r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls or r.rolname like 'pg\_%')) as mighty,
  exists (select from above x join held on held.role = x.above, here h where x.role = a.oid and held.dbid in (0, h.oid)) as here,
  exists (select from above x join held on held.role = x.above where x.role = a.oid) as anywhere
from asked a order by a.rolname collate "C"
