-- what looks like a secret in catalogs that everybody may read; the text itself is not fetched
with pattern (name, prose, text) as (
  values
    ('a password in a connection string', false, '[a-z][a-z0-9+.-]*://[^\s:/@''"]+:[^\s/@''"%]{3,}@'),
    ('a password', false, '\m(password|passwd|pwd|passphrase)\s*(=|:=|=>|:)\s*[''"][^''"|]{3,}[''"]'),
    ('a password', false, '\mpassword\s+''[^'']{3,}'''),
    ('a password in a connection string', false, '\m(password|passwd)=[^\s''"|%$]{3,}'),
    ('a password', false, '\mpassword\s*:\s*(?=[^\s''"]*[0-9])[^\s''"%$]{6,}'),
    ('a secret or token', false, '\m\w*(secret|token|api_?key|access_?key|private_?key)\s*(=|:=|=>|:)\s*[''"]?[^\s''"();,]{8,}[''"]?\s*($|[;,''"\s)])'),
    ('a secret, by the name it is given', false, '''[^'']{4,}''(::[\w ]+)?\s+as\s+[""]?\w*(passw(or)?d|passphrase|secret|token|(api|access|private|signing|encryption)_?key)\M'),
    ('a secret, by the name it is given', false, '\m\w*(passw(or)?d|passphrase|secret|token|(api|access|private|signing|encryption)_?key)\s+(constant\s+)?(text|varchar|bytea|character varying)(\([0-9]+\))?\s*(not null\s*)?(:=|=|default)\s*e?''[^'']{4,}'''),
    ('a key in a call', false, '\m(pgp_sym_(en|de)crypt(_bytea)?|hmac|(en|de)crypt(_iv)?)\s*\([^;'']*,\s*(?!''(md5|sha[0-9]+|aes[^'']*|bf[^'']*|3des|cast5|[\w-]+-[\w-]+=[^'']*)'')e?''[^'']{4,}'''),
    ('a private key', false, '-----BEGIN [A-Z ]*PRIVATE KEY-----'),
    ('an access key', false, '\m(AKIA|ASIA)[0-9A-Z]{16}\M'),
    ('an access token', false, '\m(ghp|gho|ghs|github_pat|glpat|sk_live|sk_test|rk_live|xox[abprs])[_-][0-9A-Za-z_-]{10,}'),
    ('an access token', false, '\m(bearer|basic)\s+(?=[^\s''""]*[0-9])[0-9A-Za-z+/_=.~-]{16,}'),
    ('a signed token', false, '\meyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.'),
    ('a password', true, '\m(password|passwort|passwd|pwd)\s*[:=]\s*(?!(required|optional|hashed|encrypted|bcrypt|scrypt|argon|stored|rotated|unknown|changed|removed|redacted)\M)[^\s''"%$]{6,}'),
    ('a password or key', true, '(?<!(foreign|primary|unique|partition|natural|surrogate|sort|business|composite|shard|cache|lookup|public|search)\s)\m(key|password|passphrase|passwort|kennwort|passwd|pass|pwd|pw|secret|token|credential)s?\M(\s+(is|ist)\s+|\s*[:=]+>?\s*|\s+)[''"]?(?=[^\s''"();,]*[0-9])(?=[^\s''"();,]*[a-z])[^\s''"();,]{6,}')
), setting (place, label, schema, role, name, value) as (
  select 'setting', pg_catalog.format('setting %s of %s', pg_catalog.split_part(l.line, '=', 1),
      coalesce('role ' || pg_catalog.quote_ident(r.rolname), 'database ' || pg_catalog.quote_ident(d.datname), 'all roles')),
    null::pg_catalog.oid, nullif(s.setrole, 0), pg_catalog.split_part(l.line, '=', 1),
    pg_catalog.substr(l.line, pg_catalog.strpos(l.line, '=') + 1)
  from pg_catalog.pg_db_role_setting s
  left join pg_catalog.pg_roles r on r.oid = s.setrole
  left join pg_catalog.pg_database d on d.oid = s.setdatabase
  cross join lateral pg_catalog.unnest(s.setconfig) l (line)
  union all
  select 'setting', pg_catalog.format('setting %s of the server', s.name), null, null, s.name, s.setting
  from pg_catalog.pg_settings s
  where s.source = 'configuration file' and s.name like '%.%'
  union all
  select 'setting of a routine', pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
    n.oid, null, pg_catalog.split_part(c.line, '=', 1), pg_catalog.substr(c.line, pg_catalog.strpos(c.line, '=') + 1)
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  cross join lateral pg_catalog.unnest(p.proconfig) c (line)
  where p.oid >= 16384
), option (label, schema, role, options) as (
  select pg_catalog.format('foreign server %I', s.srvname), null::pg_catalog.oid, s.srvowner, s.srvoptions
  from pg_catalog.pg_foreign_server s
  union all
  select pg_catalog.format('foreign-data wrapper %I', w.fdwname), null, w.fdwowner, w.fdwoptions
  from pg_catalog.pg_foreign_data_wrapper w
  union all
  select pg_catalog.format('%I.%I', n.nspname, c.relname), n.oid, c.relowner, t.ftoptions
  from pg_catalog.pg_foreign_table t
  join pg_catalog.pg_class c on c.oid = t.ftrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  union all
  select pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname), n.oid, c.relowner, a.attfdwoptions
  from pg_catalog.pg_foreign_table t
  join pg_catalog.pg_class c on c.oid = t.ftrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid
  where a.attfdwoptions is not null
), routine (label, schema, name, body, defaults) as (
  select pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)), n.oid, p.proname::text,
    case when p.prosqlbody is null then p.prosrc else pg_catalog.pg_get_function_sqlbody(p.oid) end,
    case when p.pronargdefaults > 0 then pg_catalog.pg_get_function_arguments(p.oid) end
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_language l on l.oid = p.prolang
  where l.lanname not in ('c', 'internal') and p.oid >= 16384
), relation (oid, kind, label, schema, role) as (
  select c.oid, c.relkind, pg_catalog.format('%I.%I', n.nspname, c.relname), n.oid, c.relowner
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid >= 16384
), text (place, label, schema, role, secret_name, text) as (
  select s.place, s.label, s.schema, s.role,
    s.name like '%.%'
      and s.value !~* '^([0-9]{1,6}|true|false|on|off|yes|no|none|[0-9]+ ?(us|ms|s|min|h|d|days?|hours?|minutes?|seconds?))?$'
      and case
        when s.name ~* '(secret|passw(or)?d|passphrase|token|credential|api_?key|access_?key|private_?key)s?(_?v?[0-9]+)?$'
          then pg_catalog.length(s.value) > 3
        when s.name ~* '(^|[._])key$' and s.name !~* '(public|primary|foreign|partition|cache|sort|routing)_?key$'
          then s.value ~ '[0-9]' and s.value ~* '[a-z]' and pg_catalog.length(s.value) > 5
        else s.name ~* '(secret|passw(or)?d|credential)' and s.value ~ '[0-9]' and pg_catalog.length(s.value) > 5
      end,
    s.name || '=' || s.value
  from setting s
  union all
  select 'body', r.label, r.schema, null,
    r.name ~* '(secret|passw(or)?d|passphrase|token|credentials?|(^|_)key)(_?v?[0-9]+)?$'
      and r.body ~* '(\mselect|\mreturn|:=|\mdefault)\s*\(*\s*e?''[^'']{4,}''',
    r.body
  from routine r
  union all
  select 'default', r.label, r.schema, null, false, r.defaults from routine r where r.defaults is not null
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
  select 'label', 'security label on ' || l.objtype || ' ' || l.objname, null, null, false, l.label from pg_catalog.pg_seclabels l
  union all
  select 'option', o.label, o.schema, o.role,
    l.line ~* '^[^=]*(secret|password|passwd|pwd|passphrase|token|api_?key|access_?key|private_?key|credential)[^=]*=.+', l.line
  from option o cross join lateral pg_catalog.unnest(o.options) l (line)
  union all
  select 'definition', r.label, r.schema, r.role, false, pg_catalog.pg_get_viewdef(r.oid)
  from relation r where r.kind in ('v', 'm')
  union all
  select 'rule', pg_catalog.format('%I on %s', w.rulename, r.label), r.schema, r.role, false, pg_catalog.pg_get_ruledef(w.oid)
  from pg_catalog.pg_rewrite w join relation r on r.oid = w.ev_class where w.ev_type <> '1'
  union all
  select 'default', r.label, r.schema, r.role,
    a.attname ~* '(secret|passw(or)?d|passphrase|token|api_?key|access_?key|private_?key)s?$'
      and pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~ '^''[^'']{4,}''',
    pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  from pg_catalog.pg_attrdef d
  join relation r on r.oid = d.adrelid
  join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
  union all
  select 'default', pg_catalog.format('%I.%I', n.nspname, t.typname), n.oid, t.typowner, false, t.typdefault
  from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  where t.typdefault is not null and t.oid >= 16384
  union all
  select 'policy', pg_catalog.format('%I on %s', p.polname, r.label), r.schema, r.role, false,
    pg_catalog.concat_ws(' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
  from pg_catalog.pg_policy p join relation r on r.oid = p.polrelid
  union all
  select 'check', pg_catalog.format('%I on %s', k.conname, coalesce(r.label, k.contypid::pg_catalog.regtype::text)), k.connamespace,
    r.role, false, pg_catalog.pg_get_constraintdef(k.oid)
  from pg_catalog.pg_constraint k left join relation r on r.oid = k.conrelid
  where k.contype = 'c' and k.oid >= 16384
  union all
  select 'trigger', pg_catalog.format('%I on %s', t.tgname, r.label), r.schema, r.role, false,
    pg_catalog.concat_ws(' ', pg_catalog.replace(pg_catalog.encode(t.tgargs, 'escape'), '\000', ' '),
      case when t.tgqual is not null then pg_catalog.pg_get_triggerdef(t.oid) end)
  from pg_catalog.pg_trigger t join relation r on r.oid = t.tgrelid
  where (t.tgnargs > 0 or t.tgqual is not null) and not t.tgisinternal
)
select t.place, t.label, t.schema::int8 as schema, t.role::int8 as role,
  coalesce(pg_catalog.min(p.name), 'a secret, by its name') as pattern
from text t
left join pattern p on (not p.prose or t.place in ('comment', 'label')) and t.text ~* p.text
-- what is dropped meanwhile has no label any more
where t.label is not null and (p.name is not null or t.secret_name)
group by t.place, t.label, t.schema, t.role
order by t.place, t.label
