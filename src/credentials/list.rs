//! What is known about every credential.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use std::collections::BTreeMap;

use super::Error;
use crate::ident::Ident;
use crate::manifest::service::Project;
use crate::model::naming::{Access, Slot};
use crate::pg;
use crate::registry::credential::{self, CredentialRow};

/// One credential, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The service.
    pub service: Ident,
    /// The credential's short name.
    pub credential: String,
    /// What the manifest says; nothing when it is gone from the manifests.
    pub access: Option<Access>,
    /// What the registry says; nothing when it has not been issued.
    pub row: Option<CredentialRow>,
    /// The login that is active, or will be.
    pub active: Ident,
    /// How many sessions are on it.
    pub sessions: u64,
    /// The other login.
    pub other: Ident,
    /// How many sessions are on that one.
    pub other_sessions: u64,
}

/// Lists what the manifests declare and what the registry knows, by service and credential.
///
/// # Errors
/// The server could not be asked.
pub async fn list(connection: &mut PgConnection, project: &Project) -> Result<Vec<Listed>, Error> {
    let mut known: BTreeMap<(Ident, String), (Option<Access>, Option<CredentialRow>)> = BTreeMap::new();
    for service in project.services.values() {
        for (name, credential) in &service.credentials {
            known.insert((service.name.clone(), name.clone()), (Some(credential.access), None));
        }
    }
    // Of a service that has moved away, its own database knows more.
    let rows = credential::all(connection).await?;
    for row in rows.into_iter().filter(|row| !project.elsewhere.contains_key(&row.service)) {
        let key = (row.service.clone(), row.name.clone());
        let declared = project.described.get(&row.service).and_then(|s| s.credentials.get(&row.name));
        known.entry(key).or_insert_with(|| (declared.map(|c| c.access), None)).1 = Some(row);
    }
    let sessions = sessions(connection).await?;
    let count = |login: &Ident| sessions.get(login.as_str()).copied().unwrap_or(0);
    let mut listed = Vec::with_capacity(known.len());
    for ((service, credential), (access, row)) in known {
        let slot = row.as_ref().map_or(Slot::A, |row| row.active);
        let active = project.naming.login(service.as_str(), &credential, slot)?;
        let other = project.naming.login(service.as_str(), &credential, slot.other())?;
        let (sessions, other_sessions) = (count(&active), count(&other));
        listed.push(Listed { service, credential, access, row, active, sessions, other, other_sessions });
    }
    Ok(listed)
}

async fn sessions(connection: &mut PgConnection) -> Result<BTreeMap<String, u64>, Error> {
    let rows = sqlx::query(
        "select usename::text as login, pg_catalog.count(*) as sessions from pg_catalog.pg_stat_activity \
         where usename is not null group by usename order by usename",
    )
    .fetch_all(connection)
    .await
    .map_err(|e| pg::error::Error::new("count the sessions of each login", &e))?;
    let count = |row: &sqlx::postgres::PgRow| u64::try_from(row.get::<i64, _>("sessions")).unwrap_or(0);
    Ok(rows.iter().map(|row| (row.get("login"), count(row))).collect())
}
