//! Gives new credentials their first password.
//!
//! The sink is written before the caller commits. A crash in between leaves a published password that the server
//! does not know and no row in the registry: the next run issues and publishes a new one.

use secrecy::ExposeSecret as _;
use sqlx::postgres::PgConnection;

use super::Error;
use super::secret::{Place, Secret};
use super::sink::{Sink, SinkError};
use crate::event::Listener;
use crate::ident::Ident;
use crate::model::naming::{Access, Naming, Slot};
use crate::pg::{exec, password};
use crate::registry::credential::{self, CredentialRow};
use crate::sql;
use crate::sql::{Literal, Sql};

/// One credential that a manifest declares; its two login roles are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The service.
    pub service: Ident,
    /// The credential's short name.
    pub credential: String,
    /// Which of the service's roles it belongs to.
    pub access: Access,
}

/// Where secrets go and how they are named.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The sink.
    pub sink: Sink,
    /// Where the clients will connect to.
    pub place: Place,
    /// The roles' names.
    pub naming: Naming,
}

/// One credential that got its first password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The service.
    pub service: Ident,
    /// The credential's short name.
    pub credential: String,
    /// The login role that is active now.
    pub login: Ident,
}

/// First passwords that are made but not published yet, with what tells the server of them.
#[derive(Debug)]
pub struct Prepared {
    secrets: Vec<Secret>,
    /// The statements that give the logins their verifiers and the registry its rows; they hold no password.
    pub statements: Vec<Sql>,
    /// What will have been issued.
    pub issued: Vec<Issued>,
}

/// Makes first passwords for credentials that the registry does not know.
///
/// Run the statements in a transaction, [`publish`], then commit: a crash before the commit leaves a published
/// password that the server does not know and no row in the registry, and the next run issues a new one.
///
/// # Errors
/// The system gave no random bytes, or a name is too long.
pub async fn prepare(issuer: &Issuer, new: &[Declared]) -> Result<Prepared, Error> {
    let secrets = new.iter().map(|d| make(issuer, d, Slot::A)).collect::<Result<Vec<_>, _>>()?;
    let passwords = set_passwords(&secrets).await;
    let mut statements: Vec<Sql> = passwords.iter().map(|set| set.statement.clone()).collect();
    let mut issued = Vec::with_capacity(new.len());
    for ((declared, secret), set) in new.iter().zip(&secrets).zip(&passwords) {
        let (service, name) = (Literal(declared.service.as_str()), Literal(&declared.credential));
        let row = sql!("(", service, ", ", name, ", 'a', 'steady', ", Literal(&set.fingerprint), ")");
        statements
            .push(sql!("insert into pgcleave.credential (service, name, active, phase, verifier_a) values ", row));
        issued.push(Issued {
            service: declared.service.clone(),
            credential: declared.credential.clone(),
            login: secret.role.clone(),
        });
    }
    Ok(Prepared { secrets, statements, issued })
}

/// Writes prepared passwords to the sink.
///
/// # Errors
/// The sink refused: roll back.
pub async fn publish(issuer: &Issuer, prepared: &Prepared, listener: Listener<'_>) -> Result<(), SinkError> {
    issuer.sink.publish_all(&prepared.secrets, listener).await
}

/// Issues those of the credentials that the registry does not know, inside the caller's open transaction.
///
/// When it returns, the sink holds their passwords: commit, nothing else is left to do. The services' own registry
/// rows must be there.
///
/// # Errors
/// The server or the sink refused: roll back, and run again.
pub async fn issue(
    connection: &mut PgConnection,
    issuer: &Issuer,
    declared: &[Declared],
    listener: Listener<'_>,
) -> Result<Vec<Issued>, Error> {
    let known = credential::all(connection).await?;
    let is_known = |d: &&Declared| known.iter().any(|row| row.service == d.service && row.name == d.credential);
    let new: Vec<_> = declared.iter().filter(|d| !is_known(d)).cloned().collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let prepared = prepare(issuer, &new).await?;
    for statement in &prepared.statements {
        exec::batch(connection, "set the password of a new login", statement).await?;
    }
    publish(issuer, &prepared, listener).await?;
    Ok(prepared.issued)
}

/// Finds issued credentials whose secret is missing from the sink; they are told of, never silently replaced.
///
/// Nothing for a sink that cannot be read back.
///
/// # Errors
/// The sink could not be read.
pub async fn missing_from_sink(sink: &Sink, rows: &[CredentialRow]) -> Result<Vec<(Ident, String)>, SinkError> {
    let mut missing = Vec::new();
    if !sink.is_readable() {
        return Ok(missing);
    }
    for row in rows {
        if sink.read(row.service.as_str(), &row.name).await?.is_none() {
            missing.push((row.service.clone(), row.name.clone()));
        }
    }
    Ok(missing)
}

/// Makes the secret of one login, with a new password.
pub(super) fn make(issuer: &Issuer, declared: &Declared, slot: Slot) -> Result<Secret, Error> {
    Ok(Secret {
        service: declared.service.as_str().to_owned(),
        credential: declared.credential.clone(),
        role: issuer.naming.login(declared.service.as_str(), &declared.credential, slot)?,
        password: password::generate()?,
        place: issuer.place.clone(),
        access: declared.access,
    })
}

/// What gives a login its verifier.
pub(super) struct SetPassword {
    /// The statement; it holds no password.
    pub(super) statement: Sql,
    /// What the registry keeps of the verifier.
    pub(super) fingerprint: String,
}

/// Writes the statements that give each login its verifier.
pub(super) async fn set_passwords(secrets: &[Secret]) -> Vec<SetPassword> {
    let logins: Vec<_> = secrets.iter().map(|s| (s.role.clone(), s.password.clone())).collect();
    // thousands of rounds of HMAC each: not on the runtime's own threads
    let work = move || {
        let statement = |(role, password): &(Ident, secrecy::SecretString)| {
            let verifier = password::verifier(password);
            let statement = sql!("alter role ", role, " login password ", Literal(verifier.expose_secret()));
            SetPassword { statement, fingerprint: password::fingerprint(&verifier) }
        };
        logins.iter().map(statement).collect()
    };
    tokio::task::spawn_blocking(work).await.expect("computing a verifier does not panic")
}
