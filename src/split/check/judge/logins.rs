//! Who can use the schema today must be able to afterwards, with the same password.

use super::super::facts::Facts;
use super::Findings;
use crate::ident::Ident;
use crate::transfer::logins::{Password, User};

const KIND: &str = "login";

pub(super) fn judge(facts: &Facts, found: &mut Findings) {
    let same_server = facts.source.system.is_some() && facts.source.system == facts.target.system;
    if facts.phase.is_some() || same_server {
        return;
    }
    let (own, others): (Vec<_>, Vec<_>) = facts.logins.iter().partition(|user| user.own);
    own.iter().for_each(|user| password(user, facts, found));
    own.iter().filter(|user| user.granted).for_each(|user| comes_along(user, found));
    others.into_iter().filter(|user| !is_others(user, &facts.others)).for_each(|user| stays(user, found));
    if !own.is_empty() && facts.source.connects_public && !facts.target.connects_public {
        let database = Ident::from_server(&facts.target.database).sql();
        let message = format!(
            "every login may connect to the source's database, and not to {}: those of the service might be shut out",
            facts.target.database
        );
        let fix =
            format!("grant connect on database {database} to public, or to the service's logins once they are there");
        found.blocker(KIND, &facts.target.database, message, fix, None);
    }
}

/// Tells whether a login is another service's, which reaches the schema by a contract and gets a bridge.
fn is_others(user: &User, others: &[Ident]) -> bool {
    others.contains(&user.name) || user.through.iter().any(|role| others.contains(role))
}

/// Names a login that the owner of the schema has chosen by nothing but a grant: its password goes to the target's server.
fn comes_along(user: &User, found: &mut Findings) {
    let name = user.name.as_str();
    let message =
        format!("{name} comes along with its stored password, since all that it may use anywhere is in this schema");
    let fix = "revoke its grants here first if it is not one of the service's".to_owned();
    found.warning(KIND, name, message, fix, None);
}

/// Judges the password of a login that comes along.
fn password(user: &User, facts: &Facts, found: &mut Findings) {
    let (name, login) = (user.name.as_str(), &facts.source.login);
    match user.password {
        Password::Unreadable => {
            let message =
                format!("{login} may not read the stored password of {name}, which would have none on the target");
            let fix =
                "connect to the source as a superuser, or give it a password on the target after the copy".to_owned();
            found.blocker(KIND, name, message, fix, None);
        }
        Password::Md5 if lets_no_md5_in(facts.target.hba_methods.as_deref()) => {
            let message = format!(
                "the password of {name} is stored as an MD5 hash, and a line with scram-sha-256 in pg_hba.conf of the target \
                 does not let it in"
            );
            let fix = "set the same password again while password_encryption is scram-sha-256".to_owned();
            found.blocker(KIND, name, message, fix, None);
        }
        Password::Md5 | Password::Scram | Password::Absent => {}
    }
}

/// Tells whether an MD5 hash may be refused: where nobody can tell, it may.
fn lets_no_md5_in(methods: Option<&[String]>) -> bool {
    methods.is_none_or(|methods| methods.iter().any(|method| method == "scram-sha-256"))
}

/// Judges a login that uses other schemas, too: it stays, and would read what is left behind.
fn stays(user: &User, found: &mut Findings) {
    let name = user.name.as_str();
    let through = match user.through.as_slice() {
        [] => String::new(),
        roles => format!(" (as a member of {})", roles.iter().map(Ident::as_str).collect::<Vec<_>>().join(", ")),
    };
    let message = format!(
        "{name}{through} uses this schema and holds more: something in another schema or database, or rights over the server. \
         It stays behind, and reaches nothing of the service once that has moved"
    );
    let fix = "declare a contract that the service it works for consumes, or give it a login of its own on the target"
        .to_owned();
    found.blocker(KIND, name, message, fix, None);
}
