//! Takes from PUBLIC what it holds on the database and on schema `public`: a change of its own, the last one.
//!
//! Every login of the server may hold these rights through PUBLIC alone. Those whose purpose is known get them by grants of
//! their own first; those that would lose them are named.

use serde::{Deserialize, Serialize};

use super::change::{Action, Change, Hazard, Kind, Phase, Stage};
use super::managed::{Names, connect_group, temporary_group};
use crate::ident::Ident;
use crate::manifest::service::Project;
use crate::model::acl::Grantee;
use crate::model::privilege::{Privilege, Privileges};
use crate::model::state::{Observed, OtherLogin};
use crate::sql;
use crate::sql::Sql;

/// How many logins a sentence names.
const NAMED: usize = 20;

/// What a login loses by a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Effect {
    /// The login.
    pub principal: String,
    /// What happens to it: `loses`.
    pub change: String,
    /// The privileges, in PostgreSQL's words.
    pub privileges: Privileges,
    /// On what.
    pub objects: Vec<String>,
    /// Why.
    pub because: String,
    /// Its sessions in this database that are open now.
    pub sessions: u64,
}

/// What PUBLIC is to lose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// On the database.
    pub(super) database: Privileges,
    /// On schema `public`.
    pub(super) public: Privileges,
}

impl Taken {
    fn is_empty(self) -> bool {
        self.database.is_empty() && self.public.is_empty()
    }

    /// Gives what is left of it after what a login keeps.
    fn without(self, database: Privileges, public: Privileges) -> Self {
        Self { database: self.database.without(database), public: self.public.without(public) }
    }

    /// Gives the statements that grant it, or take it, each with its object between two words.
    fn statements(self, database: &Ident, verb: &'static str, word: &'static str, whom: &Sql) -> Vec<Sql> {
        let mut statements = Vec::new();
        for (privileges, object) in
            [(self.database, sql!("database ", database)), (self.public, sql!("schema ", Ident::from_server("public")))]
        {
            if !privileges.is_empty() {
                let mut statement = Sql::new();
                statement.push_static(verb);
                statement.push(&sql!(" ", privileges, " on ", object));
                statement.push_static(word);
                statement.push(whom);
                statements.push(statement);
            }
        }
        statements
    }

    fn words(self, database: &Ident) -> String {
        let on_database = (self.database, format!("database {}", database.as_str()));
        let places = [on_database, (self.public, "schema public".to_owned())];
        let held = places.iter().filter(|(privileges, _)| !privileges.is_empty());
        held.map(|(privileges, place)| format!("{privileges} on {place}")).collect::<Vec<_>>().join(" and ")
    }
}

/// Who is hit when PUBLIC loses something.
#[derive(Debug, Default)]
struct Hit<'a> {
    /// Those that get it by a grant of their own.
    kept: Vec<(&'a Ident, Taken)>,
    /// Those that show a use of this database and lose it.
    named: Vec<(&'a Ident, &'a OtherLogin, Taken)>,
    /// How many others of the server lose it.
    others: usize,
}

impl<'a> Hit<'a> {
    fn of(project: &Project, observed: &'a Observed, taken: Taken) -> Self {
        let mut hit = Self::default();
        for (name, login) in &observed.other_logins {
            let held = login.managed.iter().map(|role| given(project, role));
            let loses = held.fold(taken.without(login.kept_on_database, login.kept_on_public), |rest, given| {
                rest.without(given.database, given.public)
            });
            if loses.is_empty() {
                continue;
            }
            let provisions = observed.administrator.registry_owner.as_ref() == Some(name);
            if login.described || (login.replication && login.uses) || provisions {
                hit.kept.push((name, loses));
            } else if login.uses || login.sessions > 0 {
                hit.named.push((name, login, loses));
            } else {
                hit.others += 1;
            }
        }
        hit
    }

    fn loses(&self) -> bool {
        !self.named.is_empty() || self.others > 0
    }

    /// Says who keeps it and who loses it.
    fn words(&self) -> String {
        let list = |names: Vec<&str>| match names.len().checked_sub(NAMED) {
            None | Some(0) => names.join(", "),
            Some(more) => format!("{} and {more} more", names[..NAMED].join(", ")),
        };
        let mut parts = Vec::new();
        if !self.kept.is_empty() {
            parts.push(format!(
                "these get it by grants of their own: {}",
                list(self.kept.iter().map(|k| k.0.as_str()).collect())
            ));
        }
        if !self.named.is_empty() {
            parts.push(format!(
                "these lose it with PUBLIC: {}",
                list(self.named.iter().map(|n| n.0.as_str()).collect())
            ));
        }
        match self.others {
            0 => {}
            1 => parts.push("1 other login of the server, which shows no use of this database, loses it".to_owned()),
            n => parts.push(format!("{n} other logins of the server, which show no use of this database, lose it")),
        }
        parts.join("; ")
    }
}

/// Gives what members of a managed role have through the groups that all services share.
fn given(project: &Project, role: &Ident) -> Taken {
    let connect = Privileges::from(Privilege::Connect);
    let temporary = Privileges::from(Privilege::Temporary);
    let public = Privileges::NONE;
    for service in project.services.values() {
        let names = Names::of(&project.naming, service);
        if [&names.owner, &names.writer].contains(&role) {
            return Taken { database: connect.union(temporary), public };
        }
        if names.reader == *role {
            return Taken { database: connect, public };
        }
    }
    if *role == connect_group(&project.naming) {
        return Taken { database: connect, public };
    }
    if *role == temporary_group(&project.naming) {
        return Taken { database: temporary, public };
    }
    Taken::default()
}

/// Makes the change, with what it does to each login that loses something.
pub(super) fn change(project: &Project, observed: &Observed, taken: Taken) -> Option<(Change, Vec<Effect>)> {
    if taken.is_empty() {
        return None;
    }
    let database = &observed.state.database.name;
    let hit = Hit::of(project, observed, taken);
    let mut sql = Vec::new();
    for (name, keeps) in &hit.kept {
        sql.extend(keeps.statements(database, "grant", " to ", &sql!(name)));
    }
    sql.extend(taken.statements(database, "revoke", " from ", &sql!("public")));
    let mut reason = format!("PUBLIC loses {}", taken.words(database));
    if hit.loses() || !hit.kept.is_empty() {
        reason = format!("{reason}; {}", hit.words());
    }
    let effect = hit.named.iter().flat_map(|(name, login, loses)| {
        let places =
            [(loses.database, format!("database {}", database.as_str())), (loses.public, "schema public".to_owned())];
        let lost = places.into_iter().filter(|(privileges, _)| !privileges.is_empty());
        lost.map(|(privileges, object)| Effect {
            principal: name.as_str().to_owned(),
            change: "loses".to_owned(),
            privileges,
            objects: vec![object],
            because: "it has this through PUBLIC only".to_owned(),
            sessions: login.sessions,
        })
    });
    let change = Change {
        stage: Stage::Close,
        service: None,
        phase: Phase::Revokes,
        action: Action::Close,
        kind: Kind::Database,
        object: database.as_str().to_owned(),
        reason,
        hazards: if hit.loses() { vec![Hazard::CloseDatabase] } else { Vec::new() },
        run_as: None,
        consumer: None,
        awaited: false,
        refusal: None,
        locks: Vec::new(),
        version: 0,
        sql,
    };
    Some((change, effect.collect()))
}

/// Gives what the owner of the database, or of schema `public`, has to run where this administrator is not the owner: pasted,
/// it takes nothing from the administrator or from a service.
pub(super) fn advice(project: &Project, observed: &Observed, notes: &mut Vec<String>) {
    let administrator = &observed.administrator;
    let (who, database) = (administrator.name.as_str(), &observed.state.database);
    let public = Ident::from_server("public");
    let held = |acl: &crate::model::acl::Acl| acl.held_by(&Grantee::Public);
    if !administrator.owns_database {
        let open = Taken { database: held(&database.acl), public: Privileges::NONE };
        let groups = [
            (connect_group(&project.naming), Privilege::Connect),
            (temporary_group(&project.naming), Privilege::Temporary),
        ];
        let lacking = groups
            .iter()
            .filter(|(group, privilege)| !database.acl.held_by(&Grantee::Role(group.clone())).contains(*privilege));
        let mut sql: Vec<Sql> = lacking
            .map(|(group, privilege)| {
                sql!("grant ", Privileges::from(*privilege), " on database ", database.name, " to ", group)
            })
            .collect();
        let closes = project.close_database && !open.is_empty();
        // While PUBLIC has them, nobody misses the groups' rights.
        if closes || (!sql.is_empty() && open.is_empty()) {
            let mut words = String::new();
            if closes {
                words = closing(project, observed, open, &mut sql);
            }
            notes.push(format!(
                "{who} does not own the database, so CONNECT and TEMPORARY stay as they are; its owner, {}, can run: \
                 {}{words}",
                database.owner.as_str(),
                joined(&sql)
            ));
        }
    }
    let open = observed.state.schemas.get(&public).map(|schema| held(&schema.acl)).unwrap_or_default();
    if project.close_database && !open.is_empty() && !administrator.grants_on.contains(&public) {
        let mut sql = Vec::new();
        let taken = Taken { database: Privileges::NONE, public: open };
        let words = closing(project, observed, taken, &mut sql);
        notes.push(format!("{who} cannot close schema public; its owner can run: {}{words}", joined(&sql)));
    }
}

/// Adds what closes something to a script, and says whom it hits.
fn closing(project: &Project, observed: &Observed, taken: Taken, sql: &mut Vec<Sql>) -> String {
    let database = &observed.state.database.name;
    let hit = Hit::of(project, observed, taken);
    let administrator = &observed.administrator;
    if !administrator.superuser {
        sql.extend(taken.statements(database, "grant", " to ", &sql!(administrator.name)));
    }
    for (name, keeps) in &hit.kept {
        sql.extend(keeps.statements(database, "grant", " to ", &sql!(name)));
    }
    sql.extend(taken.statements(database, "revoke", " from ", &sql!("public")));
    if hit.loses() { format!(" ({})", hit.words()) } else { String::new() }
}

fn joined(statements: &[Sql]) -> String {
    statements.iter().map(Sql::as_str).collect::<Vec<_>>().join("; ")
}
