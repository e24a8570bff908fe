-- The relations that contracts name and the types of their schemas that these use, as one JSON document.
with
  asked as (select * from rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as a (schema, name)),
  relation as (
    select c.oid, c.relname, c.relkind, c.relowner, n.nspname from asked a
    join pg_catalog.pg_namespace n on n.nspname = a.schema
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = a.name and c.relkind in ('r', 'p', 'v', 'm', 'f')),
  col as (
    select r.oid, a.attnum, a.attname, a.atttypid, a.atttypmod,
      case when y.typcategory = 'A' and y.typelem <> 0 then y.typelem else y.oid end as element
    from relation r join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    join pg_catalog.pg_type y on y.oid = a.atttypid),
  own as (
    select distinct y.oid, y.typname, y.typtype, n.nspname, y.typbasetype, y.typtypmod
    from col join pg_catalog.pg_type y on y.oid = col.element join pg_catalog.pg_namespace n on n.oid = y.typnamespace
    where n.nspname = any ($1) and not exists (select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = y.oid and d.deptype = 'e'))
select pg_catalog.jsonb_build_object(
  'relations', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'schema', r.nspname, 'name', r.relname, 'kind', r.relkind, 'owner', pg_catalog.pg_get_userbyid(r.relowner),
      'columns', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', c.attname,
          'type', pg_catalog.format_type(c.atttypid, c.atttypmod)) order by c.attnum), '[]') from col c where c.oid = r.oid)
    ) order by r.nspname, r.relname), '[]') from relation r),
  'types', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'schema', o.nspname, 'name', o.typname, 'kind', o.typtype,
      'labels', (select coalesce(pg_catalog.jsonb_agg(e.enumlabel order by e.enumsortorder), '[]') from pg_catalog.pg_enum e where e.enumtypid = o.oid),
      'base', case when o.typtype = 'd' then pg_catalog.format_type(o.typbasetype, o.typtypmod) end
    ) order by o.nspname, o.typname), '[]') from own o),
  'owners', (select coalesce(pg_catalog.jsonb_object_agg(n.nspname, pg_catalog.pg_get_userbyid(n.nspowner)), '{}')
    from pg_catalog.pg_namespace n where n.nspname = any ($1))
)::pg_catalog.text
