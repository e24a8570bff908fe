-- Temporary logins of this database, and of databases that are gone, whose command no longer runs.
select r.rolname::pg_catalog.text as name
from pg_catalog.pg_roles r
cross join lateral (
    select pg_catalog.substring(r.rolname::pg_catalog.text, 'pgcleave_tmp_([0-9a-f]{8})_[0-9a-f]{8}$') as database
) tag
where tag.database is not null
    and (
        tag.database = pg_catalog.lpad(pg_catalog.to_hex($1::pg_catalog.int8), 8, '0')
        or not exists (
            select
            from pg_catalog.pg_database d
            where pg_catalog.lpad(pg_catalog.to_hex(d.oid::pg_catalog.int8), 8, '0') = tag.database
        )
    )
    and not exists (
        -- Anybody can take an advisory lock: that of a login that cannot make roles means nothing.
        select
        from pg_catalog.pg_locks l
        join pg_catalog.pg_stat_activity a on a.pid = l.pid
        join pg_catalog.pg_roles h on h.oid = a.usesysid and (h.rolsuper or h.rolcreaterole)
        where l.locktype = 'advisory' and l.granted
            and l.database = $1::pg_catalog.int8::pg_catalog.oid
            and l.classid = $2::pg_catalog.int8::pg_catalog.oid
            and l.objid = (pg_catalog.hashtext(r.rolname::pg_catalog.text)::pg_catalog.int8 & 4294967295)::pg_catalog.oid
    )
order by r.rolname
