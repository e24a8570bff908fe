//! Where an archive is: in a folder, or under a prefix in object storage.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::buffered::BufWriter;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Handle;
use url::Url;

use super::error::Error;
use crate::transfer::error::Error as TransferError;

/// How many bytes travel as one part of an upload, at least.
const PART_BYTES: u64 = 8 << 20;
/// How many parts an object may have; storage takes 10,000, and what is told of its length is a guess.
const PARTS: u64 = 2_500;
/// How many parts of one object travel at once.
const PARTS_AT_ONCE: usize = 1;

/// The schemes of object storage.
const SCHEMES: [&str; 3] = ["s3://", "gs://", "az://"];

/// A folder or a prefix; its files have the same names in both.
#[derive(Debug, Clone)]
pub enum Location {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A prefix in object storage.
    Bucket(Bucket),
}

/// A prefix in object storage.
#[derive(Debug, Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    url: String,
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::Folder(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::Folder(path.to_owned())
    }
}

impl Location {
    /// Reads `s3://bucket/prefix`, `gs://…`, `az://…`, else the path of a folder.
    ///
    /// `settings` are the environment's, such as `AWS_REGION`, `AWS_ACCESS_KEY_ID` or `GOOGLE_SERVICE_ACCOUNT`.
    ///
    /// # Errors
    /// The storage is not named as it should be, or its settings cannot be used.
    pub fn parse(text: &str, settings: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let wrong = |why: String| Error::BadLocation { location: text.to_owned(), why };
        if !SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
            // It would become a folder of an odd name.
            if text.contains("://") {
                return Err(wrong(format!("it is neither a folder nor one of {}", SCHEMES.join(", "))));
            }
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        if text.split("://").nth(1).is_none_or(|rest| rest.split('/').next().is_none_or(str::is_empty)) {
            return Err(wrong("name a bucket and a prefix in it: s3://bucket/prefix".to_owned()));
        }
        // The storage's client asks for the process's provider of cryptography.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = Url::parse(text).map_err(|e| wrong(e.to_string()))?;
        let known = ["aws_", "google_", "azure_"];
        let settings = settings.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let settings = settings.filter(|(name, _)| known.iter().any(|prefix| name.starts_with(prefix)));
        let (store, prefix) = object_store::parse_url_opts(&url, settings).map_err(|e| wrong(e.to_string()))?;
        if prefix.as_ref().is_empty() {
            return Err(wrong("name a prefix in the bucket, too: s3://bucket/prefix".to_owned()));
        }
        let url = text.trim_end_matches('/').to_owned();
        Ok(Self::Bucket(Bucket { store: store.into(), prefix, url }))
    }

    /// Refuses a path at which something is; what is under a prefix is seen when an export starts.
    pub(super) fn is_free(&self) -> Result<(), Error> {
        match self {
            Self::Folder(path) if path.symlink_metadata().is_ok() => Err(Error::Exists(path.clone())),
            _ => Ok(()),
        }
    }

    /// Gives the folder's path or the prefix's address, for people.
    #[must_use]
    pub fn label(&self) -> PathBuf {
        match self {
            Self::Folder(path) => path.clone(),
            Self::Bucket(bucket) => PathBuf::from(&bucket.url),
        }
    }

    /// Says that a file in it could not be read or written.
    pub(super) fn failed(&self, doing: &'static str, file: &str, error: io::Error) -> TransferError {
        match self {
            Self::Folder(path) => TransferError::file(doing, &path.join(file), error),
            Self::Bucket(bucket) => {
                let place = format!("{}/{file}", bucket.url);
                TransferError::Storage { place, message: format!("cannot {doing} it: {}", said(&error)) }
            }
        }
    }

    /// Opens a file. Called where a thread may wait.
    pub(super) fn open(&self, file: &str) -> io::Result<Source> {
        match self {
            Self::Folder(path) => Ok(Source::File(File::open(path.join(file))?)),
            Self::Bucket(bucket) => {
                let runtime = Handle::current();
                let found = runtime.block_on(bucket.store.get(&bucket.key(file)))?;
                Ok(Source::Object { stream: found.into_stream(), rest: Bytes::new(), runtime })
            }
        }
    }

    /// Tells whether many files may be on their way to be kept at once: each has a part of itself in memory.
    pub(super) fn keeps_at_once(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// Begins a file that is not there, of about so many bytes. Called where a thread may wait.
    pub(super) fn create(&self, file: &str, bytes: u64) -> io::Result<Sink> {
        match self {
            Self::Folder(path) => {
                let mut options = File::options();
                options.write(true).create_new(true).mode(0o600);
                Ok(Sink::File(options.open(path.join(file))?))
            }
            Self::Bucket(bucket) => {
                let part = usize::try_from((bytes / PARTS).max(PART_BYTES)).unwrap_or(usize::MAX);
                let writer = BufWriter::with_capacity(Arc::clone(&bucket.store), bucket.key(file), part);
                let writer = Box::new(writer.with_max_concurrency(PARTS_AT_ONCE));
                Ok(Sink::Object(Upload { writer: Some(writer), runtime: Handle::current() }))
            }
        }
    }

    /// Reads a small file; nothing if it is not there, or is no plain file.
    pub(super) async fn small(&self, file: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, TransferError> {
        match self {
            Self::Folder(path) => {
                let full = path.join(file);
                let Ok(found) = fs::symlink_metadata(&full) else { return Ok(None) };
                if !found.is_file() || found.len() > max_bytes {
                    return Ok(None);
                }
                fs::read(&full).map(Some).map_err(|e| self.failed("read", file, e))
            }
            Self::Bucket(bucket) => match bucket.store.get(&bucket.key(file)).await {
                Ok(found) if found.meta.size > max_bytes => Ok(None),
                Ok(found) => match found.bytes().await {
                    Ok(bytes) => Ok(Some(bytes.to_vec())),
                    Err(e) => Err(self.failed("read", file, e.into())),
                },
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(e) => Err(self.failed("read", file, e.into())),
            },
        }
    }
}

/// Gives the innermost reason of a storage's error, which holds what the storage answered.
fn said(error: &io::Error) -> String {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let text = inner.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        source = inner.source();
    }
    said
}

impl Bucket {
    fn key(&self, file: &str) -> Key {
        file.split('/').fold(self.prefix.clone(), |key, part| key.join(part))
    }

    /// Gives the names of all files under the prefix.
    pub(super) async fn names(&self) -> io::Result<BTreeSet<String>> {
        let found: Vec<_> = self.store.list(Some(&self.prefix)).try_collect().await?;
        let name = |key: &Key| {
            let parts: Vec<_> = key.prefix_match(&self.prefix)?.map(|part| part.as_ref().to_owned()).collect();
            Some(parts.join("/"))
        };
        Ok(found.iter().filter_map(|object| name(&object.location)).collect())
    }

    /// Writes a small file.
    pub(super) async fn put(&self, file: &str, content: &[u8]) -> io::Result<()> {
        self.store.put(&self.key(file), PutPayload::from(content.to_vec())).await?;
        Ok(())
    }

    /// Removes files; those that are gone already do no harm.
    pub(super) async fn remove(&self, files: impl IntoIterator<Item = String>) -> io::Result<()> {
        for file in files {
            match self.store.delete(&self.key(&file)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

/// A file that is read from its beginning to its end.
pub(super) enum Source {
    File(File),
    Object { stream: BoxStream<'static, object_store::Result<Bytes>>, rest: Bytes, runtime: Handle },
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Object { stream, rest, runtime } => {
                while rest.is_empty() {
                    match runtime.block_on(stream.next()) {
                        Some(bytes) => *rest = bytes?,
                        None => return Ok(0),
                    }
                }
                let taken = rest.split_to(buffer.len().min(rest.len()));
                buffer[..taken.len()].copy_from_slice(&taken);
                Ok(taken.len())
            }
        }
    }
}

/// A file that is written from its beginning to its end, and is there once it is finished.
pub(super) enum Sink {
    File(File),
    Object(Upload),
}

/// An object under way; dropped before it is finished, it is given up.
pub(super) struct Upload {
    writer: Option<Box<BufWriter>>,
    runtime: Handle,
}

impl Sink {
    /// Waits until all of it is kept.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_all(),
            Self::Object(mut upload) => {
                let mut writer = upload.writer.take().expect("only the end takes it");
                let ended = upload.runtime.block_on(writer.shutdown());
                if ended.is_err() {
                    upload.writer = Some(writer);
                }
                ended
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(buffer),
            Self::Object(Upload { writer, runtime }) => {
                let writer = writer.as_mut().expect("only the end takes it");
                runtime.block_on(writer.write(buffer))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            let _ = self.runtime.block_on(writer.abort());
        }
    }
}
