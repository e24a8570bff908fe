-- Every object of the given schemas with the statements that try it. `plan` explains, and may run code of the object's
-- owner before any privilege is checked; `call` runs a function of the server's own and no other code. Where
-- PostgreSQL has no statement that only tries, the server's own functions are asked (`ask`), with USAGE on the schema,
-- since those functions leave it out.
with recursive
  -- Foreign tables and the views that read them: asked whether those take writes, the server calls the wrapper's code,
  -- which our sessions refuse. Writes to them are asked about and not tried.
  remote as (
    select c.oid from pg_catalog.pg_class c where c.relkind = 'f'
    union
    select v.oid
    from remote f
    join pg_catalog.pg_depend d
      on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = f.oid
      and d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    join pg_catalog.pg_rewrite r on r.oid = d.objid
    join pg_catalog.pg_class v on v.oid = r.ev_class and v.relkind = 'v'
  ),
  schemas as (
    select n.oid, n.nspname, pg_catalog.format('%I', n.nspname) as quoted
    from pg_catalog.pg_namespace n
    where n.nspname = any ($1::text[])
  ),
  relations as (
    select
      s.oid as schema_oid, s.nspname, s.quoted, c.oid, c.relname, c.relkind,
      pg_catalog.format('%s.%I', s.quoted, c.relname) as name,
      c.oid in (select f.oid from remote f) as is_remote,
      case when c.oid in (select f.oid from remote f) then 28 else pg_catalog.pg_relation_is_updatable(c.oid, true) end
        as updatable,
      (
        select pg_catalog.format('%I', a.attname)
        from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        order by a.attnum
        limit 1
      ) as first_column
    from schemas s join pg_catalog.pg_class c on c.relnamespace = s.oid
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and not exists (
        select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
      )
  ),
  sequences as (
    select
      r.*,
      -- identity columns need no privilege on their sequence
      exists (
        select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = r.oid and d.deptype = 'i'
      ) as is_internal,
      pg_catalog.quote_literal(r.name) as literal,
      -- a value that setval refuses once it has let the role in
      case
        when 0 not between q.seqmin and q.seqmax then 0
        when q.seqmin > -9223372036854775808 then q.seqmin - 1
        when q.seqmax < 9223372036854775807 then q.seqmax + 1
      end as outside
    from relations r join pg_catalog.pg_sequence q on q.seqrelid = r.oid
    where r.relkind = 'S'
  ),
  routines as (
    select
      s.oid as schema_oid, s.nspname, s.quoted, p.oid, p.proname,
      pg_catalog.oidvectortypes(p.proargtypes) as arguments,
      p.provolatile in ('i', 's') and not p.prosecdef as is_for_readers,
      -- can be named in a query that is explained and never run
      p.prokind in ('f', 'a') and p.provariadic = 0 and plain.types
        and not exists (
          select from pg_catalog.pg_aggregate g where g.aggfnoid = p.oid and g.aggkind <> 'n'
        ) as is_tried,
      plain.args, plain.nulls
    from schemas s
    join pg_catalog.pg_proc p on p.pronamespace = s.oid
    cross join lateral (
      select
        coalesce(pg_catalog.bool_and(
          t.typtype <> 'p' and t.typnamespace in (s.oid, 'pg_catalog'::pg_catalog.regnamespace)
        ), true) as types,
        coalesce(pg_catalog.string_agg(pg_catalog.format('v.a%s', a.n), ', ' order by a.n), '') as args,
        coalesce(pg_catalog.string_agg(
          pg_catalog.format('null::%s as a%s', pg_catalog.format_type(t.oid, null), a.n), ', ' order by a.n
        ), '') as nulls
      from pg_catalog.unnest(p.proargtypes::pg_catalog.oid[]) with ordinality as a (type, n)
      join pg_catalog.pg_type t on t.oid = a.type
    ) as plain
    where not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
        -- a range type's constructors are everybody's, and hold nothing
        and (d.deptype = 'e' or d.deptype = 'i' and d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass)
    )
  ),
  types as (
    select s.oid as schema_oid, s.nspname, t.oid, t.typname
    from schemas s
    join pg_catalog.pg_type t on t.typnamespace = s.oid
    left join pg_catalog.pg_class c on c.oid = t.typrelid
    where (t.typtype in ('d', 'e', 'r') or c.relkind = 'c')
      and not exists (
        select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid and d.deptype = 'e'
      )
  ),
  asked as (
    select
      'select case when pg_catalog.has_schema_privilege(%s::pg_catalog.oid, ''usage'') and %s'
        || ' then ''held'' else ''refused'' end' as text
  ),
  attempts as (
    select r.nspname, 'relation' as kind, r.oid, r.relname as name, null as arguments, r.relkind::text as detail,
      true as is_for_readers, a.action, a.means, a.statement
    from relations r cross join asked
    cross join lateral (
      values
        ('select', 'plan', pg_catalog.format('explain select from %s limit 0', r.name)),
        ('insert', case when r.is_remote then 'ask' else 'plan' end, case
          when r.updatable & 8 = 0 then null
          when r.is_remote then pg_catalog.format(asked.text, r.schema_oid,
            pg_catalog.format('pg_catalog.has_table_privilege(%s::pg_catalog.oid, ''insert'')', r.oid))
          else pg_catalog.format('explain insert into %s select where false', r.name)
        end),
        ('update', case when r.is_remote or r.relkind = 'v' then 'ask' else 'plan' end, case
          when r.updatable & 4 = 0 then null
          -- behind a view's column there may be one that takes nothing but its default, which is told before any refusal
          when r.is_remote or r.relkind = 'v' then pg_catalog.format(asked.text, r.schema_oid,
            pg_catalog.format('pg_catalog.has_table_privilege(%s::pg_catalog.oid, ''update'')', r.oid))
          else pg_catalog.format('explain update %s set %s = default', r.name, r.first_column)
        end),
        ('delete', case when r.is_remote then 'ask' else 'plan' end, case
          when r.updatable & 16 = 0 then null
          when r.is_remote then pg_catalog.format(asked.text, r.schema_oid,
            pg_catalog.format('pg_catalog.has_table_privilege(%s::pg_catalog.oid, ''delete'')', r.oid))
          else pg_catalog.format('explain delete from %s', r.name)
        end),
        ('write columns', 'ask', pg_catalog.format(asked.text, r.schema_oid,
          pg_catalog.format('pg_catalog.has_any_column_privilege(%s::pg_catalog.oid, ''insert, update'')', r.oid))),
        ('truncate, reference or trigger', 'ask', pg_catalog.format(asked.text, r.schema_oid,
          pg_catalog.format('pg_catalog.has_table_privilege(%s::pg_catalog.oid, %L)', r.oid,
            'truncate, references, trigger'
              || case when pg_catalog.current_setting('server_version_num')::int4 >= 170000
                then ', maintain' else '' end)))
    ) as a (action, means, statement)
    where r.relkind <> 'S'
    union all
    select q.nspname, 'sequence', q.oid, q.relname, null, case when q.is_internal then 'internal' else '' end, true,
      a.action, a.means, a.statement
    from sequences q
    cross join lateral (
      values
        ('select', 'plan', pg_catalog.format('explain select from %s', q.name)),
        ('usage', 'call', pg_catalog.format('select pg_catalog.nextval(%s)', q.literal)),
        ('update', 'call', case when q.outside is not null
          then pg_catalog.format('select pg_catalog.setval(%s, %s)', q.literal, q.outside) end)
    ) as a (action, means, statement)
    union all
    select p.nspname, 'routine', p.oid, p.proname, p.arguments, '', p.is_for_readers, 'execute',
      case when p.is_tried then 'plan' else 'ask' end,
      case
        when p.is_tried and p.nulls = '' then pg_catalog.format('explain select %s.%I()', p.quoted, p.proname)
        -- behind OFFSET the planner cannot see that the arguments are null and leave the call out
        when p.is_tried then
          pg_catalog.format('explain select %s.%I(%s) from (select %s offset 0) v', p.quoted, p.proname, p.args, p.nulls)
        else pg_catalog.format(asked.text, p.schema_oid,
          pg_catalog.format('pg_catalog.has_function_privilege(%s::pg_catalog.oid, ''execute'')', p.oid))
      end
    from routines p cross join asked
    union all
    select t.nspname, 'type', t.oid, t.typname, null, '', true, 'usage', 'ask',
      pg_catalog.format(asked.text, t.schema_oid,
        pg_catalog.format('pg_catalog.has_type_privilege(%s::pg_catalog.oid, ''usage'')', t.oid))
    from types t cross join asked
  )
select nspname::text as schema, kind, oid::int8 as oid, name::text as name, arguments, detail, is_for_readers, action,
  means, statement
from attempts
where statement is not null
order by schema, kind, name, arguments, action
