-- What roles may do with the database itself, and what their global default privileges are.
select null::pg_catalog.text as creator, null::pg_catalog.text as class, true as granted,
  r.rolname::pg_catalog.text as grantee, x.privilege_type as privilege
from pg_catalog.pg_database b, pg_catalog.aclexplode(b.datacl) x join pg_catalog.pg_roles r on r.oid = x.grantee
where b.datname = pg_catalog.current_database() and x.grantee <> b.datdba
  and x.grantee = any ($1::pg_catalog.int8[]::pg_catalog.oid[])
union all
select o.rolname::pg_catalog.text, c.class, g.granted,
  coalesce(r.rolname::pg_catalog.text, ''), g.privilege_type
from pg_catalog.pg_default_acl d join pg_catalog.pg_roles o on o.oid = d.defaclrole
join (values ('r', 'tables'), ('S', 'sequences'), ('f', 'routines'), ('T', 'types'), ('n', 'schemas')) c(code, class)
  on c.code = d.defaclobjtype::pg_catalog.text,
lateral (
  select true as granted, x.grantee, x.privilege_type from pg_catalog.aclexplode(d.defaclacl) x where x.grantee <> d.defaclrole
  union all
  (select false, x.grantee, x.privilege_type
    from pg_catalog.aclexplode(pg_catalog.acldefault(case d.defaclobjtype when 'S' then 's'::"char" else d.defaclobjtype end, d.defaclrole)) x
    where x.grantee <> d.defaclrole
    except
    select false, x.grantee, x.privilege_type from pg_catalog.aclexplode(d.defaclacl) x)
) g left join pg_catalog.pg_roles r on r.oid = g.grantee
where d.defaclnamespace = 0 and d.defaclrole = any ($2::pg_catalog.int8[]::pg_catalog.oid[])
order by 1 nulls first, 2, 3 desc, 4, 5
