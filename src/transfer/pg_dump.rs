//! pg_dump, for definitions only: rows travel through our own copy.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::control::Control;
use super::error::Error;
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::pg::session::SessionKind;

/// Names the folder to look into first.
pub const VARIABLE: &str = "PGCLEAVE_PG_BIN";

/// How often a running pg_dump is checked for an interrupt, in milliseconds.
const POLL_MILLIS: u64 = 100;

/// A pg_dump and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgDump {
    /// The program.
    pub path: PathBuf,
    /// Its major version.
    pub major: u32,
    /// What `--version` says, without the program's name.
    pub version: String,
}

/// Which half of the definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What must be there before rows come.
    PreData,
    /// Indexes, constraints, triggers, rules.
    PostData,
}

impl PgDump {
    /// Finds the pg_dump that fits a server best: the same major, else the next newer one.
    ///
    /// Looks into `$PGCLEAVE_PG_BIN` (which wins if it fits), the usual folders of packages, and PATH.
    ///
    /// # Errors
    /// None is new enough.
    pub async fn find(major: u32) -> Result<Self, Error> {
        let chosen = std::env::var_os(VARIABLE).map(PathBuf::from);
        Self::find_in(chosen.as_deref(), major).await
    }

    /// The same with a folder that wins if it fits, in place of the variable's.
    ///
    /// # Errors
    /// None is new enough, or that folder has none at all: whoever has named it meant another.
    pub async fn find_in(chosen: Option<&Path>, major: u32) -> Result<Self, Error> {
        let chosen = chosen.filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = chosen.filter(|folder| !folder.join("pg_dump").is_file()) {
            return Err(Error::NoPgDump { major, looked: format!("{}, which has no pg_dump", folder.display()) });
        }
        let mut folders: Vec<PathBuf> = chosen.map(Path::to_owned).into_iter().collect();
        for (parent, prefix) in [("/usr/lib/postgresql", ""), ("/usr", "pgsql-"), ("/opt/homebrew/opt", "postgresql@")]
        {
            folders.extend(installed(Path::new(parent), prefix));
        }
        folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        let mut best: Option<Self> = None;
        for folder in &folders {
            let Some(found) = Self::at(&folder.join("pg_dump")).await else { continue };
            if found.major < major {
                continue;
            }
            if found.major == major || chosen == Some(folder.as_path()) {
                return Ok(found);
            }
            if best.as_ref().is_none_or(|b| found.major < b.major) {
                best = Some(found);
            }
        }
        let looked = || folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
        best.ok_or_else(|| Error::NoPgDump { major, looked: looked() })
    }

    async fn at(path: &Path) -> Option<Self> {
        if !path.is_file() {
            return None;
        }
        let output = Command::new(path).arg("--version").stdin(Stdio::null()).output().await.ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let version = text.trim().strip_prefix("pg_dump (PostgreSQL) ")?.to_owned();
        let major = version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        Some(Self { path: path.to_owned(), major, version })
    }

    /// Writes the definitions of one schema, with every name quoted, as the snapshot sees them.
    ///
    /// # Errors
    /// pg_dump could not be started, or ended badly.
    pub async fn run(
        &self,
        target: &Target,
        schema: &Ident,
        section: Section,
        snapshot: Option<&str>,
        control: &Control,
    ) -> Result<String, Error> {
        let mut command = target.program(&self.path, SessionKind::Administrator, 0, "pgcleave pg_dump");
        command
            .arg(match section {
                Section::PreData => "--section=pre-data",
                Section::PostData => "--section=post-data",
            })
            // In quotes it is a name and no pattern.
            .arg(format!("--schema={}", schema.quoted()))
            .args(["--quote-all-identifiers", "--encoding=UTF8", "--no-tablespaces", "--no-publications"])
            .args(["--no-subscriptions", "--lock-wait-timeout=60000", "--no-password"])
            .args(snapshot.map(|id| format!("--snapshot={id}")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let running = command.output();
        tokio::pin!(running);
        let output = loop {
            match tokio::time::timeout(Duration::from_millis(POLL_MILLIS), &mut running).await {
                Ok(output) => break output.map_err(|e| Error::file("start", &self.path, e))?,
                Err(_) => control.check()?,
            }
        };
        let failed = |message: String| Error::PgDumpFailed { program: self.path.clone(), message };
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        String::from_utf8(output.stdout).map_err(|_| failed("its output is not UTF-8".to_owned()))
    }
}

/// Gives `<parent>/<prefix><major>/bin`, the newest first.
fn installed(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|e| Some((e.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?, e.path().join("bin"))))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}
