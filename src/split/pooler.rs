//! PgBouncer's admin console: clients wait instead of failing while the writes change sides.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::error::Error;
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;

/// One PgBouncer.
#[derive(Debug, Clone)]
pub struct Pooler {
    /// Its admin console, database `pgbouncer`.
    pub console: Target,
    /// The name under which it serves the service.
    pub database: Ident,
    /// Its configuration, if it is ours to change.
    pub ini: Option<PathBuf>,
}

/// A PgBouncer that we talk to: PAUSE keeps its own connection busy until all transactions have ended.
#[derive(Debug)]
pub(super) struct Console {
    pooler: Pooler,
    pausing: PgConnection,
    other: PgConnection,
    guard: Option<Guard>,
}

/// A shell that lets clients go on if this process ends in the pause, even when it is killed.
#[derive(Debug)]
struct Guard(Child);

/// Reads from a pipe whose other end only this process has: without a word before its end, there was no resume.
const GUARD: &str = "trap '' INT TERM HUP; read -r said || exec psql -X -q -c \"$1\"";

impl Guard {
    fn start(pooler: &Pooler) -> std::io::Result<Self> {
        let resume = sql!("resume ", pooler.database);
        let environment = pooler.console.environment();
        let shell = Command::new("/bin/sh")
            .args(["-c", GUARD, "pgcleave-guard", resume.as_str()])
            .envs(environment.iter().map(|(name, value)| (*name, value.expose_secret().to_owned())))
            // Ctrl-C goes to the terminal's whole group.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(shell))
    }

    fn dismiss(mut self) {
        if let Some(mut stdin) = self.0.stdin.take() {
            let _ = stdin.write_all(b"resumed\n");
        }
        let _ = self.0.wait();
    }
}

impl Console {
    /// Connects.
    pub(super) async fn open(pooler: &Pooler) -> Result<Self, Error> {
        let (pausing, other) = (connect(pooler).await?, connect(pooler).await?);
        Ok(Self { pooler: pooler.clone(), pausing, other, guard: None })
    }

    /// Lets no transaction begin any more, and waits until all that run have ended; false if they did not.
    pub(super) async fn pause(&mut self, bound: Duration) -> Result<bool, Error> {
        let guard =
            Guard::start(&self.pooler).map_err(|e| Error::Route(format!("no shell to guard the pooler: {e}")))?;
        self.guard = Some(guard);
        let pause = sql!("pause ", self.pooler.database);
        let paused = exec::batch(&mut self.pausing, "pause the pooler", &pause);
        match tokio::time::timeout(bound, paused).await {
            Ok(done) => done.map(|()| true).map_err(|e| failed(&e)),
            Err(_) => {
                self.resume().await?;
                // It still waits for its answer.
                self.pausing = connect(&self.pooler).await?;
                Ok(false)
            }
        }
    }

    /// Lets clients go on; that it was not paused is no mistake.
    pub(super) async fn resume(&mut self) -> Result<(), Error> {
        let resume = sql!("resume ", self.pooler.database);
        match exec::batch(&mut self.other, "resume the pooler", &resume).await {
            // That it was not paused; its console knows few SQLSTATEs.
            Ok(()) | Err(PgError::Statement(_)) => {}
            Err(error) => return Err(failed(&error)),
        }
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
        Ok(())
    }

    /// Proves before any pause that the pooler can be switched: its configuration has the line and can be written, the console
    /// lets us reload it, and it is this file that the pooler reads. Clients notice nothing.
    ///
    /// # Errors
    /// What keeps it from being switched.
    pub(super) async fn rehearse(&mut self, id: &str) -> Result<(), Error> {
        let Some(ini) = self.pooler.ini.clone() else {
            self.place().await?;
            return self.reload().await;
        };
        let wrong = |what: String| Error::Route(format!("{}: {what}", ini.display()));
        let text = std::fs::read_to_string(&ini).map_err(|e| wrong(e.to_string()))?;
        let text = without_probes(&text);
        let probe = format!("{PROBE}{id}");
        let probing = probing(&text, self.pooler.database.as_str(), &probe).map_err(wrong)?;
        replace(&ini, &probing).map_err(|e| wrong(format!("it cannot be written: {e}")))?;
        let seen = match self.reload().await {
            Ok(()) => self.serves(&probe).await,
            Err(error) => Err(error),
        };
        replace(&ini, &text).map_err(|e| wrong(format!("it cannot be written: {e}")))?;
        self.reload().await?;
        if seen? {
            return Ok(());
        }
        Err(wrong("the pooler reads another file: a line that was written there is not in SHOW DATABASES".to_owned()))
    }

    /// Writes the new place into the configuration, if it is ours to change.
    pub(super) fn rewrite(&self, place: &Target) -> Result<(), Error> {
        let Some(ini) = &self.pooler.ini else { return Ok(()) };
        let wrong = |what: String| Error::Route(format!("{}: {what}", ini.display()));
        let text = std::fs::read_to_string(ini).map_err(|e| wrong(e.to_string()))?;
        let text = rewritten(&without_probes(&text), self.pooler.database.as_str(), place).map_err(wrong)?;
        replace(ini, &text).map_err(|e| wrong(e.to_string()))
    }

    /// Lets it read its configuration again, and asks it whether it leads to the new place and no longer to the old one.
    pub(super) async fn switch(&mut self, from: &Target, to: &Target) -> Result<(), Error> {
        self.reload().await?;
        let now = self.place().await?;
        let is = |target: &Target| now == (target.host(), target.port(), target.database().to_owned());
        // Where somebody else writes the file, its name of the new host may be another than ours.
        let switched = if self.pooler.ini.is_some() { is(to) } else { !is(from) };
        if switched {
            return Ok(());
        }
        let (name, (host, port, database)) = (self.pooler.database.as_str(), now);
        Err(Error::Route(format!("PgBouncer was reloaded and still leads {name} to {host}:{port}/{database}")))
    }

    async fn reload(&mut self) -> Result<(), Error> {
        exec::batch(&mut self.other, "reload the pooler", &sql!("reload")).await.map_err(|e| failed(&e))
    }

    /// Gives where it leads the service's clients: host, port and database.
    async fn place(&mut self) -> Result<(String, u16, String), Error> {
        let name = self.pooler.database.as_str().to_owned();
        let rows = self.databases().await?;
        let found = rows.iter().find(|row| row.try_get::<&str, _>("name").is_ok_and(|n| n == name));
        let place = found.and_then(|row| {
            let host = row.try_get::<Option<String>, _>("host").ok()?.unwrap_or_default();
            let port = u16::try_from(row.try_get::<i32, _>("port").ok()?).ok()?;
            Some((host, port, row.try_get("database").ok()?))
        });
        place
            .ok_or_else(|| Error::Route(format!("PgBouncer serves no database {name}, or does not say where it leads")))
    }

    /// Tells whether it serves a database of this name.
    async fn serves(&mut self, name: &str) -> Result<bool, Error> {
        let rows = self.databases().await?;
        Ok(rows.iter().any(|row| row.try_get::<&str, _>("name").is_ok_and(|n| n == name)))
    }

    async fn databases(&mut self) -> Result<Vec<PgRow>, Error> {
        let asked = sqlx::raw_sql("show databases").fetch_all(&mut self.other).await;
        asked.map_err(|e| failed(&PgError::new("ask the pooler where it leads", &e)))
    }
}

/// The name of a line that is written only to see whether the pooler reads the file; a split's id follows.
const PROBE: &str = "pgcleave_probe_";

async fn connect(pooler: &Pooler) -> Result<PgConnection, Error> {
    pooler.console.connect_console("pgcleave").await.map_err(|e| failed(&e))
}

fn failed(error: &PgError) -> Error {
    Error::Route(format!("PgBouncer: {error}"))
}

/// Replaces a file at once, keeping its mode; its owner stays ours.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = std::fs::metadata(path)?.permissions();
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.as_file().set_permissions(permissions)?;
    #[cfg(unix)]
    keep_owner(path, file.path());
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// PgBouncer must still be able to read it; where that is not ours to do, the mode has to allow it.
#[cfg(unix)]
fn keep_owner(from: &Path, to: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    if let Ok(before) = std::fs::metadata(from) {
        let _ = std::os::unix::fs::chown(to, Some(before.uid()), Some(before.gid()));
    }
}

/// Gives the configuration with another host, port and database in one line of its section `[databases]`.
fn rewritten(text: &str, name: &str, place: &Target) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let (mut inside, mut found) = (false, false);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            inside = trimmed.eq_ignore_ascii_case("[databases]");
        }
        let entry = trimmed.split_once('=').filter(|(key, _)| inside && key.trim().trim_matches('"') == name);
        match entry {
            Some((key, value)) => {
                found = true;
                out.push_str(&format!("{}= {}\n", key, value_with(value, place)));
            }
            None => out.push_str(line),
        }
    }
    if found { Ok(out) } else { Err(format!("its section [databases] has no line for {name}")) }
}

/// Gives the configuration with a line of another name behind that of `name`, which leads where that one leads.
fn probing(text: &str, name: &str, probe: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len() + 100);
    let (mut inside, mut found) = (false, false);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            inside = trimmed.eq_ignore_ascii_case("[databases]");
        }
        out.push_str(line);
        let entry = trimmed.split_once('=').filter(|(key, _)| inside && key.trim().trim_matches('"') == name);
        if let Some((_, value)) = entry {
            found = true;
            let end = if line.ends_with('\n') { "" } else { "\n" };
            out.push_str(&format!("{end}{probe} = {}\n", value.trim()));
        }
    }
    if found { Ok(out) } else { Err(format!("its section [databases] has no line for {name}")) }
}

/// Gives the configuration without such lines; a run that was killed may have left one.
fn without_probes(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with(PROBE)).collect()
}

/// Keeps every parameter but those that say where.
fn value_with(value: &str, place: &Target) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = value.trim();
    while let Some((key, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let end = match after.strip_prefix('\'') {
            // A quote is doubled inside quotes.
            Some(quoted) => {
                let close = quoted.replace("''", "\u{0}\u{0}").find('\'');
                close.map_or(after.len(), |at| at + 2)
            }
            None => after.find(char::is_whitespace).unwrap_or(after.len()),
        };
        let key = key.trim();
        if !["host", "port", "dbname"].contains(&key) {
            parts.push(format!("{key}={}", &after[..end]));
        }
        rest = after[end..].trim_start();
    }
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let port = place.port();
    let mut all = vec![format!("host={}", quoted(&place.host())), format!("port={port}")];
    all.push(format!("dbname={}", quoted(place.database())));
    all.append(&mut parts);
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INI: &str = ";; ours\n[databases]\nother = host=a dbname=shop\norders = host=a port=5432 dbname=shop \
        password='it''s host=x' pool_size=20\n\n[pgbouncer]\norders = 1\n";

    fn place() -> Target {
        Target::parse(&"postgresql://admin@b:5433/orders".into()).expect("a connection string")
    }

    #[test]
    fn only_the_place_of_one_line_changes() {
        let text = rewritten(INI, "orders", &place()).expect("there is such a line");
        let line = "orders = host='b' port=5433 dbname='orders' password='it''s host=x' pool_size=20\n";
        let old = "orders = host=a port=5432 dbname=shop password='it''s host=x' pool_size=20\n";
        assert_eq!(text, INI.replace(old, line));
        assert_eq!(rewritten(&text, "orders", &place()), Ok(text.clone()));
    }

    #[test]
    fn a_line_that_is_not_there_is_an_error() {
        assert!(rewritten(INI, "billing", &place()).is_err());
        assert!(probing(INI, "billing", "pgcleave_probe_1").is_err());
    }

    #[test]
    fn a_probe_leads_where_the_service_is_led_and_leaves_nothing() {
        let probing = probing(INI, "orders", "pgcleave_probe_1").expect("there is such a line");
        let line = "pgcleave_probe_1 = host=a port=5432 dbname=shop password='it''s host=x' pool_size=20\n";
        assert!(probing.contains(line), "{probing}");
        assert_eq!(without_probes(&probing), INI);
        let last = super::probing("[databases]\norders = host=a", "orders", "pgcleave_probe_1");
        assert_eq!(last.as_deref(), Ok("[databases]\norders = host=a\npgcleave_probe_1 = host=a\n"));
    }
}
