select
  p.oid::int8 as oid,
  p.pronamespace::int8 as schema,
  p.proname::text as name,
  pg_catalog.oidvectortypes(p.proargtypes) as arguments,
  p.proowner::int8 as owner,
  p.proacl::text as acl,
  p.prokind::text as kind,
  p.prosecdef as security_definer,
  p.provolatile::text as volatility,
  l.lanname::text as language,
  p.proconfig as config,
  p.prorettype in ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype) as trigger,
  p.prosqlbody is not null as atomic,
  case
    when p.prosqlbody is null and l.lanname not in ('c', 'internal') and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'
    ) then p.prosrc
  end as body
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  -- a range type's constructors are everybody's and the bootstrap superuser's, whoever makes the type
  and not exists (
    select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
      and d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.deptype = 'i'
  )
order by p.oid
