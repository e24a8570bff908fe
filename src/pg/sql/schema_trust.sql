-- What there is in a schema that only pgcleave may have made, and what in it is not ours. Reads pg_catalog alone.
-- $1 the schema, $2 the texts of defaults that are ours, $3 those of check constraints, $4 and $5 functions: name, body.
-- Every operator is written with its schema: this runs before anything is trusted.
with trusted as materialized (
    select r.oid
    from pg_catalog.pg_roles r
    where r.rolsuper
        or r.rolname operator(pg_catalog.=) session_user
        or r.rolname::pg_catalog.text operator(pg_catalog.=) pg_catalog.current_setting('pgcleave.administrator', true)
        -- an administrator's role that a superuser has granted to this login
        or r.rolcreaterole
        and exists (
            select
            from pg_catalog.pg_auth_members m
            join pg_catalog.pg_roles u on u.oid operator(pg_catalog.=) m.member
            join pg_catalog.pg_roles g on g.oid operator(pg_catalog.=) m.grantor
            where m.roleid operator(pg_catalog.=) r.oid
                and u.rolname operator(pg_catalog.=) session_user
                and g.rolsuper
        )
),
-- what an extension of somebody trusted has brought along, such as postgres_fdw for bridges
extended as materialized (
    select d.objid as oid
    from pg_catalog.pg_depend d
    join pg_catalog.pg_extension e on e.oid operator(pg_catalog.=) d.refobjid
    join trusted t on t.oid operator(pg_catalog.=) e.extowner
    where d.classid operator(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
        and d.refclassid operator(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
        and d.deptype operator(pg_catalog.=) 'e'
),
home as materialized (
    select n.oid, n.nspowner, n.nspacl, pg_catalog.has_schema_privilege(n.oid, 'USAGE') as usable
    from pg_catalog.pg_namespace n
    where n.nspname operator(pg_catalog.=) $1
),
routine as materialized (
    select p.*, pg_catalog.format('function %I', p.proname) as label
    from pg_catalog.pg_proc p
    join home h on h.oid operator(pg_catalog.=) p.pronamespace
    where not exists (select from extended x where x.oid operator(pg_catalog.=) p.oid)
),
rel as materialized (
    select c.*, pg_catalog.format('%s %I', case c.relkind::pg_catalog.text when 'i' then 'index' when 'S' then 'sequence' else 'relation' end, c.relname) as label
    from pg_catalog.pg_class c
    join home h on h.oid operator(pg_catalog.=) c.relnamespace
),
granted as (
    select 'the schema'::pg_catalog.text as label, h.nspowner as owner, a.grantee, a.privilege_type
    from home h, pg_catalog.aclexplode(h.nspacl) a
    union all
    select r.label, r.relowner, a.grantee, a.privilege_type from rel r, pg_catalog.aclexplode(r.relacl) a
    union all
    select r.label, r.relowner, a.grantee, a.privilege_type
    from rel r join pg_catalog.pg_attribute t on t.attrelid operator(pg_catalog.=) r.oid, pg_catalog.aclexplode(t.attacl) a
    union all
    select p.label, p.proowner, a.grantee, a.privilege_type
    from routine p, pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
),
owned as (
    select 'the schema'::pg_catalog.text as label, nspowner as owner from home
    union all
    select label, relowner from rel
    union all
    select label, proowner from routine
),
wrong (label, why) as (
    select o.label, pg_catalog.concat('belongs to ', r.rolname)
    from owned o join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) o.owner
    where not exists (select from trusted t where t.oid operator(pg_catalog.=) o.owner)
    union all
    select g.label, pg_catalog.concat('grants ', pg_catalog.string_agg(distinct g.privilege_type, ', '), ' to ', coalesce(r.rolname::pg_catalog.text, 'PUBLIC'))
    from granted g left join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) g.grantee
    where g.grantee operator(pg_catalog.<>) g.owner
        and not exists (select from trusted t where t.oid operator(pg_catalog.=) g.grantee)
        -- The role as which a split's subscription applies writes the row that shows how far replication has come.
        and not coalesce(r.rolname operator(pg_catalog.~) '^pgcleave_[0-9a-f]{8}_apply_(source|target)$' and (
            g.label operator(pg_catalog.=) 'the schema' and g.privilege_type operator(pg_catalog.=) 'USAGE'
            or g.label operator(pg_catalog.=) 'relation split_fence'
                and g.privilege_type operator(pg_catalog.=) any (array['SELECT', 'INSERT', 'UPDATE', 'DELETE']::pg_catalog.text[])
        ), false)
    group by g.label, r.rolname
    union all
    select r.label, 'is no plain table, index or sequence'
    from rel r
    where r.relkind operator(pg_catalog.<>) all (array['r', 'i', 'S']::pg_catalog."char"[])
        or r.relpersistence operator(pg_catalog.<>) 'p'
        or r.reloftype operator(pg_catalog.<>) 0::pg_catalog.oid
        -- relhasrules and relhassubclass stay true after the last rule or child has gone: see pg_rewrite, pg_inherits
        or r.relispartition or r.relrowsecurity or r.relforcerowsecurity
        -- heap and btree
        or r.relkind operator(pg_catalog.=) 'r' and r.relam operator(pg_catalog.<>) 2::pg_catalog.oid
        or r.relkind operator(pg_catalog.=) 'i' and r.relam operator(pg_catalog.<>) 403::pg_catalog.oid
    union all
    select r.label, pg_catalog.format('has a column %I of a type or collation that is not PostgreSQL''s own', a.attname)
    from rel r join pg_catalog.pg_attribute a on a.attrelid operator(pg_catalog.=) r.oid
    where not a.attisdropped
        and (a.atttypid operator(pg_catalog.>=) 16384::pg_catalog.oid
            or a.attcollation operator(pg_catalog.>=) 16384::pg_catalog.oid)
    union all
    select r.label, 'inherits, or is inherited'
    from rel r join pg_catalog.pg_inherits i on r.oid operator(pg_catalog.=) i.inhrelid or r.oid operator(pg_catalog.=) i.inhparent
    union all
    select r.label, pg_catalog.concat('has the default ', pg_catalog.pg_get_expr(d.adbin, d.adrelid))
    from rel r join pg_catalog.pg_attrdef d on d.adrelid operator(pg_catalog.=) r.oid
    where pg_catalog.pg_get_expr(d.adbin, d.adrelid) operator(pg_catalog.<>) all ($2::pg_catalog.text[])
    union all
    select r.label, pg_catalog.format('has the constraint %I', c.conname)
    from rel r join pg_catalog.pg_constraint c on r.oid operator(pg_catalog.=) c.conrelid
    where c.contype operator(pg_catalog.<>) all (array['p', 'u', 'n', 'f']::pg_catalog."char"[])
        and (c.contype operator(pg_catalog.<>) 'c'
            or pg_catalog.pg_get_constraintdef(c.oid) operator(pg_catalog.<>) all ($3::pg_catalog.text[]))
    union all
    select r.label, pg_catalog.format('is tied by the foreign key %I to another schema', c.conname)
    from rel r join pg_catalog.pg_constraint c on r.oid operator(pg_catalog.=) c.conrelid or r.oid operator(pg_catalog.=) c.confrelid
    where c.contype operator(pg_catalog.=) 'f'
        and (not exists (select from rel o where o.oid operator(pg_catalog.=) c.conrelid)
            or not exists (select from rel o where o.oid operator(pg_catalog.=) c.confrelid))
    union all
    select r.label, 'has an expression, a predicate or an operator class that is not PostgreSQL''s own'
    from rel r
    join pg_catalog.pg_index i on r.oid operator(pg_catalog.=) i.indexrelid or r.oid operator(pg_catalog.=) i.indrelid
    where i.indexprs is not null or i.indpred is not null
        or 16384::pg_catalog.oid operator(pg_catalog.<=) any (i.indclass::pg_catalog.oid[])
        or 16384::pg_catalog.oid operator(pg_catalog.<=) any (i.indcollation::pg_catalog.oid[])
    union all
    select r.label, pg_catalog.format('has the trigger %I', t.tgname)
    from rel r join pg_catalog.pg_trigger t on t.tgrelid operator(pg_catalog.=) r.oid
    where not t.tgisinternal or t.tgfoid operator(pg_catalog.>=) 16384::pg_catalog.oid
    union all
    select r.label, pg_catalog.format('has the rule %I', w.rulename)
    from rel r join pg_catalog.pg_rewrite w on w.ev_class operator(pg_catalog.=) r.oid
    union all
    select r.label, pg_catalog.format('has the policy %I', p.polname)
    from rel r join pg_catalog.pg_policy p on p.polrelid operator(pg_catalog.=) r.oid
    union all
    select r.label, pg_catalog.format('has the statistics %I', s.stxname)
    from rel r join pg_catalog.pg_statistic_ext s on s.stxrelid operator(pg_catalog.=) r.oid
    union all
    select p.label, 'is not as pgcleave makes it'
    from routine p
    join pg_catalog.pg_language l on l.oid operator(pg_catalog.=) p.prolang
    where not exists (
        select
        from rows from (pg_catalog.unnest($4::pg_catalog.text[]), pg_catalog.unnest($5::pg_catalog.text[])) as ours (name, body)
        where ours.name operator(pg_catalog.=) p.proname::pg_catalog.text
            and ours.body operator(pg_catalog.=) p.prosrc
            and l.lanname operator(pg_catalog.=) 'plpgsql'
            and p.prokind operator(pg_catalog.=) 'f'
            and p.pronargs operator(pg_catalog.=) 0::pg_catalog.int2
            and not p.prosecdef
            and p.proconfig operator(pg_catalog.=) array['search_path=""']::pg_catalog.text[]
    )
    union all
    select pg_catalog.format('type %I', t.typname), 'is not a table''s row type'
    from pg_catalog.pg_type t join home h on h.oid operator(pg_catalog.=) t.typnamespace
    where t.typrelid operator(pg_catalog.=) 0::pg_catalog.oid
        and not exists (
            select from pg_catalog.pg_type e join rel r on r.oid operator(pg_catalog.=) e.typrelid
            where e.oid operator(pg_catalog.=) t.typelem
        )
    union all
    select pg_catalog.format('operator %s', o.oprname), 'is not pgcleave''s'
    from pg_catalog.pg_operator o join home h on h.oid operator(pg_catalog.=) o.oprnamespace
)
select
    'schema'::pg_catalog.text as what,
    r.rolname::pg_catalog.text as name,
    case when h.usable then 'usable' else '' end as why
from home h join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) h.nspowner
union all
select 'table', r.relname::pg_catalog.text, case when pg_catalog.has_table_privilege(r.oid, 'SELECT') then 'readable' else '' end
from rel r
where r.relkind operator(pg_catalog.=) 'r'
union all
select 'wrong', w.label, w.why
from (select label, why from wrong group by label, why) w
order by 1, 2, 3
