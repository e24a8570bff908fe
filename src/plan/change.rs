//! One difference, and the SQL that ends it.

use serde::{Deserialize, Serialize};

use crate::ident::Ident;
use crate::sql::Sql;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is a verb")]
pub enum Action {
    Create,
    Alter,
    Grant,
    Revoke,
    Set,
    Reset,
    Register,
    Issue,
    Close,
    Drop,
    Migrate,
    Settle,
}

impl Action {
    /// Gives the verb.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Alter => "alter",
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Set => "set",
            Self::Reset => "reset",
            Self::Register => "register",
            Self::Issue => "issue",
            Self::Close => "close",
            Self::Drop => "drop",
            Self::Migrate => "migrate",
            Self::Settle => "settle",
        }
    }
}

/// What it is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is PostgreSQL's own word or the design's")]
pub enum Kind {
    Database,
    Role,
    Membership,
    Setting,
    Extension,
    Schema,
    Owner,
    DefaultPrivilege,
    Privilege,
    Contract,
    Service,
    Credential,
    Migration,
}

impl Kind {
    /// Gives the word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Role => "role",
            Self::Membership => "membership",
            Self::Setting => "setting",
            Self::Extension => "extension",
            Self::Schema => "schema",
            Self::Owner => "owner",
            Self::DefaultPrivilege => "default privilege",
            Self::Privilege => "privilege",
            Self::Contract => "contract",
            Self::Service => "service",
            Self::Credential => "credential",
            Self::Migration => "migration",
        }
    }
}

/// A danger that must be allowed by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hazard {
    /// Takes a privilege or a membership that somebody may be using.
    Revoke,
    /// Gives an object to another owner, under a lock that nobody passes.
    ChangeOwner,
    /// Locks many objects in one transaction.
    LockMany,
    /// Drops a role.
    DropRole,
    /// Closes the logins of a service whose manifest is gone.
    DropService,
    /// Gives a login that is there already, and that the registry does not know, another password.
    ReplacePassword,
    /// Installs an extension that PostgreSQL does not trust: its code can do what a superuser can.
    UntrustedExtension,
    /// Exposes, or replaces, code of a contract that runs with its consumer's rights.
    ContractRunsAsConsumer,
    /// Takes from every login of the server what it may do in the database through PUBLIC.
    CloseDatabase,
}

impl Hazard {
    /// All, in order.
    pub const ALL: [Self; 9] = [
        Self::Revoke,
        Self::ChangeOwner,
        Self::LockMany,
        Self::DropRole,
        Self::DropService,
        Self::ReplacePassword,
        Self::UntrustedExtension,
        Self::ContractRunsAsConsumer,
        Self::CloseDatabase,
    ];

    /// Gives the name by which it is allowed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::ChangeOwner => "change-owner",
            Self::LockMany => "lock-many",
            Self::DropRole => "drop-role",
            Self::DropService => "drop-service",
            Self::ReplacePassword => "replace-password",
            Self::UntrustedExtension => "untrusted-extension",
            Self::ContractRunsAsConsumer => "contract-runs-as-consumer",
            Self::CloseDatabase => "close-database",
        }
    }

    /// Finds the hazard of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|h| h.name() == name)
    }
}

/// When it is done: each stage is one transaction per service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Roles, schemas, settings, grants on what is there.
    Provision,
    /// Migrations, over a login that becomes the owner.
    Migrate,
    /// Contracts, and grants on what the migrations made.
    Settle,
    /// What takes access from everybody, once nothing failed.
    Close,
}

/// Where in its stage's transaction a change stands: roles before what names them, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each says what is done there")]
pub enum Phase {
    Roles,
    Memberships,
    Settings,
    Schemas,
    Extensions,
    Owners,
    Revokes,
    Grants,
    DefaultPrivileges,
    Registry,
    Credentials,
}

/// One difference.
///
/// Equal to another when all of it is; ordered by stage, service (what all share first), phase, then words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub stage: Stage,
    /// Whose transaction; nothing for what all services share.
    pub service: Option<Ident>,
    /// Where in the transaction.
    pub phase: Phase,
    /// What is done.
    pub action: Action,
    /// To what kind of thing.
    pub kind: Kind,
    /// To which, in words; a list of objects is joined by commas.
    pub object: String,
    /// Why, in one sentence.
    pub reason: String,
    /// What must be allowed first.
    pub hazards: Vec<Hazard>,
    /// The role that the statements run as; nothing for the administrator.
    pub run_as: Option<Ident>,
    /// The role of another service that it grants to, which must be there. Not part of a saved plan.
    #[serde(skip)]
    pub consumer: Option<Ident>,
    /// A migration's version, so that V10 comes after V9; 0 for all else. Not part of a saved plan.
    #[serde(skip)]
    pub version: i64,
    /// Whether its object is yet to be made by a migration: until then it is only shown. Not part of a saved plan.
    #[serde(skip)]
    pub awaited: bool,
    /// A query that has a row, with the column `why`, where its statements must not run. Not part of a saved plan.
    #[serde(skip)]
    pub refusal: Option<Sql>,
    /// The tables and views whose access lists change, quoted: before 18 a GRANT takes no lock on them, so that one
    /// that is being altered answers `tuple concurrently updated` until it is locked first. Not part of a saved plan.
    #[serde(skip)]
    pub locks: Vec<Sql>,
    /// The statements; none where what runs is not known before (a password, a migration's own file).
    pub sql: Vec<Sql>,
}

impl Change {
    /// Gives the sort key: total over all changes of a plan.
    #[must_use]
    pub fn key(&self) -> impl Ord + use<'_> {
        let Self {
            stage,
            service,
            phase,
            action,
            kind,
            object,
            reason,
            hazards: _,
            run_as,
            consumer: _,
            version,
            awaited: _,
            refusal: _,
            locks: _,
            sql,
        } = self;
        (stage, service, phase, run_as, kind, version, object, action, reason, sql)
    }
}
