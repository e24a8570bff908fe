-- Asks the server's own functions about each claim, from here: nobody is become, and nobody's code runs. A privilege on
-- an object needs USAGE on its schema, which these functions leave out.
with claims as (
  select *
  from rows from (
    pg_catalog.unnest($1::pg_catalog.int8[]),
    pg_catalog.unnest($2::pg_catalog.int8[]),
    pg_catalog.unnest($3::pg_catalog.text[]),
    pg_catalog.unnest($4::pg_catalog.int8[]),
    pg_catalog.unnest($5::pg_catalog.int4[]),
    pg_catalog.unnest($6::pg_catalog.int8[]),
    pg_catalog.unnest($7::pg_catalog.text[])
  ) with ordinality as c (principal, role, kind, object, number, schema, privilege, n)
),
named as (
  select
    c.n,
    c.kind,
    c.number::pg_catalog.int2 as number,
    c.privilege,
    c.principal::pg_catalog.oid as principal,
    c.role::pg_catalog.oid as role,
    case when c.role operator(pg_catalog.=) 0 then c.principal else c.role end::pg_catalog.oid as identity,
    c.object::pg_catalog.oid as object,
    c.schema::pg_catalog.oid as schema
  from claims c
)
select
  case
    when c.role operator(pg_catalog.<>) 0::pg_catalog.oid and not pg_catalog.pg_has_role(
      c.principal, c.role,
      case when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 operator(pg_catalog.>=) 160000
        then 'SET' else 'MEMBER' end
    ) then 'set'
    when c.schema operator(pg_catalog.<>) 0::pg_catalog.oid
      and not pg_catalog.has_schema_privilege(c.identity, c.schema, 'USAGE') then 'refused'
    when case c.kind
      when 'role' then pg_catalog.pg_has_role(c.identity, c.object, 'USAGE')
      when 'table' then pg_catalog.has_table_privilege(c.identity, c.object, c.privilege)
      when 'columns' then pg_catalog.has_table_privilege(c.identity, c.object, c.privilege)
        or pg_catalog.has_any_column_privilege(c.identity, c.object, c.privilege)
      when 'column' then pg_catalog.has_column_privilege(c.identity, c.object, c.number, c.privilege)
      when 'sequence' then pg_catalog.has_sequence_privilege(c.identity, c.object, c.privilege)
      when 'routine' then pg_catalog.has_function_privilege(c.identity, c.object, c.privilege)
      when 'type' then pg_catalog.has_type_privilege(c.identity, c.object, c.privilege)
      when 'schema' then pg_catalog.has_schema_privilege(c.identity, c.object, c.privilege)
    end then 'held'
    else 'refused'
  end as answer,
  c.kind operator(pg_catalog.<>) 'columns'
    or coalesce(pg_catalog.has_table_privilege(c.identity, c.object, c.privilege), false) as whole
from named c
order by c.n
