//! The place that an export writes to: nothing in it looks whole before all of it is.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::Error;
use super::file;
use super::layout;
use super::location::{Bucket, Location};
use crate::transfer::error::Error as TransferError;

/// The file that marks a folder or a prefix to which an export writes, or in which a killed one has left its files.
const MARK: &str = "export.partial";

/// Who may look into a folder that holds data: its owner alone.
const PRIVATE: u32 = 0o700;

/// An archive under way; a folder that is dropped before it is whole goes away.
#[derive(Debug)]
pub(super) struct Partial {
    /// Where files are written.
    pub(super) place: Location,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder {
        target: PathBuf,
        path: PathBuf,
        /// Locked as long as the export lives, so that what a kill left behind can be told from what is being written.
        lock: File,
        whole: bool,
    },
    Bucket {
        bucket: Bucket,
        /// What this export has written into the mark.
        mark: String,
    },
}

impl Partial {
    /// Starts an archive; what a killed export left behind is replaced.
    pub(super) async fn start(target: &Location, folders: &[&str]) -> Result<Self, Error> {
        match target {
            Location::Folder(path) => Self::folder(path, folders),
            Location::Bucket(bucket) => Self::bucket(target, bucket).await,
        }
    }

    fn folder(target: &Path, folders: &[&str]) -> Result<Self, Error> {
        if target.symlink_metadata().is_ok() {
            return Err(Error::Exists(target.to_owned()));
        }
        let mut name = target.file_name().map(ToOwned::to_owned).ok_or_else(|| Error::Exists(target.to_owned()))?;
        name.push(".partial");
        let path = target.with_file_name(name);
        let failed = |doing, error| Error::from(TransferError::file(doing, &path, error));
        let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|e| failed("make the folder of", e))?;
        let made = private(&path);
        // A link would lead to what is not ours.
        if made.is_err() && path.symlink_metadata().is_ok_and(|m| !m.is_dir()) {
            return Err(Error::Exists(path));
        }
        made.or_else(|e| if e.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(e) })
            .map_err(|e| failed("make", e))?;
        let lock = File::open(&path).map_err(|e| failed("open", e))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::Busy(target.to_owned()))?;
        let left = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let left = left.map_err(|e| failed("read", e))?;
        // Without the mark nobody has said that these files may go.
        if !left.is_empty() && left.iter().all(|entry| entry.file_name() != MARK) {
            return Err(Error::Exists(path));
        }
        for entry in left.iter().filter(|entry| entry.file_name() != MARK) {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let gone = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
            gone.map_err(|e| failed("clear", e))?;
        }
        // One that a kill of an older version has left.
        fs::set_permissions(&path, Permissions::from_mode(PRIVATE)).map_err(|e| failed("close", e))?;
        write_whole(&path.join(MARK), b"", 0o600)
            .or_else(|e| if e.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(e) })
            .map_err(|e| failed("write into", e))?;
        for folder in folders {
            private(&path.join(folder)).map_err(|e| failed("make a folder in", e))?;
        }
        let kind = Kind::Folder { target: target.to_owned(), path: path.clone(), lock, whole: false };
        Ok(Self { place: Location::Folder(path), kind })
    }

    async fn bucket(target: &Location, bucket: &Bucket) -> Result<Self, Error> {
        let failed = |doing, file, error| Error::from(target.failed(doing, file, error));
        let names = bucket.names().await.map_err(|e| failed("list what is beside", MARK, e))?;
        // Without the mark nobody has said that these files may go; with archive.json they are whole.
        if names.contains(layout::INDEX) || !names.is_empty() && !names.contains(MARK) {
            return Err(Error::Exists(target.label()));
        }
        let mark = super::export::random_id();
        bucket.put(MARK, mark.as_bytes()).await.map_err(|e| failed("write", MARK, e))?;
        let left = names.into_iter().filter(|name| name != MARK);
        bucket.remove(left).await.map_err(|e| failed("remove what is beside", MARK, e))?;
        Ok(Self { place: target.clone(), kind: Kind::Bucket { bucket: bucket.clone(), mark } })
    }

    /// Writes a whole small file, and waits until it is kept.
    pub(super) async fn put(&self, name: &str, content: &[u8], mode: u32) -> Result<file::Written, TransferError> {
        let written = match &self.kind {
            Kind::Folder { path, .. } => write_whole(&path.join(name), content, mode),
            Kind::Bucket { bucket, .. } => bucket.put(name, content).await,
        };
        written.map(|()| file::measured(content)).map_err(|e| self.place.failed("write", name, e))
    }

    /// Checks that no other export has begun in the same place meanwhile.
    pub(super) async fn still_ours(&self) -> Result<(), Error> {
        let Kind::Bucket { mark, .. } = &self.kind else { return Ok(()) };
        let found = self.place.small(MARK, 1024).await?;
        if found.as_deref() == Some(mark.as_bytes()) { Ok(()) } else { Err(Error::Busy(self.place.label())) }
    }

    /// Gives the archive its name, once all in it is kept.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        match &mut self.kind {
            Kind::Folder { target, path, lock, whole } => {
                rename(target, path, lock)?;
                *whole = true;
                fs::remove_file(target.join(MARK)).map_err(|e| TransferError::file("finish", target, e))?;
                let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                sync(parent).map_err(|e| TransferError::file("finish", parent, e))?;
            }
            Kind::Bucket { bucket, .. } => {
                let removed = bucket.remove([MARK.to_owned()]).await;
                removed.map_err(|e| self.place.failed("remove", MARK, e))?;
            }
        }
        Ok(())
    }

    /// Removes what was written, after a failure.
    pub(super) async fn discard(self) {
        let Kind::Bucket { bucket, mark } = &self.kind else { return };
        let ours = self.place.small(MARK, 1024).await;
        if !ours.is_ok_and(|found| found.as_deref() == Some(mark.as_bytes())) {
            return;
        }
        let Ok(names) = bucket.names().await else { return };
        // The mark goes last, so that what is left is known for what it is.
        let _ = bucket.remove(names.into_iter().filter(|name| name != MARK)).await;
        let _ = bucket.remove([MARK.to_owned()]).await;
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Kind::Folder { path, whole: false, .. } = &self.kind {
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn rename(target: &Path, path: &Path, lock: &File) -> Result<(), Error> {
    let failed = |path: &Path, error| Error::from(TransferError::file("finish", path, error));
    for entry in fs::read_dir(path).map_err(|e| failed(path, e))?.flatten() {
        if entry.path().is_dir() {
            sync(&entry.path()).map_err(|e| failed(&entry.path(), e))?;
        }
    }
    lock.sync_all().map_err(|e| failed(path, e))?;
    // Whoever came first keeps the name: a folder that is there and not empty is never replaced.
    if target.symlink_metadata().is_ok() {
        return Err(Error::Exists(target.to_owned()));
    }
    fs::rename(path, target).map_err(|e| failed(target, e))
}

fn private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(PRIVATE).create(folder)
}

fn write_whole(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
