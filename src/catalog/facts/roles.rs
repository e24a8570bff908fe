//! Roles, memberships, settings.

use super::Error;
use super::reader::{Query, Reader};
use crate::audit::facts::role::{Membership, Password, Role, Setting};

const ROLES: Query = Query { about: "roles", needs: &["pg_roles"], sql: include_str!("sql/roles.sql") };
const PASSWORDS: Query =
    Query { about: "kinds of passwords", needs: &["pg_authid"], sql: include_str!("sql/passwords.sql") };
const MEMBERSHIPS: Query =
    Query { about: "memberships", needs: &["pg_auth_members", "pg_roles"], sql: include_str!("sql/memberships.sql") };
const SETTINGS: Query =
    Query { about: "settings of roles", needs: &["pg_db_role_setting"], sql: include_str!("sql/settings.sql") };

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader
        .each(&ROLES, |facts, row| {
            facts.roles.push(Role {
                oid: row.oid("oid"),
                name: row.name("name"),
                superuser: row.flag("superuser"),
                inherit: row.flag("inherit"),
                create_role: row.flag("create_role"),
                create_db: row.flag("create_db"),
                login: row.flag("login"),
                replication: row.flag("replication"),
                bypass_rls: row.flag("bypass_rls"),
                connection_limit: row.number("connection_limit"),
                expired: row.flag("expired"),
                password: Password::Unknown,
                dangling: false,
            });
            Ok(())
        })
        .await?;
    reader
        .each(&PASSWORDS, |facts, row| {
            let password = match row.text("password") {
                "none" => Password::None,
                "md5" => Password::Md5,
                _ => Password::Scram,
            };
            facts.roles.set_password(row.oid("oid"), password);
            Ok(())
        })
        .await?;
    reader
        .each(&MEMBERSHIPS, |facts, row| {
            let membership = Membership {
                role: facts.roles.by_oid(row.oid("role")),
                member: facts.roles.by_oid(row.oid("member")),
                grantor: facts.roles.by_oid(row.oid("grantor")),
                admin: row.flag("admin"),
                inherit: row.flag("inherit"),
                set: row.flag("set"),
            };
            facts.memberships.push(membership);
            Ok(())
        })
        .await?;
    reader
        .each(&SETTINGS, |facts, row| {
            let role = row.maybe_oid("role").map(|oid| facts.roles.by_oid(oid));
            facts.settings.push(Setting {
                role,
                database: row.maybe_text("database").map(crate::ident::Ident::from_server),
                name: row.text("name").to_owned(),
                value: row.text("value").to_owned(),
            });
            Ok(())
        })
        .await
}
