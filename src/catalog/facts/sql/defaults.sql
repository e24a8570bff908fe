-- funcid 1079 is text_regclass: a text that becomes an object only at run time
select
  d.oid::int8 as oid,
  d.adrelid::int8 as relation,
  a.attname::text as column,
  a.attgenerated <> '' as generated,
  case
    when d.adbin::text like '%:funcid 1079 %' or d.adbin::text like '%{COERCEVIAIO%' or n.calls
    then pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  end as expression
from pg_catalog.pg_attrdef d
join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
left join (
  select e.objid, pg_catalog.bool_or(e.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass) as calls
  from pg_catalog.pg_depend e
  where e.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and e.deptype = 'n'
  group by e.objid
) n on n.objid = d.oid
where n.objid is not null or d.adbin::text like '%:funcid 1079 %' or d.adbin::text like '%{COERCEVIAIO%'
order by d.oid
