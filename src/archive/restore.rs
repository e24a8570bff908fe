//! restore.sh: an archive back into a database with psql and zstd alone.

use super::layout::{Archive, EXTENSIONS, GRANTS, LEAVE, POST_DATA, PRE_DATA, REFRESH, ROLES, SEQUENCES, SUMS};
use crate::ident::Ident;
use crate::pg::session::RESTORE_PGOPTIONS;
use crate::sql;
use crate::sql::{Comma, Literal, Sql};
use crate::transfer::owner;
use crate::transfer::table::{Form, copy_in};

/// The script, with places to fill in.
const TEMPLATE: &str = include_str!("restore.sh");

/// Writes the script; `pre_data` says who may use the schema.
#[must_use]
pub(super) fn script(archive: &Archive, pre_data: &str) -> String {
    let mut loads = Vec::new();
    for file in &archive.files {
        let Some(table) = file.table.map(|i| &archive.tables[i]) else { continue };
        let statement = copy_in(&table.name, &table.columns, Form::Text);
        loads.push(format!("load {} {}", file.path, quoted(statement.as_str())));
    }
    let tables = archive.tables.iter().map(|t| sql!("analyze ", t.name.sql(), ";\n"));
    let analyze: String = tables.map(|statement| statement.as_str().to_owned()).collect();
    let owners: Vec<Literal<'_>> = archive.owners.iter().map(|owner| Literal(owner.as_str())).collect();
    let among = sql!("r.rolname in (", Comma(owners.iter()), ")");
    let access = owner::Access::new(&archive.schema, archive.owner.as_ref(), &archive.owners, pre_data);
    let value = |name: &str| match name {
        "PGOPTIONS" => RESTORE_PGOPTIONS.to_owned(),
        "SUMS" => SUMS.to_owned(),
        "SCHEMA" => quoted(archive.schema.as_str()),
        "DROP" => quoted(sql!("drop schema if exists ", archive.schema, " cascade;").as_str()),
        "SUPERUSERS" => quoted(superusers(&among).as_str()),
        "REVOKES" => for_login(&among, false).as_str().to_owned(),
        "GRANTS_TO_LOGIN" => for_login(&among, true).as_str().to_owned(),
        "ROLE" => quoted(role(&archive.owners).as_str()),
        "OPEN" => quoted(access.open.as_str()),
        "CLOSE" => quoted(&access.close),
        // Functions of checks and defaults name the service's tables without their schema.
        "PATH" => quoted(sql!("set search_path = ", archive.schema, ", public").as_str()),
        "LOADS" => loads.join("\n"),
        "ANALYZE" => quoted(&analyze),
        "ROLES" => ROLES.to_owned(),
        "EXTENSIONS" => EXTENSIONS.to_owned(),
        "PRE_DATA" => PRE_DATA.to_owned(),
        "POST_DATA" => POST_DATA.to_owned(),
        "SEQUENCES" => SEQUENCES.to_owned(),
        "GRANTS" => GRANTS.to_owned(),
        "REFRESH" => REFRESH.to_owned(),
        "LEAVE" => LEAVE.to_owned(),
        other => unreachable!("the template has no place {other}"),
    };
    filled(TEMPLATE, value)
}

/// One owner runs everything; several are members' rights of the login, which gives each object to its owner.
fn role(owners: &[Ident]) -> Sql {
    match owners {
        [only] => sql!("set role ", only),
        _ => sql!("set role none"),
    }
}

fn superusers(among: &Sql) -> Sql {
    sql!(
        "select pg_catalog.string_agg(r.rolname::pg_catalog.text, ', ' order by r.rolname) from pg_catalog.pg_roles r \
         where r.rolsuper and ",
        among
    )
}

/// Asks which memberships the login lacks, as statements that give or take them.
fn for_login(among: &Sql, grant: bool) -> Sql {
    let mut out = sql!("select pg_catalog.string_agg(");
    out.push_static(if grant {
        "pg_catalog.format('grant %I to %I', r.rolname, :'login') || case when \
         pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000 then '' else ' with inherit true, set true' end"
    } else {
        "pg_catalog.format('revoke %I from %I', r.rolname, :'login')"
    });
    out.push(&sql!(
        ", '; ' order by r.rolname) from pg_catalog.pg_roles r \
         where not r.rolsuper and not pg_catalog.pg_has_role(:'login', r.oid, 'member') and ",
        among,
        ";"
    ));
    out
}

/// Quotes a text for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Fills in each `@NAME@`; what is filled in is not looked at again.
fn filled(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('@') {
        let (before, after) = rest.split_at(at);
        out += before;
        let name = after[1..].split('@').next().unwrap_or_default();
        let is_place = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
            && after[1 + name.len()..].starts_with('@');
        if is_place {
            out += &value(name);
            rest = &after[name.len() + 2..];
        } else {
            out.push('@');
            rest = &after[1..];
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_not_filled_in_again() {
        let value = |name: &str| match name {
            "A" => "@B@".to_owned(),
            other => format!("<{other}>"),
        };
        assert_eq!(filled("a@b $@ @A@ \"$@\" @B_C@@", value), "a@b $@ @B@ \"$@\" <B_C>@");
    }
}
