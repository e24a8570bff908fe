//! A PostgreSQL of one's own: for the demo, and for daily work on a developer's machine.
//!
//! It listens on 127.0.0.1 only, asks for a password, and ends with this process, however that ends.

mod account;
#[cfg(feature = "download")]
mod download;
mod error;
mod find;
mod process;

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

pub use error::Error;

use account::Account;
use process::Process;

/// The superuser's name.
const SUPERUSER: &str = "postgres";

/// How often another port is tried when the one found free was taken meanwhile.
const PORT_TRIES: u32 = 5;

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that holds the server's files; nothing for a temporary one, which goes away with the server.
    pub folder: Option<PathBuf>,
}

/// A running server. Dropping it ends the server too, but without waiting.
#[derive(Debug)]
pub struct Server {
    process: Process,
    folder: PathBuf,
    temporary: bool,
    port: u16,
    major: u32,
    password: SecretString,
    /// Held for as long as the server is ours.
    _lock: fs::File,
}

impl Server {
    /// Starts a server of the newest PostgreSQL on this machine, downloading one when there is none.
    ///
    /// # Errors
    /// There is none, or it does not start; the error holds what the server said.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let found = match find::find()? {
            Some(found) => found,
            None => fetch().await?,
        };
        tokio::task::spawn_blocking(move || launch(&found, options))
            .await
            .map_err(|e| Error::Panicked(e.to_string()))?
    }

    /// Gives the superuser's connection string to the database `postgres`, password and all.
    #[must_use]
    pub fn url(&self) -> SecretString {
        let (password, port) = (self.password.expose_secret(), self.port);
        SecretString::from(format!("postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres"))
    }

    /// Gives the connection string without the password, for people.
    #[must_use]
    pub fn label(&self) -> String {
        format!("PostgreSQL {} on 127.0.0.1:{}", self.major, self.port)
    }

    /// Gives the port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives the folder that holds the server's files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops the server, waits until it has ended, and removes what is temporary.
    ///
    /// # Errors
    /// It does not end, or its folder cannot be removed.
    pub async fn stop(self) -> Result<(), Error> {
        let stopping = move || {
            let Self { process, folder, temporary, .. } = self;
            process.stop()?;
            if temporary {
                fs::remove_dir_all(&folder).map_err(|e| Error::file("remove", &folder, &e))?;
            }
            Ok(())
        };
        tokio::task::spawn_blocking(stopping).await.map_err(|e| Error::Panicked(e.to_string()))?
    }
}

#[cfg(feature = "download")]
async fn fetch() -> Result<find::Found, Error> {
    download::fetch().await
}

#[cfg(not(feature = "download"))]
async fn fetch() -> Result<find::Found, Error> {
    Err(Error::NotInstalled { download: "this pgcleave was built without the feature `download`".to_owned() })
}

fn launch(found: &find::Found, options: Options) -> Result<Server, Error> {
    let account = Account::choose()?;
    let temporary = options.folder.is_none();
    let folder = match options.folder {
        Some(folder) => {
            fs::create_dir_all(&folder).map_err(|e| Error::file("create", &folder, &e))?;
            fs::canonicalize(&folder).map_err(|e| Error::file("find", &folder, &e))?
        }
        None => {
            let made = tempfile::Builder::new().prefix("pgcleave-").tempdir();
            // From here on the watchdog removes it.
            made.map_err(|e| Error::file("create", &std::env::temp_dir(), &e))?.keep()
        }
    };
    let lock = lock(&folder)?;
    let watchdog = process::Watchdog::start(&folder, temporary)?;
    account.give(&folder)?;
    let password = initialise(&account, found, &folder)?;
    let (process, port) = run(&account, found, &folder, temporary, watchdog)?;
    Ok(Server { process, folder, temporary, port, major: found.major, password, _lock: lock })
}

/// Takes the folder for this process alone.
fn lock(folder: &Path) -> Result<fs::File, Error> {
    let path = folder.join("lock");
    let file = fs::File::create(&path).map_err(|e| Error::file("write", &path, &e))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::InUse(folder.to_owned())),
        Err(error) => Err(Error::file("lock", &path, &error.into())),
    }
}

/// Makes the server's files, unless they are there; gives the superuser's password.
fn initialise(account: &Account, found: &find::Found, folder: &Path) -> Result<SecretString, Error> {
    let (data, password_file) = (folder.join("data"), folder.join("superuser-password"));
    let kept = fs::read_to_string(data.join("PG_VERSION"));
    if let Ok(kept) = kept {
        if kept.trim() != found.major.to_string() {
            let has = kept.trim().to_owned();
            return Err(Error::OtherMajor { folder: data, has, found: found.major });
        }
        let password = fs::read_to_string(&password_file).map_err(|e| Error::file("read", &password_file, &e))?;
        return Ok(SecretString::from(password.trim().to_owned()));
    }
    let password = random_password()?;
    account.write_private(&password_file, password.expose_secret())?;
    // Under another name first, so that a kill leaves nothing that looks whole.
    let unfinished = folder.join("data.partial");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(|e| Error::file("remove", &unfinished, &e))?;
    }
    let made = account
        .command(&found.bin.join("initdb"), folder)
        .args(["--username", SUPERUSER, "--pwfile", "superuser-password", "--pgdata", "data.partial"])
        .args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions"])
        .output()
        .map_err(|e| Error::file("run", &found.bin.join("initdb"), &e))?;
    if !made.status.success() {
        return Err(Error::Initdb(String::from_utf8_lossy(&made.stderr).trim().to_owned()));
    }
    fs::rename(&unfinished, &data).map_err(|e| Error::file("rename", &unfinished, &e))?;
    Ok(password)
}

/// Starts the server on the port of last time, if that is free, or on another.
fn run(
    account: &Account,
    found: &find::Found,
    folder: &Path,
    temporary: bool,
    mut watchdog: process::Watchdog,
) -> Result<(Process, u16), Error> {
    let port_file = folder.join("port");
    let last = fs::read_to_string(&port_file).ok().and_then(|text| text.trim().parse::<u16>().ok());
    for attempt in 0..PORT_TRIES {
        let port = match last {
            Some(port) if attempt == 0 => port,
            _ => free_port().map_err(|e| Error::file("find a port of", Path::new("127.0.0.1"), &e))?,
        };
        if let Some(child) = process::launch(account, found, folder, port, temporary, &mut watchdog)? {
            fs::write(&port_file, port.to_string()).map_err(|e| Error::file("write", &port_file, &e))?;
            return Ok((Process::new(child, watchdog), port));
        }
    }
    Err(Error::DoesNotStart(process::log_tail(folder)))
}

fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Makes a password of 256 bits, in hexadecimal digits.
fn random_password() -> Result<SecretString, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(SecretString::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}
