//! Proves what each credential reaches: logs in as it and tries everything of every service.
//!
//! What is tried is explained or made to fail behind the check of privileges, in transactions that are rolled back:
//! nothing is written, no row is read, no sequence moves, no trigger fires. Planning runs code of the object's owner
//! before privileges are checked, so only what reaches no code of others is planned; for all else the catalog answers.

pub mod attempt;
pub mod closure;
pub mod expect;
pub mod matrix;
pub mod probe;

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::Error;
use super::sink::{Sink, SinkError};
use crate::catalog;
use crate::ident::Ident;
use crate::manifest::service::{Credential, Project, Service};
use crate::model::naming::{Access, Slot};
use crate::pg::connect::Target;
use crate::pg::session::SessionKind;
use crate::registry::credential::{self, CredentialRow, Phase};
use attempt::{Attempt, Kind, Means};
use closure::{Closure, Found, Trial};
use matrix::{Matrix, Reaches, judge};
use probe::{Beginning, Made};

/// How many credentials log in at once.
const AT_ONCE: usize = 8;

/// Proves every credential of the project against every service.
///
/// `target` is the administrator's, `connection` one of its sessions; only pg_catalog and the registry are read through
/// it.
///
/// # Errors
/// The sink cannot be read back, or the server could not be asked. A login that is refused is no error but a row with
/// a problem.
pub async fn verify(
    connection: &mut PgConnection,
    target: &Target,
    project: &Project,
    sink: &Sink,
) -> Result<Matrix, Error> {
    if !sink.is_readable() {
        return Err(SinkError::WriteOnly.into());
    }
    let rows = credential::all(connection).await?;
    let attempts = attempts(connection, project).await?;
    let facts = catalog::facts::read(connection).await?;
    let closure = Closure::new(&facts);
    let proof = Proof { target, project, sink, attempts: &attempts, closure: &closure };
    let all = project.services.values().flat_map(|s| s.credentials.iter().map(move |(name, c)| (s, name, c)));
    let one = |(service, name, declared): (&Service, &String, &Credential)| {
        let row = rows.iter().find(|row| row.service == service.name && row.name == *name).cloned();
        proof.row(service.clone(), name.clone(), declared.access, row)
    };
    let work: Vec<_> = all.map(one).collect();
    let mut credentials: Vec<_> = futures_util::stream::iter(work).buffer_unordered(AT_ONCE).collect().await;
    credentials.sort_by(|a, b| (&a.service, &a.credential).cmp(&(&b.service, &b.credential)));
    Ok(Matrix { services: attempts.keys().cloned().collect(), credentials })
}

/// Lists what is tried, by service: its objects, its schema, its roles.
async fn attempts(connection: &mut PgConnection, project: &Project) -> Result<BTreeMap<Ident, Vec<Attempt>>, Error> {
    let all = || project.here().into_iter().chain(project.elsewhere.values());
    let schemas: Vec<_> = all().map(|service| service.schema.clone()).collect();
    let mut by_schema: BTreeMap<Ident, Vec<Attempt>> = BTreeMap::new();
    for attempt in attempt::in_schemas(connection, &schemas).await? {
        by_schema.entry(attempt.schema.clone()).or_default().push(attempt);
    }
    let mut by_service = BTreeMap::new();
    for service in all() {
        let found = by_schema.remove(&service.schema);
        if found.is_none() && project.elsewhere.contains_key(&service.name) {
            continue;
        }
        let mut list = found.unwrap_or_default();
        list.push(Attempt::create_in(&service.schema));
        let name = service.name.as_str();
        if project.described.contains_key(&service.name) {
            // its roles are not named as pgcleave names them
            by_service.insert(service.name.clone(), list);
            continue;
        }
        for access in [Access::Owner, Access::Write, Access::Read] {
            list.push(Attempt::become_role(&service.schema, &project.naming.access(name, access)?));
        }
        for credential in service.credentials.keys() {
            for slot in Slot::BOTH {
                list.push(Attempt::become_role(&service.schema, &project.naming.login(name, credential, slot)?));
            }
        }
        by_service.insert(service.name.clone(), list);
    }
    Ok(by_service)
}

struct Proof<'a> {
    target: &'a Target,
    project: &'a Project,
    sink: &'a Sink,
    attempts: &'a BTreeMap<Ident, Vec<Attempt>>,
    closure: &'a Closure<'a>,
}

impl Proof<'_> {
    /// Gives the services of which something is here, in order.
    fn owners(&self) -> impl Iterator<Item = &Service> {
        self.attempts.keys().filter_map(|name| self.project.find(name))
    }

    /// Makes one row of the matrix.
    async fn row(&self, service: Service, credential: String, access: Access, row: Option<CredentialRow>) -> Reaches {
        let mut reaches = Reaches {
            service: service.name.clone(),
            credential,
            access,
            login: None,
            problem: None,
            beyond: Vec::new(),
            cells: Vec::new(),
        };
        let Some(row) = row else {
            reaches.problem = Some("it has not been issued: run apply".to_owned());
            return reaches;
        };
        if let Err(problem) = self.fill(&service, &row, &mut reaches).await {
            reaches.problem = Some(problem);
        }
        reaches
    }

    /// Logs in and tries everything; says in words why it could not.
    async fn fill(&self, service: &Service, row: &CredentialRow, reaches: &mut Reaches) -> Result<(), String> {
        let name = service.name.as_str();
        let secret = self.sink.read(name, &row.name).await.map_err(|e| e.to_string())?;
        let Some(secret) = secret else {
            return Err("its secret is missing from the sink: run credentials rotate".to_owned());
        };
        let login = |slot| self.project.naming.login(name, &row.name, slot).ok();
        let is_expected = Some(&secret.role) == login(row.active).as_ref()
            || (row.phase == Phase::Publishing && Some(&secret.role) == login(row.active.other()).as_ref());
        if !is_expected {
            return Err(format!("the sink holds {}, which is not its active login", secret.role.as_str()));
        }
        reaches.login = Some(secret.role.clone());
        let target = self.target.with_login(&secret.role, &secret.password);
        let all: Vec<_> = self
            .owners()
            .flat_map(|owner| self.attempts[&owner.name].iter().map(move |attempt| (owner, attempt)))
            .filter(|(_, attempt)| attempt.kind != Kind::Role || attempt.name != secret.role)
            .collect();
        let Some(seen) = self.closure.of(self.project, service, reaches.access, &secret.role) else {
            return Err(format!("{} was not there when the catalog was read", secret.role.as_str()));
        };
        let trials: Vec<Trial> = all.iter().map(|(owner, attempt)| seen.trial(owner, attempt)).collect();
        let (beginning, answers) = self.ask(&target, &all, &trials).await?;
        reaches.beyond = seen.beyond();
        reaches.beyond.extend(unexpected_role(self.project, service, reaches.access, &beginning));
        let mut answers = answers.into_iter();
        let found: Vec<Found> = all
            .iter()
            .zip(&trials)
            .map(|((_, attempt), trial)| {
                let tried = if *trial == Trial::Nothing { None } else { answers.next() };
                seen.find(attempt, *trial, tried)
            })
            .collect();
        for owner in self.owners() {
            let own = all.iter().zip(&found).filter(|((o, _), _)| o.name == owner.name);
            let own: Vec<_> = own.map(|((_, attempt), found)| (*attempt, found)).collect();
            reaches.cells.push(judge(self.project, service, reaches.access, owner, &own));
        }
        let writes = reaches.access != Access::Read;
        if let Some(source) = beginning.read_only.filter(|_| writes) {
            let own = reaches.cells.iter_mut().find(|cell| cell.service == service.name);
            own.into_iter().for_each(|cell| cell.missing.push(read_only(&source)));
        }
        Ok(())
    }

    /// Logs in, and makes the attempts that are to be made, in order.
    async fn ask(
        &self,
        target: &Target,
        all: &[(&Service, &Attempt)],
        trials: &[Trial],
    ) -> Result<(Beginning, Vec<probe::Answer>), String> {
        let locks: Vec<Option<String>> = all.iter().map(|(_, attempt)| attempt.lock()).collect();
        let made: Vec<Made<'_>> = all
            .iter()
            .zip(trials)
            .zip(&locks)
            .filter_map(|(((_, attempt), trial), lock)| {
                let sql = match trial {
                    Trial::Nothing => return None,
                    Trial::Lock => lock.as_deref()?,
                    Trial::Statement | Trial::Question => attempt.statement.as_str(),
                };
                let creates = attempt.means == Means::Create;
                Some(Made { sql, asks: *trial == Trial::Question, creates })
            })
            .collect();
        let mut connection =
            target.connect(SessionKind::Tested, "pgcleave credentials verify").await.map_err(|e| e.to_string())?;
        let beginning = probe::beginning(&mut connection).await.map_err(|e| e.to_string())?;
        let answers = probe::make(&mut connection, &made).await.map_err(|e| e.to_string())?;
        // the answers are there: how the session ends is of no interest
        let _ = connection.close().await;
        Ok((beginning, answers))
    }
}

/// Says that a session acts as another role than its login from the start; an owner's login acts as the owner.
fn unexpected_role(project: &Project, service: &Service, access: Access, beginning: &Beginning) -> Option<String> {
    let role = beginning.role.as_ref()?;
    let owner = project.naming.owner(service.name.as_str());
    let is_due = access == Access::Owner && owner.as_ref() == Ok(role);
    (!is_due).then(|| format!("the rights of {0}: each session begins as {0} (setting role)", role.as_str()))
}

/// Says what keeps a session from writing.
fn read_only(source: &str) -> String {
    let by = match source {
        "recovery" => return "write: the server is a standby, in recovery".to_owned(),
        "database" => "a setting of the database",
        "user" => "a setting of the role",
        "database user" => "a setting of the role in this database",
        other => {
            return format!(
                "write: each transaction begins read-only (default_transaction_read_only, source: {other})"
            );
        }
    };
    format!("write: each transaction begins read-only (default_transaction_read_only is on by {by})")
}
