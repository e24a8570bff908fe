//! Logins that a command makes for itself and drops at its end: the only sessions in which a service's code may run.
//!
//! Only a login is a fence: a script undoes `SET ROLE` and `SET SESSION AUTHORIZATION`, but not the login of its session.
//! The name says which database a login belongs to. An advisory lock on the name, held by the session that made the login,
//! says that its command still runs. Without that lock the login is dead, and [`sweep`] removes it with its grants.

mod create;
mod error;
mod remove;

use secrecy::SecretString;

pub use create::{Server, Wanted, create};
pub use error::Error;
pub use remove::{acting, remove, sweep};

use crate::ident::Ident;
use crate::pg::connect::Target;

/// How long a login is valid, in hours.
const VALID_HOURS: i64 = 24;

/// A login that was made.
#[derive(Debug, Clone)]
pub struct TemporaryLogin {
    /// Its name.
    pub name: Ident,
    /// Its password, which the server knows as a SCRAM verifier only.
    pub password: SecretString,
}

impl TemporaryLogin {
    /// Returns the same database with this login.
    #[must_use]
    pub fn target(&self, target: &Target) -> Target {
        target.with_login(&self.name, &self.password)
    }
}

/// Relations of one schema that a login may read without being a member of their owner.
#[derive(Debug, Clone, Copy, Default)]
pub struct Readable<'a> {
    /// Tables.
    pub tables: &'a [Ident],
    /// Sequences.
    pub sequences: &'a [Ident],
}
