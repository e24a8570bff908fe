//! Files that only their owner reads, replaced as a whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::SinkError;

/// How long to wait for another process that writes to the same sink, in seconds.
const LOCK_SECONDS: u64 = 30;
/// How long to sleep between two tries of the lock, in milliseconds.
const POLL_MILLIS: u64 = 10;
/// How half-written files are named; under the lock any such file is a leftover.
const PARTIAL: (&str, &str) = (".pgcleave-", ".partial");

/// Holds the lock of a sink until it is dropped; the system drops it too when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Names what failed.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SinkError {
    let path = path.to_owned();
    move |source| SinkError::File { doing, path, source }
}

/// Makes a folder that only its owner enters; warns when one is there that others can read.
pub(super) fn private_folder(folder: &Path) -> Result<Vec<String>, SinkError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make the folder", folder))?;
    let mode = fs::metadata(folder).map_err(failed("look at the folder", folder))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "others on this machine can enter the folder of secrets {} (mode {:03o}): chmod 700 it",
        folder.display(),
        mode & 0o777
    )])
}

/// Keeps all that is in a folder out of version control.
pub(super) fn ignore_by_git(folder: &Path) -> Result<(), SinkError> {
    let path = folder.join(".gitignore");
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut file) => file.write_all(b"*\n").map_err(failed("write", &path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("write", &path)(error)),
    }
}

/// Waits for the sink's lock, which is a file of its own, since the others are replaced.
pub(super) fn lock(path: &Path) -> Result<Lock, SinkError> {
    let options = || OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    let file = options().map_err(failed("lock", path))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) if started.elapsed() < Duration::from_secs(LOCK_SECONDS) => {
                std::thread::sleep(Duration::from_millis(POLL_MILLIS));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(SinkError::Busy { path: path.to_owned(), waited_seconds: LOCK_SECONDS });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
        }
    }
}

/// Writes files into a folder under its lock.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    folder: &'a Path,
}

impl<'a> Writer<'a> {
    /// Removes what a killed process left half-written; the caller holds the lock, so nobody else is writing.
    pub(super) fn new(folder: &'a Path, _lock: &Lock) -> Result<Self, SinkError> {
        for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
            let path = entry.map_err(failed("list", folder))?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.starts_with(PARTIAL.0) && name.ends_with(PARTIAL.1) {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
            }
        }
        Ok(Self { folder })
    }

    /// Replaces a file by a whole and synced one with mode 0600.
    pub(super) fn replace(&self, name: &str, content: &str) -> Result<PathBuf, SinkError> {
        let path = self.folder.join(name);
        let mut file = tempfile::Builder::new()
            .prefix(PARTIAL.0)
            .suffix(PARTIAL.1)
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(self.folder)
            .map_err(failed("write", &path))?;
        file.write_all(content.as_bytes()).map_err(failed("write", &path))?;
        file.as_file().sync_all().map_err(failed("sync", &path))?;
        file.persist(&path).map_err(|e| failed("replace", &path)(e.error))?;
        Ok(path)
    }

    /// Makes the new names themselves survive a crash.
    pub(super) fn sync(self) -> Result<(), SinkError> {
        let folder = File::open(self.folder).map_err(failed("sync", self.folder))?;
        folder.sync_all().map_err(failed("sync", self.folder))
    }
}

/// Reads a file; nothing when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<String>, SinkError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(SinkError::Corrupt { path: path.to_owned(), reason: "it is not UTF-8".to_owned() })
        }
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Tells of a secret of another server or database that is being replaced.
pub(super) fn elsewhere(old: &super::Secret, new: &super::Secret, path: &Path) -> Option<String> {
    let of = |secret: &super::Secret| {
        let place = &secret.place;
        (place.host.clone(), place.port, place.database.clone())
    };
    (of(old) != of(new)).then(|| {
        format!(
            "the secret of {}/{} in {} was for {} on {}:{} and is replaced; give each environment a sink or a role prefix \
             of its own",
            new.service,
            new.credential,
            path.display(),
            old.place.database,
            old.place.host,
            old.place.port
        )
    })
}
