//! Rows for other kinds of store: one CSV or JSON Lines file a table.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::error::Error;
use super::export::{Options, couplings};
use super::file;
use super::folder::Partial;
use super::location::Location;
use crate::event::Listener;
use crate::pg::connect::Target;
use crate::transfer::chunk::{self, Chunk};
use crate::transfer::control::{Control, Step};
use crate::transfer::coupling::CouplingKind;
use crate::transfer::error::Error as TransferError;
use crate::transfer::readers::{Readers, Worker};
use crate::transfer::rows;
use crate::transfer::snapshot::Snapshot;
use crate::transfer::table::{Form, Table};

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Comma-separated values, RFC 4180: a header, all values quoted, nulls without quotes.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plain {
    /// Where.
    pub path: PathBuf,
    /// The files, by name.
    pub files: Vec<PlainFile>,
}

/// One table's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PlainFile {
    /// Its name.
    pub file: String,
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Kind {
    fn form(self) -> Form {
        match self {
            Self::Csv => Form::Csv,
            Self::Jsonl => Form::Jsonl,
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// Writes each table's rows into a file of its own, all from one snapshot.
///
/// # Errors
/// As [`super::export::export`].
pub async fn export(
    target: &Target,
    to: &Location,
    kind: Kind,
    options: &Options,
    listener: Listener<'_>,
) -> Result<Plain, Error> {
    to.is_free()?;
    couplings(target, options, CouplingKind::leaves_rows_out, listener).await?;
    let control = Control::new(options.interrupt.clone(), options.max_bytes_per_second);
    let mut readers = Readers::open(target, &options.schema, options.jobs).await?;
    let written = read(target, to, kind, options, &mut readers, (&control, listener)).await;
    readers.end(written).await
}

/// Writes the files with the logins that read the rows.
async fn read(
    target: &Target,
    to: &Location,
    kind: Kind,
    options: &Options,
    readers: &mut Readers,
    (control, listener): (&Arc<Control>, Listener<'_>),
) -> Result<Plain, Error> {
    let mut snapshot = Snapshot::take(target, readers, options.lock_seconds).await?;
    let tables = Arc::new(std::mem::take(&mut snapshot.tables));
    let mut folder = Partial::start(to, &[]).await?;
    let chunks: VecDeque<_> = chunk::whole(&tables).into();
    let total_bytes = chunks.iter().map(|c| c.bytes).sum();
    let queue = Arc::new(Mutex::new(chunks));
    let mut workers = Vec::new();
    for _ in 0..options.jobs.max(1) {
        let (queue, tables, control) = (Arc::clone(&queue), Arc::clone(&tables), Arc::clone(control));
        workers.push(work(snapshot.worker("pgcleave export"), queue, tables, folder.place.clone(), kind, control));
    }
    let step = Step { service: &options.service, step: "export", total_bytes, listener };
    match control.run(&step, workers).await {
        Ok(files) => {
            let mut files: Vec<_> = files.into_iter().flatten().collect();
            files.sort();
            folder.finish().await?;
            Ok(Plain { path: to.label(), files })
        }
        Err(error) => {
            folder.discard().await;
            Err(error.into())
        }
    }
}

async fn work(
    mut worker: Worker,
    queue: Arc<Mutex<VecDeque<Chunk>>>,
    tables: Arc<Vec<Table>>,
    place: Location,
    kind: Kind,
    control: Arc<Control>,
) -> Result<Vec<PlainFile>, TransferError> {
    let mut done = Vec::new();
    loop {
        let next = queue.lock().expect("no worker panics while it holds the queue").pop_front();
        let Some(chunk) = next else { return Ok(done) };
        control.check()?;
        let table = &tables[chunk.table];
        let name = file_name(table.name.name.as_str(), kind);
        let (mut send, writing) = file::writer(place.clone(), name.clone(), chunk.bytes, false);
        let sent = async {
            let connection = worker.session(table).await?;
            rows::pour(connection, &tables, &chunk, kind.form(), &control, &mut send).await
        }
        .await;
        drop(send);
        let written = writing.await.expect("the writer does not panic")?;
        let sum = sent?.expect("only the binary form is refused").sum;
        // The header is sent as a row is.
        let rows = if kind == Kind::Csv { sum.rows.saturating_sub(1) } else { sum.rows };
        let table = table.name.label();
        done.push(PlainFile { file: name, table, rows, bytes: written.bytes, sha256: written.sha256 });
    }
}

/// Names a table's file after it; what a file's name cannot hold everywhere is written as `%XX`.
fn file_name(table: &str, kind: Kind) -> String {
    let mut name = String::new();
    for byte in table.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            name.push(char::from(byte));
        } else {
            name += &format!("%{byte:02X}");
        }
    }
    format!("{name}.{}", kind.extension())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_cannot_leave_the_folder_or_take_another_ones_file() {
        assert_eq!(file_name("../a b", Kind::Csv), "%2E%2E%2Fa%20b.csv");
        assert_ne!(file_name("a%20b", Kind::Jsonl), file_name("a b", Kind::Jsonl));
    }
}
