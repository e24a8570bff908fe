//! One compressed file of rows, written and read in bounded memory on a thread of its own.

use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use super::location::Location;
use crate::transfer::copy::BATCH_BYTES;
use crate::transfer::error::Error;
use crate::transfer::rows::Sink;

/// How hard zstd tries: about as small as gzip's default, at a tenth of its time. Level 2 takes longer for nothing.
pub const ZSTD_LEVEL: i32 = 1;

/// How many bytes of rows a frame holds: each is compressed where it lies, at once, which is faster than a stream's window
/// that goes round, and hardly larger.
const FRAME_BYTES: usize = 512 << 10;

/// How many batches of the usual size may wait between the connection and the file.
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

/// Compresses what passes to a file, frame by frame; together they are one zstd file.
struct Frames<W> {
    inner: W,
    compressor: Compressor<'static>,
    gathered: Vec<u8>,
    packed: Vec<u8>,
    any: bool,
}

impl<W: Write> Frames<W> {
    fn new(inner: W) -> io::Result<Self> {
        let mut compressor = Compressor::new(ZSTD_LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self { inner, compressor, gathered: Vec::new(), packed: Vec::new(), any: false })
    }

    fn write(&mut self, mut rows: &[u8]) -> io::Result<()> {
        while !rows.is_empty() {
            let (fits, rest) = rows.split_at(rows.len().min(FRAME_BYTES - self.gathered.len()));
            self.gathered.extend_from_slice(fits);
            rows = rest;
            if self.gathered.len() == FRAME_BYTES {
                self.frame()?;
            }
        }
        Ok(())
    }

    fn frame(&mut self) -> io::Result<()> {
        self.packed.clear();
        self.packed.reserve(compress_bound(self.gathered.len()));
        self.compressor.compress_to_buffer(&self.gathered, &mut self.packed)?;
        self.gathered.clear();
        self.any = true;
        self.inner.write_all(&self.packed)
    }

    /// Writes what is left; of no rows at all an empty frame, so that the file can be opened.
    fn finish(mut self) -> io::Result<W> {
        if !self.gathered.is_empty() || !self.any {
            self.frame()?;
        }
        Ok(self.inner)
    }
}

/// Where batches go on their way to a file: as many as fit into a bounded room.
#[derive(Debug)]
pub struct Batches {
    send: mpsc::UnboundedSender<Batch>,
    room: Arc<Semaphore>,
}

/// A batch and the room that it takes.
type Batch = (Bytes, OwnedSemaphorePermit);

impl Batches {
    /// Waits for room and hands a batch over. After one that takes all the room it waits until that is written, so that
    /// of very wide rows there is one at a time.
    ///
    /// # Errors
    /// The writer has ended; it tells why.
    pub async fn send(&self, batch: Bytes) -> Result<(), Error> {
        let takes = batch.len().div_ceil(BATCH_BYTES).clamp(1, QUEUED_BATCHES);
        let takes = u32::try_from(takes).expect("a small number");
        let room = || Arc::clone(&self.room).acquire_many_owned(takes);
        let taken = room().await.expect("the room is never closed");
        self.send.send((batch, taken)).map_err(|_| Error::Stopped)?;
        if usize::try_from(takes) == Ok(QUEUED_BATCHES) {
            drop(room().await);
        }
        Ok(())
    }
}

impl Sink for Batches {
    async fn take(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.send(bytes).await
    }
}

/// A writer's two ends: where batches go in, and what it says at the end.
pub type Writer = (Batches, JoinHandle<Result<Written, Error>>);

/// Starts a thread that writes batches to a new file of about so many bytes, compressed if asked; the file is kept when
/// it ends.
#[must_use]
pub fn writer(location: Location, file: String, bytes: u64, compressed: bool) -> Writer {
    let (send, mut batches) = mpsc::unbounded_channel::<Batch>();
    let mut write = move |location: &Location, file: &str| -> io::Result<Written> {
        let hashing = Hashing::new(location.create(file, bytes)?);
        let hashing = if compressed {
            let mut frames = Frames::new(hashing)?;
            while let Some((batch, _room)) = batches.blocking_recv() {
                frames.write(&batch)?;
                drop(batch);
            }
            frames.finish()?
        } else {
            let mut hashing = hashing;
            while let Some((batch, _room)) = batches.blocking_recv() {
                hashing.write_all(&batch)?;
                drop(batch);
            }
            hashing
        };
        let (sink, written) = hashing.finish();
        sink.finish()?;
        Ok(written)
    };
    let task =
        tokio::task::spawn_blocking(move || write(&location, &file).map_err(|e| location.failed("write", &file, e)));
    (Batches { send, room: Arc::new(Semaphore::new(QUEUED_BATCHES)) }, task)
}

/// Gives a small file's length and hash.
#[must_use]
pub fn measured(content: &[u8]) -> Written {
    let bytes = u64::try_from(content.len()).expect("a length fits");
    Written { bytes, sha256: hex(&Sha256::digest(content)) }
}

/// Reads a file to its end and gives its length and hash. Called where a thread may wait.
///
/// # Errors
/// The file could not be read.
pub fn measure(location: &Location, file: &str) -> Result<Written, Error> {
    let measure = || {
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut BufReader::with_capacity(BATCH_BYTES, location.open(file)?), &mut hashing)?;
        Ok(hashing.finish().1)
    };
    measure().map_err(|e| location.failed("read", file, e))
}

/// A reader's two ends: where batches come out, and how it ended.
pub type Reader = (mpsc::Receiver<Vec<u8>>, JoinHandle<Result<(), Error>>);

/// Starts a thread that reads and decompresses a file; batches know nothing of rows.
#[must_use]
pub fn reader(location: Location, file: String) -> Reader {
    let (send, receive) = mpsc::channel::<Vec<u8>>(QUEUED_BATCHES);
    let read = move |location: &Location, file: &str| -> io::Result<()> {
        let mut decoder = zstd::Decoder::new(location.open(file)?)?;
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
    let task =
        tokio::task::spawn_blocking(move || read(&location, &file).map_err(|e| location.failed("read", &file, e)));
    (receive, task)
}

/// Gives bytes in lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
