-- What makes the schema of the imports' journals, or the table $1 in it, another than the one that pgcleave makes.
with
  trusted as (
    select r.oid from pg_catalog.pg_roles r
    where r.rolsuper or r.rolname operator(pg_catalog.=) current_user
  ),
  home as (
    select n.oid, n.nspowner, n.nspacl from pg_catalog.pg_namespace n
    where n.nspname operator(pg_catalog.=) 'pgcleave_import'
  ),
  journal as (
    select c.* from pg_catalog.pg_class c join home h on h.oid operator(pg_catalog.=) c.relnamespace
    where c.relname operator(pg_catalog.=) $1
  )
select what from (
  select 1 as n, 'schema pgcleave_import has another owner' as what from home h
  where h.nspowner operator(pg_catalog.<>) all (select t.oid from trusted t)
  union all
  select 2, 'others may create in schema pgcleave_import' from home h, pg_catalog.aclexplode(h.nspacl) x
  where x.privilege_type operator(pg_catalog.=) 'CREATE' and x.grantee operator(pg_catalog.<>) h.nspowner
  union all
  select 3, 'the journal is no plain table of its own' from journal j
  where j.relowner operator(pg_catalog.<>) all (select t.oid from trusted t)
    or j.relkind operator(pg_catalog.<>) 'r' or j.relpersistence operator(pg_catalog.<>) 'p'
    or j.reloftype operator(pg_catalog.<>) 0 or j.relispartition or j.relhassubclass or j.relhasrules or j.relhastriggers
    or j.relrowsecurity or j.relforcerowsecurity or j.relchecks operator(pg_catalog.<>) 0
    or j.relnatts operator(pg_catalog.<>) 1
    or exists (select from pg_catalog.pg_inherits i
      where i.inhrelid operator(pg_catalog.=) j.oid or i.inhparent operator(pg_catalog.=) j.oid)
    or exists (select from pg_catalog.pg_attribute a where a.attrelid operator(pg_catalog.=) j.oid
      and a.attnum operator(pg_catalog.>) 0
      and (a.attname operator(pg_catalog.<>) 'step' or a.atttypid operator(pg_catalog.<>) 'pg_catalog.text'::pg_catalog.regtype
        or a.attcollation operator(pg_catalog.>=) 16384::pg_catalog.oid or a.atthasdef or a.attacl is not null))
    or exists (select from pg_catalog.pg_index i where i.indrelid operator(pg_catalog.=) j.oid
      and (i.indexprs is not null or i.indpred is not null
        or i.indclass[0] operator(pg_catalog.>=) 16384::pg_catalog.oid))
    or exists (select from pg_catalog.pg_statistic_ext s where s.stxrelid operator(pg_catalog.=) j.oid)
  union all
  select 4, 'others may write into the journal' from journal j, pg_catalog.aclexplode(j.relacl) x
  where x.grantee operator(pg_catalog.<>) j.relowner
    and x.privilege_type operator(pg_catalog.<>) all (array['INSERT', 'SELECT'])
) found order by n limit 1
