//! Roles and what belongs to them as SQL that leaves alone what is there already.

use super::{DefaultPrivilege, Membership, OnDatabase, Role, Setting};
use crate::ident::Ident;
use crate::sql;
use crate::sql::{Comma, Literal, Sql};

/// Creates a role that is not there.
pub(crate) fn create(role: &Role) -> Sql {
    let name = Literal(role.name.as_str());
    let body = create_plainly(role);
    block(&sql!("if not exists (select from pg_catalog.pg_roles where rolname = ", name, ") then ", body, "; end if;"))
}

/// Creates a role.
pub(crate) fn create_plainly(role: &Role) -> Sql {
    let mut body = sql!("create role ", role.name);
    body.push_static(if role.login { " login" } else { " nologin" });
    body.push_static(if role.inherit { " inherit" } else { " noinherit" });
    if let Some(limit) = role.connection_limit {
        body.push(&sql!(" connection limit ", limit));
    }
    if let Some(until) = &role.valid_until {
        body.push(&sql!(" valid until ", Literal(until)));
    }
    if let Some(verifier) = &role.verifier {
        body.push(&sql!(" password ", Literal(verifier)));
    }
    body
}

/// What a rotation changes.
pub(super) fn renew(role: &Ident, login: bool, verifier: &str) -> Sql {
    let mut body = sql!("alter role ", role);
    body.push_static(if login { " login" } else { " nologin" });
    body.push(&sql!(" password ", Literal(verifier), ";\n"));
    body
}

/// Making a role does not let an administrator act as it: before 16 not at all, from 16 on by ADMIN alone.
pub(crate) fn act(role: &Ident) -> Sql {
    let grant = sql!("grant ", role, " to ");
    block(&sql!(
        "if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) \
         and not pg_catalog.pg_has_role(",
        Literal(role.as_str()),
        ", 'usage') then execute ",
        Literal(grant.as_str()),
        " || pg_catalog.quote_ident(current_user) || case when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000 \
         then '' else ' with inherit true, set true' end; end if;"
    ))
}

/// Takes back what [`act`] has granted, and no other membership.
pub(crate) fn leave(role: &Ident) -> Sql {
    let revoke = sql!("revoke ", role, " from ");
    block(&sql!(
        "if exists (select from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.roleid and r.rolname = ",
        Literal(role.as_str()),
        " join pg_catalog.pg_roles u on u.oid = m.member and u.oid = m.grantor and u.rolname = current_user \
         where not m.admin_option) then execute ",
        Literal(revoke.as_str()),
        " || pg_catalog.quote_ident(current_user) || case when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000 \
         then '' else ' granted by ' || pg_catalog.quote_ident(current_user) end; end if;"
    ))
}

/// Makes an anonymous block, quoted as a literal, so that no name can end it.
fn block(body: &Sql) -> Sql {
    sql!("do ", Literal(sql!("begin ", body, " end").as_str()), ";\n")
}

/// Executes two texts with the name of the database between them: the target's has a name of its own.
fn in_this_database(head: &Sql, tail: &Sql) -> Sql {
    let made = sql!(Literal(head.as_str()), " || pg_catalog.quote_ident(pg_catalog.current_database()) || ");
    block(&sql!("execute ", made, Literal(tail.as_str()), ";"))
}

pub(crate) fn membership(m: &Membership) -> Sql {
    let mut out = sql!("grant ", m.role, " to ", m.member);
    match (m.inherit, m.set) {
        (Some(inherit), Some(set)) => {
            out.push_static(if m.admin { " with admin true" } else { " with admin false" });
            out.push_static(if inherit { ", inherit true" } else { ", inherit false" });
            out.push_static(if set { ", set true" } else { ", set false" });
        }
        _ if m.admin => out.push_static(" with admin option"),
        _ => {}
    }
    out.push_static(";\n");
    out
}

pub(crate) fn setting(setting: &Setting) -> Sql {
    let mut set = sql!(" set ");
    for (i, part) in setting.parameter.iter().enumerate() {
        set.push_static(if i == 0 { "" } else { "." });
        set.push(part);
    }
    set.push(&sql!(" = ", Comma(setting.values.iter().map(|value| Literal(value)))));
    if setting.in_database {
        return in_this_database(&sql!("alter role ", setting.role, " in database "), &set);
    }
    sql!("alter role ", setting.role, set, ";\n")
}

pub(crate) fn on_database(grant: &OnDatabase) -> Sql {
    let mut head = sql!("grant ");
    head.push_static(grant.privilege);
    head.push_static(" on database ");
    in_this_database(&head, &sql!(" to ", grantee(grant.grantee.as_ref())))
}

pub(crate) fn default(default: &DefaultPrivilege) -> Sql {
    let mut out = sql!("alter default privileges for role ", default.creator);
    out.push_static(if default.granted { " grant " } else { " revoke " });
    out.push_static(default.privilege);
    out.push_static(" on ");
    out.push_static(default.class);
    out.push_static(if default.granted { " to " } else { " from " });
    out.push(&sql!(grantee(default.grantee.as_ref()), ";\n"));
    out
}

fn grantee(role: Option<&Ident>) -> Sql {
    role.map_or_else(|| sql!("public"), |role| sql!(role))
}
