-- $1: the managed roles; $2: the schemas of services that are only described.
-- What a login would keep without PUBLIC, and the signs that it uses this database, are worked out only where PUBLIC has
-- something to lose.
with recursive
here as (
  select d.oid, d.datdba, d.datacl,
    (d.datacl is null or exists (select from pg_catalog.aclexplode(d.datacl) a where a.grantee = 0))
      or exists (
        select from pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
        where n.nspname = 'public' and a.grantee = 0
      ) as open
  from pg_catalog.pg_database d
  where d.datname = pg_catalog.current_database()
),
login as (
  select r.oid, r.rolname, r.rolreplication
  from pg_catalog.pg_roles r
  where r.rolcanlogin
    and not r.rolsuper
    and r.rolname <> current_user
    and r.rolname <> all ($1::text[]::name[])
),
-- Each login with itself and every role that it is a member of, directly or not.
belongs (login, role) as (
  select l.oid, l.oid from login l where (select h.open from here h)
  union
  select b.login, m.roleid from belongs b join pg_catalog.pg_auth_members m on m.member = b.role
),
-- What each of these roles owns or was given here.
used as (
  select s.refobjid as role,
    pg_catalog.bool_or(coalesce(c.relnamespace, p.pronamespace, t.typnamespace,
        case when s.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass then s.objid end)
      = any (array(select n.oid from pg_catalog.pg_namespace n where n.nspname = any ($2::text[]::name[])))) as described
  from pg_catalog.pg_shdepend s
  left join pg_catalog.pg_class c on s.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.oid = s.objid
  left join pg_catalog.pg_proc p on s.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and p.oid = s.objid
  left join pg_catalog.pg_type t on s.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and t.oid = s.objid
  where s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
    and s.refobjid in (select b.role from belongs b)
    and s.dbid = (select h.oid from here h)
  group by s.refobjid
),
signs as (
  select b.login,
    pg_catalog.bool_or(u.role is not null) as uses,
    coalesce(pg_catalog.bool_or(u.described), false) as described,
    coalesce(
      pg_catalog.array_agg(r.rolname::text) filter (where r.rolname = any ($1::text[]::name[])
        and pg_catalog.pg_has_role(b.login, b.role, 'USAGE')),
      '{}'
    ) as managed
  from belongs b
  join pg_catalog.pg_roles r on r.oid = b.role
  left join used u on u.role = b.role
  group by b.login
),
kept as (
  select l.oid as login,
    coalesce(pg_catalog.array_agg(distinct a.privilege_type) filter (where a.kind = 'database'), '{}') as database,
    coalesce(pg_catalog.array_agg(distinct a.privilege_type) filter (where a.kind = 'public'), '{}') as public
  from login l
  join lateral (
    select 'database' as kind, d.grantee, d.privilege_type
    from here h, pg_catalog.aclexplode(coalesce(h.datacl, pg_catalog.acldefault('d', h.datdba))) d
    union all
    select 'public', s.grantee, s.privilege_type
    from pg_catalog.pg_namespace n,
      pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) s
    where n.nspname = 'public'
  ) a on a.grantee <> 0 and pg_catalog.pg_has_role(l.oid, a.grantee, 'USAGE')
  where (select h.open from here h)
  group by l.oid
)
select
  l.rolname::text as name,
  l.rolreplication as replication,
  coalesce(s.uses, false) or exists (
    select from pg_catalog.pg_db_role_setting d where d.setrole = l.oid and d.setdatabase = h.oid
  ) as uses,
  coalesce(s.described, false) as described,
  coalesce(s.managed, '{}') as managed,
  coalesce(k.database, '{}') as kept_database,
  coalesce(k.public, '{}') as kept_public,
  (select pg_catalog.count(*) from pg_catalog.pg_stat_activity a where h.open and a.usesysid = l.oid and a.datid = h.oid)
    as sessions
from login l
cross join here h
left join signs s on s.login = l.oid
left join kept k on k.login = l.oid
order by l.rolname
