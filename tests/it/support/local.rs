//! A server from the PostgreSQL that is installed on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::reaper::Reaper;
use super::server::{Address, SUPERUSER, Wanted, settings};

/// How often another port is tried when the one found free was taken meanwhile.
const PORT_TRIES: u32 = 5;

/// How long the server may take to write that it is ready.
const READY_SECONDS: u64 = 30;

/// A server process.
pub(super) struct Running {
    bin: PathBuf,
    postmaster: Child,
    _reaper: Reaper,
}

impl Running {
    pub(super) fn label(&self) -> String {
        format!("from {}", self.bin.display())
    }

    /// Freezes all of its processes, or lets them go on.
    pub(super) fn freeze(&self, frozen: bool) {
        let signal = if frozen { "STOP" } else { "CONT" };
        let script = "kill -$1 $2 $(ps -o pid= --ppid $2)";
        let pid = self.postmaster.id().to_string();
        let done = Command::new("sh").args(["-c", script, "sh", signal, &pid]).status().expect("a shell runs");
        assert!(done.success(), "the server's processes take no signal");
    }
}

/// Starts a server of the wanted major, or says why not.
pub(super) fn start(wanted: Wanted) -> Result<(Address, Running), String> {
    let installed = installations();
    let Some(bin) = wanted.pick(installed.keys().copied()).and_then(|major| installed.get(&major)).cloned() else {
        return Err(match wanted {
            Wanted::Major(major) => format!("PostgreSQL {major} is not installed"),
            Wanted::Oldest | Wanted::Newest => "no PostgreSQL is installed".to_owned(),
        });
    };
    let account = Account::choose()?;
    let folder = tempfile::Builder::new().prefix("pgcleave-test-").tempdir().map_err(|e| e.to_string())?;
    // From here on the reaper removes it.
    let folder = folder.keep();
    let reaper = Reaper::start(REAP, &[&folder.to_string_lossy()]).map_err(|e| e.to_string())?;
    account.give(&folder)?;
    initialise(&account, &bin, &folder)?;
    for _ in 0..PORT_TRIES {
        let port = free_port().map_err(|e| format!("no free port: {e}"))?;
        if let Some(postmaster) = launch(&account, &bin, &folder, port)? {
            return Ok((Address::started("127.0.0.1", port), Running { bin, postmaster, _reaper: reaper }));
        }
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    Err(format!("{} does not start:\n{log}", bin.join("postgres").display()))
}

/// Stops the server by the first line of its pid file, then removes the folder; initdb may be at it still.
const REAP: &str = r#"
for try in 1 2 3 4 5; do
  pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
  if [ -n "$pid" ]; then
    kill -INT "$pid"
    for wait in 1 2 3 4 5 6 7 8 9 10; do [ -e "$1/data/postmaster.pid" ] || break; sleep 0.3; done
    [ -e "$1/data/postmaster.pid" ] && kill -QUIT "$pid" && sleep 1
  fi
  rm -rf "$1"
  sleep 1
  [ -e "$1" ] || break
done
"#;

/// Finds what is installed: major → folder of programs.
fn installations() -> BTreeMap<u32, PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    if let Ok(told) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&told.stdout).trim()));
    }
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found =
        folders.into_iter().filter(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file());
    found.filter_map(|folder| Some((major_of(&folder)?, folder))).collect()
}

/// Asks `postgres --version`, which answers like `postgres (PostgreSQL) 17.2 (Debian …)`.
fn major_of(folder: &Path) -> Option<u32> {
    let told = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let digits: String = told.split_once("(PostgreSQL) ")?.1.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The account that the server runs as: never root, which PostgreSQL refuses.
struct Account {
    ids: Option<(u32, u32)>,
}

impl Account {
    fn choose() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { ids: None });
        }
        let accounts = fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
        let ids_of = |name: &str| {
            let mut fields = accounts.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        match ids_of("postgres").or_else(|| ids_of("nobody")) {
            Some(ids) => Ok(Self { ids: Some(ids) }),
            None => Err("root cannot run a server, and there is neither an account postgres nor nobody".to_owned()),
        }
    }

    fn give(&self, path: &Path) -> Result<(), String> {
        let Some((user, group)) = self.ids else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user), Some(group)).map_err(|error| format!("chown: {error}"))
    }

    fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        // A working directory that the account can enter, and no PGHOST or the like of the caller's.
        command.current_dir(folder).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command
    }
}

fn initialise(account: &Account, bin: &Path, folder: &Path) -> Result<(), String> {
    let password = folder.join("password");
    fs::write(&password, SUPERUSER).map_err(|error| error.to_string())?;
    account.give(&password)?;
    let made = account
        .command(&bin.join("initdb"), folder)
        .args(["--username", SUPERUSER, "--pwfile", "password", "--pgdata", "data"])
        .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"])
        .output()
        .map_err(|error| format!("initdb: {error}"))?;
    if made.status.success() { Ok(()) } else { Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr))) }
}

/// Starts the server; gives nothing when it ended at once, as it does when the port has been taken.
fn launch(account: &Account, bin: &Path, folder: &Path, port: u16) -> Result<Option<Child>, String> {
    let log = fs::File::create(folder.join("log")).map_err(|error| error.to_string())?;
    let mut postmaster = account
        .command(&bin.join("postgres"), folder)
        .args(["-D", "data", "-k", &folder.to_string_lossy(), "-h", "127.0.0.1", "-p", &port.to_string()])
        .args(settings(major_of(bin).unwrap_or_default()).flat_map(|setting| ["-c", setting]))
        .process_group(0)
        .stdout(log.try_clone().map_err(|error| error.to_string())?)
        .stderr(log)
        .spawn()
        .map_err(|error| format!("postgres: {error}"))?;
    for _ in 0..READY_SECONDS * 50 {
        // The eighth line says `ready`; only then is the port surely this server's.
        let state = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
        if state.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
            return Ok(Some(postmaster));
        }
        if postmaster.try_wait().map_err(|error| error.to_string())?.is_some() {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("the server has not become ready within {READY_SECONDS} s"))
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
