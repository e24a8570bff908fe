//! The folder that an export writes: under a `.partial` name until it is whole.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::Error;
use crate::transfer::error::Error as TransferError;

/// A folder under way; dropped before it is whole, it goes away.
#[derive(Debug)]
pub(super) struct Partial {
    target: PathBuf,
    /// Where files are written.
    pub(super) path: PathBuf,
    /// Locked as long as the export lives, so that what a kill left behind can be told from what is being written.
    lock: File,
    whole: bool,
}

impl Partial {
    /// Starts a folder; what a killed export left behind is replaced.
    pub(super) fn start(target: &Path) -> Result<Self, Error> {
        if target.symlink_metadata().is_ok() {
            return Err(Error::Exists(target.to_owned()));
        }
        let mut name = target.file_name().map(ToOwned::to_owned).ok_or_else(|| Error::Exists(target.to_owned()))?;
        name.push(".partial");
        let path = target.with_file_name(name);
        let failed = |doing, error| Error::from(TransferError::file(doing, &path, error));
        let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|e| failed("make the folder of", e))?;
        let _ = fs::create_dir(&path);
        let lock = File::open(&path).map_err(|e| failed("open", e))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::Busy(target.to_owned()))?;
        for entry in fs::read_dir(&path).map_err(|e| failed("read", e))?.flatten() {
            let entry = entry.path();
            let is_folder = entry.symlink_metadata().is_ok_and(|m| m.is_dir());
            let gone = if is_folder { fs::remove_dir_all(&entry) } else { fs::remove_file(&entry) };
            gone.map_err(|e| failed("clear", e))?;
        }
        Ok(Self { target: target.to_owned(), path, lock, whole: false })
    }

    /// Makes a folder inside.
    pub(super) fn folder(&self, name: &str) -> Result<(), TransferError> {
        let path = self.path.join(name);
        fs::create_dir(&path).map_err(|e| TransferError::file("make", &path, e))
    }

    /// Gives the folder its name, once all in it is on disk.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        let failed = |path: &Path, error| Error::from(TransferError::file("finish", path, error));
        for entry in fs::read_dir(&self.path).map_err(|e| failed(&self.path, e))?.flatten() {
            if entry.path().is_dir() {
                sync(&entry.path()).map_err(|e| failed(&entry.path(), e))?;
            }
        }
        self.lock.sync_all().map_err(|e| failed(&self.path, e))?;
        // Whoever came first keeps the name: a folder that is there and not empty is never replaced.
        if self.target.symlink_metadata().is_ok() {
            return Err(Error::Exists(self.target.clone()));
        }
        fs::rename(&self.path, &self.target).map_err(|e| failed(&self.target, e))?;
        self.whole = true;
        let parent = self.target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync(parent).map_err(|e| failed(parent, e))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.whole {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
