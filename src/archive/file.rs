//! One compressed file of rows, written and read in bounded memory on a thread of its own.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::transfer::copy::BATCH_BYTES;
use crate::transfer::error::Error;

/// How hard zstd tries: about as small as gzip's default, at a fifth of its time.
pub const ZSTD_LEVEL: i32 = 2;

/// How many batches may wait between the connection and the file.
const QUEUED_BATCHES: usize = 8;

/// A file's length and hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// Counts and hashes what passes to a file.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.hash.update(&buffer[..written]);
        self.bytes += u64::try_from(written).expect("a length fits");
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    fn finish(self) -> (W, Written) {
        (self.inner, Written { bytes: self.bytes, sha256: hex(&self.hash.finalize()) })
    }
}

/// A writer's two ends: where batches go in, and what it says at the end.
pub type Writer = (mpsc::Sender<Vec<u8>>, JoinHandle<Result<Written, Error>>);

/// Starts a thread that writes batches to a new file, compressed if asked; the file is on disk when it ends.
#[must_use]
pub fn writer(path: PathBuf, compressed: bool) -> Writer {
    let (send, mut batches) = mpsc::channel::<Vec<u8>>(QUEUED_BATCHES);
    let mut write = move |path: &Path| -> io::Result<Written> {
        let hashing = Hashing::new(File::create_new(path)?);
        let hashing = if compressed {
            let mut encoder = zstd::Encoder::new(hashing, ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            while let Some(batch) = batches.blocking_recv() {
                encoder.write_all(&batch)?;
            }
            encoder.finish()?
        } else {
            let mut hashing = hashing;
            while let Some(batch) = batches.blocking_recv() {
                hashing.write_all(&batch)?;
            }
            hashing
        };
        let (file, written) = hashing.finish();
        file.sync_all()?;
        Ok(written)
    };
    let task = tokio::task::spawn_blocking(move || write(&path).map_err(|e| Error::file("write", &path, e)));
    (send, task)
}

/// Writes a whole small file, and waits until it is on disk.
///
/// # Errors
/// The file exists, or the system refused.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<Written, Error> {
    let write = || {
        let mut hashing = Hashing::new(File::create_new(path)?);
        hashing.write_all(content)?;
        let (file, written) = hashing.finish();
        file.sync_all()?;
        Ok(written)
    };
    write().map_err(|e| Error::file("write", path, e))
}

/// Reads a file to its end and gives its length and hash.
///
/// # Errors
/// The file could not be read.
pub fn measure(path: &Path) -> Result<Written, Error> {
    let measure = || {
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut BufReader::with_capacity(BATCH_BYTES, File::open(path)?), &mut hashing)?;
        Ok(hashing.finish().1)
    };
    measure().map_err(|e| Error::file("read", path, e))
}

/// A reader's two ends: where batches come out, and how it ended.
pub type Reader = (mpsc::Receiver<Vec<u8>>, JoinHandle<Result<(), Error>>);

/// Starts a thread that reads and decompresses a file; batches know nothing of rows.
#[must_use]
pub fn reader(path: PathBuf) -> Reader {
    let (send, receive) = mpsc::channel::<Vec<u8>>(QUEUED_BATCHES);
    let read = move |path: &Path| -> io::Result<()> {
        let mut decoder = zstd::Decoder::new(File::open(path)?)?;
        loop {
            let mut batch = vec![0; BATCH_BYTES * 2];
            let mut filled = 0;
            while filled < batch.len() {
                match decoder.read(&mut batch[filled..])? {
                    0 => break,
                    n => filled += n,
                }
            }
            batch.truncate(filled);
            // Nobody listens any more: whoever did tells why.
            if filled == 0 || send.blocking_send(batch).is_err() {
                return Ok(());
            }
        }
    };
    let task = tokio::task::spawn_blocking(move || read(&path).map_err(|e| Error::file("read", &path, e)));
    (receive, task)
}

/// Gives bytes in lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
