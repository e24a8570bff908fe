//! In which schemas an extension may be created: only where nobody but the administrator and superusers may create.
//!
//! The script of an extension runs as the administrator, of a trusted one as the bootstrap superuser. The schema that it goes
//! into is first in its search path, and those of the extensions that it requires follow. Whoever may create objects in one
//! of them has these run with those rights.

use crate::ident::Ident;
use crate::sql;
use crate::sql::{Literal, Sql};

/// How a guard's text begins.
const BEGIN: &str = "declare f record; begin for f in ";

/// How it ends; `PGC71` is the error code `extension-schema`.
const END: &str = " loop raise exception using errcode = 'PGC71', message = f.why; end loop; end";

/// Returns the statements that create an extension which is not there: a guard, then CREATE EXTENSION.
///
/// Without a schema the extension's control file names one, or it goes into the first of the search path.
#[must_use]
pub fn create(name: &Ident, schema: Option<&Ident>) -> [Sql; 2] {
    let mut create = sql!("create extension if not exists ", name);
    if let Some(schema) = schema {
        create.push(&sql!(" with schema ", schema));
    }
    [guard(&refusal(name, schema)), create]
}

/// Returns a statement that fails where a [`refusal`] has a row.
///
/// Its message names the schema, a role that may create there, and what to do.
#[must_use]
pub fn guard(refusal: &Sql) -> Sql {
    let mut body = Sql::new();
    body.push_static(BEGIN);
    body.push(refusal);
    body.push_static(END);
    sql!("do ", Literal(body.as_str()))
}

/// Tells whether the text of a DO block is a guard's, of whatever version.
#[must_use]
pub fn is_guard(body: &str) -> bool {
    body.starts_with(BEGIN) && body.ends_with(END)
}

/// Returns a query: one row with the column `why` where an extension is not there and must not be created, else none.
///
/// A role counts whatever its way: as the schema's owner, by a grant to it or to PUBLIC, or as a member of such a role,
/// inherited or to be set. One that may become a superuser or the administrator is not asked for more.
#[must_use]
pub fn refusal(name: &Ident, schema: Option<&Ident>) -> Sql {
    let wanted = sql!(Literal(name.as_str()), "::pg_catalog.name");
    let home = match schema {
        Some(schema) => sql!(Literal(schema.as_str()), "::pg_catalog.name"),
        None => sql!("null::pg_catalog.name"),
    };
    sql!(
        "with recursive needed (name) as (select ",
        wanted,
        " union select r.name from needed n join pg_catalog.pg_available_extensions a on a.name operator(pg_catalog.=) n.name \
         join pg_catalog.pg_available_extension_versions v on v.name operator(pg_catalog.=) a.name \
         and v.version operator(pg_catalog.=) a.default_version cross join pg_catalog.unnest(v.requires) r (name)), \
         home as (select n.oid, n.nspname, n.nspowner, n.nspacl, ''::pg_catalog.text as needs from pg_catalog.pg_namespace n \
         where n.nspname operator(pg_catalog.=) ",
        home,
        " or exists (select from pg_catalog.pg_available_extension_versions v where v.name operator(pg_catalog.=) ",
        wanted,
        " and v.schema operator(pg_catalog.=) n.nspname) \
         union all select n.oid, n.nspname, n.nspowner, n.nspacl, e.extname::pg_catalog.text from pg_catalog.pg_namespace n \
         join pg_catalog.pg_extension e on e.extnamespace operator(pg_catalog.=) n.oid \
         join needed d on d.name operator(pg_catalog.=) e.extname), \
         trusted as (select r.oid from pg_catalog.pg_roles r where r.rolsuper or r.rolname operator(pg_catalog.=) session_user \
         or r.rolname operator(pg_catalog.=) current_user \
         or r.rolname::pg_catalog.text operator(pg_catalog.=) pg_catalog.current_setting('pgcleave.administrator', true)), \
         given as (select h.*, h.nspowner as grantee from home h union select h.*, x.grantee from home h, \
         pg_catalog.aclexplode(h.nspacl) x where x.privilege_type operator(pg_catalog.=) 'CREATE'), \
         creator as (select g.*, case when g.grantee operator(pg_catalog.=) 0::pg_catalog.oid then 'PUBLIC' \
         else r.rolname::pg_catalog.text end as role, r.oid operator(pg_catalog.=) g.grantee as direct, \
         g.grantee operator(pg_catalog.=) g.nspowner as owns, o.rolname as grantee_name from given g \
         left join pg_catalog.pg_roles o on o.oid operator(pg_catalog.=) g.grantee \
         left join pg_catalog.pg_roles r on g.grantee operator(pg_catalog.<>) 0::pg_catalog.oid \
         and pg_catalog.pg_has_role(r.oid, g.grantee, 'MEMBER') and not exists (select from trusted t \
         where r.rolname operator(pg_catalog.=) 'pg_database_owner' or t.oid operator(pg_catalog.=) r.oid or pg_catalog.pg_has_role(r.oid, t.oid, \
         case when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 operator(pg_catalog.<) 160000 \
         then 'MEMBER' else 'SET' end)) \
         where g.grantee operator(pg_catalog.=) 0::pg_catalog.oid or r.oid is not null) \
         select pg_catalog.format('extension %I cannot be created in schema %I: %s may create objects %s, and its script \
         would run them as the administrator; %s', ",
        wanted,
        ", coalesce(",
        home,
        ", c.nspname), c.role, case when c.needs operator(pg_catalog.=) '' then 'there' \
         else pg_catalog.format('in schema %I of extension %I, which it requires', c.nspname, c.needs) end, \
         pg_catalog.concat(case when c.owns then pg_catalog.format('alter schema %I owner to %I', c.nspname, session_user) \
         else pg_catalog.format('revoke create on schema %I from %s', c.nspname, \
         case when c.grantee operator(pg_catalog.=) 0::pg_catalog.oid then 'public' \
         else pg_catalog.quote_ident(c.grantee_name::pg_catalog.text) end) end, case when c.needs operator(pg_catalog.=) '' then ', or create the extension in a schema of its own' \
         else pg_catalog.format(', or alter extension %I set schema to one of its own', c.needs) end)) as why \
         from creator c where not exists (select from pg_catalog.pg_extension e where e.extname operator(pg_catalog.=) ",
        wanted,
        ") order by c.owns desc, c.direct desc nulls first, c.role, c.nspname limit 1"
    )
}
