-- what looks like a secret in catalogs that everybody may read; the text itself is not fetched
with pattern (name, text) as (
  values
    ('a password in a connection string', '[a-z][a-z0-9+.-]*://[^\s:/@''"]+:[^\s/@''"%]{3,}@'),
    ('a password', '\m(password|passwd|pwd|passphrase)\s*(=|:=|=>|:)\s*[''"][^''"]{3,}[''"]'),
    ('a password', '\mpassword\s+''[^'']{3,}'''),
    ('a password in a connection string', '\m(password|passwd)=[^\s''"|%$]{3,}'),
    ('a password', '\mpassword\s*:\s*[^\s''"%$]{6,}'),
    ('a secret or token', '\m\w*(secret|token|api_?key|access_?key|private_?key)\s*(=|:=|=>|:)\s*[''"]?[^\s''"();,]{8,}[''"]?\s*($|[;,''"\s)])'),
    ('a password or key', '\m(key|password|passphrase|secret|token)\M[ :=]+[a-z]*[0-9][^\s''"]*'),
    ('a private key', '-----BEGIN [A-Z ]*PRIVATE KEY-----'),
    ('an access key', '\m(AKIA|ASIA)[0-9A-Z]{16}\M'),
    ('an access token', '\m(ghp|gho|ghs|github_pat|glpat|sk_live|rk_live|xox[abprs])[_-][0-9A-Za-z_-]{10,}'),
    ('a signed token', '\meyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.')
), text (place, label, schema, role, secret_name, text) as (
  select 'setting', pg_catalog.format('setting %s of %s', pg_catalog.split_part(l.line, '=', 1),
      coalesce('role ' || pg_catalog.quote_ident(r.rolname), 'database ' || pg_catalog.quote_ident(d.datname), 'all roles')),
    null::pg_catalog.oid, nullif(s.setrole, 0),
    pg_catalog.split_part(l.line, '=', 1) ~* '(secret|password|passwd|token|api_?key|private_?key|credential)'
      and pg_catalog.split_part(l.line, '=', 1) like '%.%'
      and pg_catalog.length(pg_catalog.split_part(l.line, '=', 2)) > 3,
    l.line
  from pg_catalog.pg_db_role_setting s
  left join pg_catalog.pg_roles r on r.oid = s.setrole
  left join pg_catalog.pg_database d on d.oid = s.setdatabase
  cross join lateral pg_catalog.unnest(s.setconfig) l (line)
  union all
  select 'body', pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
    n.oid, null,
    p.proname ~* '(secret|passw|token|credential|(^|_)key($|_))' and p.prosrc ~ '''[^'']{4,}''' , p.prosrc
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_language l on l.oid = p.prolang
  where l.lanname not in ('c', 'internal') and p.oid >= 16384
  union all
  select 'setting of a routine', pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
    n.oid, null,
    c.line ~* '^[^=]*(secret|password|passwd|token|api_?key|private_?key|credential)[^=]*=.{4}' and c.line ~ '^[^=]*\.', c.line
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  cross join lateral pg_catalog.unnest(p.proconfig) c (line)
  where p.oid >= 16384
  union all
  select 'comment',
    case when c.objsubid > 0 then 'column' else pg_catalog.regexp_replace(i.type, '^(table|domain) ', '') end || ' ' || i.identity,
    null, null, false, c.description
  from pg_catalog.pg_description c
  cross join lateral pg_catalog.pg_identify_object(c.classoid, c.objoid, c.objsubid) i
  where c.objoid >= 16384
  union all
  select 'comment', i.type || ' ' || i.identity, null, null, false, c.description
  from pg_catalog.pg_shdescription c
  cross join lateral pg_catalog.pg_identify_object(c.classoid, c.objoid, 0) i
  where c.objoid >= 16384
  union all
  select 'option', pg_catalog.format('foreign server %I', s.srvname), null, s.srvowner,
    o.line ~* '^[^=]*(secret|password|passwd|pwd|token|api_?key|access_?key|private_?key|credential)[^=]*=.+', o.line
  from pg_catalog.pg_foreign_server s cross join lateral pg_catalog.unnest(s.srvoptions) o (line)
  union all
  select 'option', pg_catalog.format('foreign-data wrapper %I', w.fdwname), null, w.fdwowner,
    o.line ~* '^[^=]*(secret|password|passwd|pwd|token|api_?key|access_?key|private_?key|credential)[^=]*=.+', o.line
  from pg_catalog.pg_foreign_data_wrapper w cross join lateral pg_catalog.unnest(w.fdwoptions) o (line)
  union all
  select 'option', pg_catalog.format('%I.%I', n.nspname, c.relname), n.oid, c.relowner,
    o.line ~* '^[^=]*(secret|password|passwd|pwd|token|api_?key|access_?key|private_?key|credential)[^=]*=.+', o.line
  from pg_catalog.pg_foreign_table t
  join pg_catalog.pg_class c on c.oid = t.ftrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  cross join lateral pg_catalog.unnest(t.ftoptions) o (line)
  union all
  select 'definition', pg_catalog.format('%I.%I', n.nspname, c.relname), n.oid, c.relowner, false, pg_catalog.pg_get_viewdef(c.oid)
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('v', 'm') and c.oid >= 16384
  union all
  select 'default', pg_catalog.format('%I.%I', n.nspname, c.relname), n.oid, c.relowner, false, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  from pg_catalog.pg_attrdef d
  join pg_catalog.pg_class c on c.oid = d.adrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid >= 16384
  union all
  select 'trigger', pg_catalog.format('%I on %I.%I', t.tgname, n.nspname, c.relname), n.oid, c.relowner, false,
    pg_catalog.encode(t.tgargs, 'escape')
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_class c on c.oid = t.tgrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where t.tgnargs > 0 and not t.tgisinternal
)
select t.place, t.label, t.schema::int8 as schema, t.role::int8 as role,
  coalesce(pg_catalog.min(p.name), 'a secret, by its name') as pattern
from text t
left join pattern p on t.text ~* p.text
-- what is dropped meanwhile has no label any more
where t.label is not null and (p.name is not null or t.secret_name)
group by t.place, t.label, t.schema, t.role
order by t.place, t.label
