//! What in a folder of migrations keeps its service from being migrated, and why.

use std::path::PathBuf;

use crate::manifest::path::shown;
use crate::model::layout::Layout;

/// The largest migration that is read, in bytes; beyond that, data should be loaded in another way.
pub(super) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Something in a migrations folder that keeps the service from being migrated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{}: {why}", shown(path).display())]
pub struct BadFile {
    /// The file or folder.
    pub path: PathBuf,
    /// Why it is no migration.
    pub why: Why,
}

/// Why a file is no migration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[expect(missing_docs, reason = "each says itself what it means")]
pub enum Why {
    #[error("cannot be read: {0}")]
    Unreadable(String),
    #[error("the folder holds no migration; the first is named V1__<name>.sql")]
    EmptyFolder,
    #[error("the files fit several layouts; write one of them into the manifest: {}", choices(.0))]
    SeveralLayouts(Vec<Layout>),
    #[error("the files fit no layout; most fit {}. Where that is the right one, write `layout: {}` into the manifest", .0.word(), .0.word())]
    NoLayout(Layout),
    #[error("is a folder; migrations lie side by side in one folder")]
    Folder,
    #[error("is not named {}", .0.form())]
    BadName(Layout),
    #[error("its version is too large")]
    BadVersion,
    #[error("its version has {0} digits; diesel's have 14 or 18")]
    DieselDigits(usize),
    #[error("has the same version as {0}")]
    Duplicate(String),
    #[error("is not UTF-8: byte {0} is the first that is not")]
    NotUtf8(usize),
    #[error("holds a NUL byte")]
    Nul,
    #[error("begins with a byte order mark; save it without")]
    ByteOrderMark,
    #[error("is empty")]
    Empty,
    #[error("leads outside the folder that holds pgcleave.yaml, and was not read")]
    Outside,
    #[error("has {bytes} bytes; {MAX_BYTES} is the most")]
    TooLarge { bytes: u64 },
    #[error("is written in Go, and pgcleave runs only SQL: write its statements into an .sql file of the same number")]
    GoCode,
    #[error(
        "has a version with dots; give the files whole numbers, such as V2__name.sql, in the order of their versions"
    )]
    Dotted,
    #[error("is a repeatable migration of Flyway; copy it into a new V<number>__<name>.sql each time that it changes")]
    Repeatable,
    #[error("is a callback of Flyway; pgcleave runs none: move its statements into a V<number>__<name>.sql")]
    Callback,
    #[error(
        "is a baseline migration of Flyway; keep the V<number>__ files, or rename it to V<number>__<name>.sql in a new folder"
    )]
    FlywayBaseline,
    #[error(
        "line {line}: {name} is a placeholder of Flyway; write its value, or set placeholderReplacement=false in {file}.conf"
    )]
    Placeholder { line: usize, name: String, file: String },
    #[error("line {0}: `-- +goose ENVSUB ON` puts values of the environment into the script; write them out")]
    EnvSub(usize),
    #[error("has no line `{0}`, after which what is to run stands")]
    NoUpSection(&'static str),
    #[error("line {0}: a second section to run; write it into a file of its own")]
    SecondUpSection(usize),
    #[error("line {line}: a statement stands before `{marker}`, and would never run")]
    BeforeUpSection { line: usize, marker: &'static str },
    #[error("line {line}: the option {option} is not known")]
    UnknownOption { line: usize, option: String },
    #[error("line {line}: a section of {}, whose part to undo would run; write `layout: {}` into the manifest", .layout.word(), .layout.word())]
    SectionOf { line: usize, layout: Layout },
}

fn choices(layouts: &[Layout]) -> String {
    layouts.iter().map(|layout| format!("`layout: {}`", layout.word())).collect::<Vec<_>>().join(", ")
}
