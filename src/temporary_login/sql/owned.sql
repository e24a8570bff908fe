-- Whether a login owns something in this database, and the role that gets it: the first one that the login is a member of.
-- Never the administrator, as whom a routine of the login would run otherwise.
select
    exists (
        select
        from pg_catalog.pg_shdepend s
        where s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and s.refobjid = r.oid and s.deptype = 'o'
    ) as owns,
    (
        select g.rolname::pg_catalog.text
        from pg_catalog.pg_auth_members m
        join pg_catalog.pg_roles g on g.oid = m.roleid
        where m.member = r.oid and not g.rolsuper
        order by g.rolname
        limit 1
    ) as heir
from pg_catalog.pg_roles r
where r.rolname = $1::pg_catalog.text
