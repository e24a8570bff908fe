//! Why a service could not be migrated.

use super::compare::Mismatch;
use super::discover::BadFile;
use crate::analyze::script::Obstacle;
use crate::error::{Coded, Verdict, one_line};
use crate::ident::{Ident, IdentError};
use crate::pg;
use crate::pg::lock::LockError;
use crate::registry::RegistryError;
use crate::temporary_login;

/// Says what kept a service, or all of them, from being migrated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds what is no migration; nothing of the service was run.
    #[error("{}", lines(.0))]
    Files(Vec<BadFile>),
    /// The files do not follow on from what was applied; nothing of the service was run.
    #[error("{}", mismatches(.all, *.more))]
    Mismatch {
        /// Each file or row that does not fit.
        all: Vec<Mismatch>,
        /// How many rows of the history were not read.
        more: u64,
    },
    /// A script holds what must not or cannot run; nothing of the service was run.
    #[error("{}", refused(.0))]
    Refused(Vec<(String, Obstacle)>),
    /// The server refused a script; its transaction is rolled back, the files before it stay applied.
    #[error("{file}{}: {message}", place(.line))]
    Script {
        /// The file's name.
        file: String,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// The server's message, with its detail.
        message: String,
        /// The server's SQLSTATE, if it was the server.
        sqlstate: Option<String>,
    },
    /// A script without a transaction failed half-way; the statements before stay done.
    #[error("{file}{}: {message}; the {done} statements before it stay done, and the next run starts the file again", place(.line))]
    Half {
        /// The file's name.
        file: String,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// How many statements stay done.
        done: usize,
        /// The server's message, with its detail.
        message: String,
    },
    /// A file ran for longer than it may; its transaction is rolled back.
    #[error("{file}{}: stopped after {seconds} s, the limit of a file", place(.line))]
    TooLong {
        /// The file's name.
        file: String,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// The limit.
        seconds: u64,
    },
    /// A statement waited too long for a lock, as often as it was tried; its transaction is rolled back.
    #[error("{0}")]
    LockWait(Box<LockWait>),
    /// A file left an invalid index or a pending detach, or took one for what it wanted; it is not recorded.
    #[error("{file}: {}; the file is not recorded", .found.join("; "))]
    Unfinished {
        /// The file's name.
        file: String,
        /// What is unfinished, in words.
        found: Vec<String>,
    },
    /// What an interrupted file left could not be removed before its next run.
    #[error("{left}, since {file} was interrupted, and could not be dropped: {message}")]
    LeftoverIndex {
        /// What is left, in words.
        left: String,
        /// The file that left it.
        file: String,
        /// Why it is still there.
        message: String,
    },
    /// The history's row of a file is not there although the server took it; a trigger or a rule of the service's own
    /// has swallowed it.
    #[error("version {version} is not in the history after it was written there: a trigger or a rule removes the row")]
    NotRecorded {
        /// The version.
        version: i64,
    },
    /// The schema holds objects, and no history was ever recorded here: the files may have run already.
    #[error("{}", needs_baseline(.service, .schema, *.objects, (.others, .mark.as_deref())))]
    NeedsBaseline {
        /// The service.
        service: Ident,
        /// Its schema.
        schema: Ident,
        /// How many objects the schema holds.
        objects: i64,
        /// How far other tools' histories are, in words.
        others: Vec<String>,
        /// The version up to which another tool's history has all files, if one says so.
        mark: Option<String>,
    },
    /// No file has the version that is to be recorded as applied.
    #[error("no migration file has version {version}")]
    NoSuchVersion {
        /// The version.
        version: i64,
    },
    /// A script left the owner's role; its transaction is rolled back.
    #[error("{file}: the script left the role {owner:?} that it has to run as")]
    LeftOwner {
        /// The file's name.
        file: String,
        /// The role.
        owner: Ident,
    },
    /// The service's roles or its schema are not there yet.
    #[error("{missing} is not there yet")]
    NotProvisioned {
        /// What is missing.
        missing: String,
    },
    /// The temporary login did not become the owner.
    #[error("the login {login:?} became {became:?} instead of {owner:?}")]
    NotOwner {
        /// The temporary login.
        login: Ident,
        /// The role that it should have become.
        owner: Ident,
        /// The role that it is.
        became: String,
    },
    /// The temporary login could not be made or dropped.
    #[error(transparent)]
    Login(#[from] temporary_login::Error),
    /// The history table holds a row that refinery did not write, or refinery itself failed.
    #[error("the migration history is unusable: {0}")]
    History(String),
    /// No manifest has this name.
    #[error("there is no service {0:?}")]
    UnknownService(String),
    /// The service has moved to another database, or is about to.
    #[error("{0}")]
    Moving(String),
    /// A person asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A role's name does not fit.
    #[error(transparent)]
    Name(#[from] IdentError),
    /// Somebody else migrates the same schema.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The registry could not be read or written.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The server refused a statement of ours or could not be reached.
    #[error(transparent)]
    Server(#[from] pg::error::Error),
}

/// A statement that waited too long for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockWait {
    /// The file's name.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// How long it waited each time, in seconds.
    pub seconds: u64,
    /// How often it was tried.
    pub tries: u32,
    /// Who holds the lock.
    pub blocker: String,
}

impl std::fmt::Display for LockWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, seconds, tries, blocker } = self;
        write!(f, "{file}{}: waited {seconds} s for a lock that {blocker} holds", place(line))?;
        if *tries > 1 { write!(f, "; tried {tries} times") } else { Ok(()) }
    }
}

/// How many mismatches are named.
const NAMED_MISMATCHES: usize = 10;

fn mismatches(all: &[Mismatch], more: u64) -> String {
    let mut named: Vec<String> = all.iter().take(NAMED_MISMATCHES).map(ToString::to_string).collect();
    let rest = u64::try_from(all.len().saturating_sub(NAMED_MISMATCHES)).unwrap_or(0) + more;
    if rest > 0 {
        named.push(format!("and {} more", grouped(rest)));
    }
    named.join("\n")
}

/// Writes a number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn needs_baseline(service: &Ident, schema: &Ident, objects: i64, (others, mark): (&[String], Option<&str>)) -> String {
    let (service, schema) = (service.as_str(), schema.as_str());
    let plural = if objects == 1 { "" } else { "s" };
    let mut text = format!(
        "schema {schema} holds {objects} object{plural}, and no migration of it was ever recorded here: its files may have \
         run already, so none is run"
    );
    for other in others {
        text.push_str("; ");
        text.push_str(other);
    }
    text.push_str(&match mark {
        Some(version) => format!(". Run `pgcleave migrate {service} --mark-applied {version}`, which records them"),
        None => format!(
            ". Run `pgcleave migrate {service} --mark-applied VERSION` with the version of the last file that has run, or \
             `all`"
        ),
    });
    text
}

fn lines<T: ToString>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join("\n")
}

fn refused(all: &[(String, Obstacle)]) -> String {
    let line = |(file, obstacle): &(String, Obstacle)| format!("{file}, {obstacle}: {}", obstacle.kind.advice());
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn place(line: &Option<usize>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

/// How much of a server's message is shown, in characters.
const MOST_MESSAGE_CHARACTERS: usize = 2_000;

/// Gives the server's message with its detail and hint, on one line.
pub(super) fn in_full(error: &pg::error::Error) -> String {
    // a script can raise any text
    let mut text = one_line(&error.in_full());
    if let Some((cut, _)) = text.char_indices().nth(MOST_MESSAGE_CHARACTERS) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

impl Error {
    pub(super) fn mismatch(all: Vec<Mismatch>, more: u64) -> Self {
        Self::Mismatch { all, more }
    }

    /// Tells whether the files wait until somebody has said which of them have run.
    #[must_use]
    pub fn is_baseline(&self) -> bool {
        matches!(self, Self::NeedsBaseline { .. })
    }

    /// Tells whether a script lacked an object or a privilege, so that it may succeed once another service has exposed it.
    #[must_use]
    pub fn lacks_something(&self) -> bool {
        const LACKS: [&str; 5] = ["42501", "42P01", "42883", "42704", "3F000"];
        matches!(self, Self::Script { sqlstate: Some(state), .. } if LACKS.contains(&state.as_str()))
    }
}

impl Coded for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Files(_) => "bad-migrations",
            Self::Mismatch { .. } => "migration-mismatch",
            Self::TooLong { .. } => "migration-too-long",
            Self::LockWait(_) => "migration-lock-wait",
            Self::Unfinished { .. } => "migration-invalid-index",
            Self::LeftoverIndex { .. } => "migration-leftover-index",
            Self::NotRecorded { .. } => "migration-not-recorded",
            Self::NeedsBaseline { .. } => "needs-baseline",
            Self::NoSuchVersion { .. } => "no-such-version",
            Self::Refused(_) => "migration-refused",
            Self::Script { .. } => "migration-failed",
            Self::Half { .. } => "migration-half-done",
            Self::LeftOwner { .. } => "migration-left-owner",
            Self::NotProvisioned { .. } => "not-provisioned",
            Self::NotOwner { .. } => "not-owner",
            Self::Login(error) => error.code(),
            Self::History(_) => "migration-history",
            Self::UnknownService(_) => "unknown-service",
            Self::Moving(_) => "service-moving",
            Self::Interrupted => "interrupted",
            Self::Name(_) => "bad-name",
            Self::Lock(error) => error.code(),
            Self::Registry(error) => error.code(),
            Self::Server(error) => error.code(),
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Files(_) | Self::UnknownService(_) | Self::Name(_) | Self::NoSuchVersion { .. } => Verdict::Invalid,
            Self::Refused(_) | Self::Mismatch { .. } | Self::Moving(_) | Self::NeedsBaseline { .. } => Verdict::Refused,
            Self::Interrupted => Verdict::Interrupted,
            Self::Lock(error) => error.verdict(),
            Self::Registry(error) => error.verdict(),
            Self::Login(error) => error.verdict(),
            Self::Server(error) => error.verdict(),
            _ => Verdict::Failed,
        }
    }
}
