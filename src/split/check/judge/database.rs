//! What the two databases must have in common: encoding, collations, extensions; and that the target is free.

use super::super::facts::{Facts, Server};
use super::Findings;
use crate::ident::Ident;
use crate::transfer::coupling::CouplingKind;

pub(super) fn judge(facts: &Facts, schema: &Ident, found: &mut Findings) {
    let (source, target) = (&facts.source, &facts.target);
    if source.system.is_some() && source.system == target.system && source.database == target.database {
        let message = "the target is the shared database itself".to_owned();
        found.blocker("same-database", "target", message, "name another database with --to".to_owned(), None);
        return;
    }
    if facts.phase.is_none() && target.schema_exists {
        let name = schema.as_str();
        let message = format!("the target has a schema {name} already, with {} objects in it", target.schema_objects);
        let fix = "name an empty database, or drop that schema there".to_owned();
        found.blocker("target-not-empty", name, message, fix, None);
    }
    if facts.phase.is_none() {
        facts.taken_logins.iter().for_each(|login| taken(login.as_str(), found));
    }
    encoding(source, target, found);
    locale(source, target, found);
    for name in facts.schema.collations.iter().filter(|name| !target.collations.contains(name)) {
        let message = format!("collation {name} is used, and the target has none of that name");
        let fix =
            "install the locale on the target's host and run pg_import_system_collations, or create the collation";
        found.blocker("collation", name, message, fix.to_owned(), None);
    }
    extensions(facts, found);
    for ((side, server), _) in
        [("source", source), ("target", target)].into_iter().zip(facts.bridged).filter(|(_, b)| *b)
    {
        wrapper(side, server, found);
    }
}

/// A login that is somebody else's would get the service's password, and could do with it what it may already.
fn taken(login: &str, found: &mut Findings) {
    let message =
        format!("the target has a login {login} already, with another password: the split would replace that");
    let fix = format!(
        "if it is another's, move to a server of its own; if it is the service's, drop role {login} there, or give it the \
         password's verifier of the source"
    );
    found.blocker("login", login, message, fix, None);
}

/// Bridged contracts are foreign tables, which need an extension that only a superuser can create.
fn wrapper(side: &str, server: &Server, found: &mut Findings) {
    const NAME: &str = "postgres_fdw";
    if server.extensions.contains_key(NAME) {
        return;
    }
    let offered = server.available.iter().any(|a| a.name == NAME);
    if offered && server.superuser {
        return;
    }
    let why = if offered { "only a superuser can create it" } else { "the server does not offer it" };
    let message = format!("contracts are bridged into the {side} with {NAME}, and {why}");
    let fix = format!("create extension {NAME} with schema pgcleave, as a superuser; or finish with --bridge none");
    found.warning("extension", &format!("{side} {NAME}"), message, fix, None);
}

fn encoding(source: &Server, target: &Server, found: &mut Findings) {
    if source.encoding == target.encoding {
        return;
    }
    let message = format!("the source's encoding is {}, the target's {}", source.encoding, target.encoding);
    if target.encoding == "UTF8" && source.encoding != "SQL_ASCII" {
        let fix = "nothing need be done: all of it can be written in UTF8".to_owned();
        found.warning("encoding", "target", message, fix, None);
    } else {
        let fix = format!("create database … encoding '{}' template template0", source.encoding);
        found.blocker("encoding", "target", message, fix, None);
    }
}

fn locale(source: &Server, target: &Server, found: &mut Findings) {
    let words = |server: &Server| {
        let provider = match server.provider.as_str() {
            "i" => "icu",
            "b" => "builtin",
            _ => "libc",
        };
        let locale = server.locale.as_deref().unwrap_or(&server.collation);
        format!("{provider} {locale} (ctype {})", server.ctype)
    };
    let (is, other) = (words(source), words(target));
    if is != other {
        let message =
            format!("texts are ordered by {is} in the source and by {other} in the target: results of ORDER BY change");
        let fix = "create the target's database with the source's locale, or accept the new order".to_owned();
        let cost = Some("none for the rows: indexes are built anew".to_owned());
        found.warning("collation", "target", message, fix, cost);
    }
}

fn extensions(facts: &Facts, found: &mut Findings) {
    let (source, target) = (&facts.source, &facts.target);
    let coupled = facts.couplings.iter().filter(|c| c.kind == CouplingKind::Extension).map(|c| &c.object);
    let mut needed: Vec<&String> = facts.schema.extensions.iter().chain(coupled).collect();
    needed.sort();
    needed.dedup();
    for name in needed {
        let version = source.extensions.get(name).map_or("", String::as_str);
        if let Some(there) = target.extensions.get(name) {
            if there != version {
                let message = format!("extension {name} is {version} in the source and {there} in the target");
                let fix = format!("alter extension {name} update, on the older side");
                found.warning("extension", name, message, fix, None);
            }
            continue;
        }
        let offered: Vec<_> = target.available.iter().filter(|a| a.name == *name).collect();
        let Some(first) = offered.first() else {
            let message = format!("the target's server does not offer extension {name}");
            let fix = "install its package on the target's host, or choose a server that has it".to_owned();
            found.blocker("extension", name, message, fix, None);
            continue;
        };
        if !offered.iter().any(|a| a.version == version) {
            let versions: Vec<_> = offered.iter().map(|a| a.version.as_str()).collect();
            let message = format!(
                "extension {name} is {version} in the source, and the target's server offers {}",
                versions.join(", ")
            );
            let fix = "test the service with that version first, or install the other one".to_owned();
            found.warning("extension", name, message, fix, None);
        }
        if first.superuser && !target.superuser {
            let message = format!("only a superuser can create extension {name} in the target");
            found.blocker("extension", name, message, format!("create extension {name}, as a superuser"), None);
        }
    }
}
