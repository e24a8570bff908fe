//! All rows of a piece of a table, from one session into a sink, in bounded room.
//!
//! ```text
//! narrow rows ── COPY, a message each ──────────────▶ sink
//! wide rows ──── their values in slices, escaped ───▶ sink     (not in binary)
//! ```
//!
//! The server sends a row of a COPY in one message, and the driver gathers a message in about three times its room. So a
//! row that passes [`WIDE_BYTES`] is read by itself: each of its values in slices.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use xxhash_rust::xxh3::Xxh3;

use super::chunk::Chunk;
use super::control::Control;
use super::copy::{CopyIn, CopyOut, RowSum};
use super::error::Error;
use super::table::{self, Column, Form, Table};
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Literal, Sql};

/// How wide a row is before its values are read in slices, in bytes of its text form but for escapes.
const WIDE_BYTES: i64 = 4 << 20;

/// A slice of a value, in bytes.
const SLICE_BYTES: i64 = 1 << 20;

/// The widest line that the server can read back, in bytes: what it may allocate at once (`MaxAllocSize` of memutils.h).
const MOST_BYTES: u64 = 0x3fff_ffff;

/// The least that a TOAST table has where a row is wide, in bytes: compression leaves a 255th at best.
const LEAST_TOAST_BYTES: u64 = 16 << 10;

/// The most that a value has on disk, compressed, of which the text is not looked at, in bytes: only a value that shrinks to
/// less than a 32nd is wide all the same, and is then taken in one message like a narrow one.
const NARROW_COMPRESSED_BYTES: i64 = 128 << 10;

/// The same where it is not compressed: a number that takes four bytes is written in up to eleven.
const NARROW_PLAIN_BYTES: i64 = 1 << 20;

/// Types of which no value is wide.
const NARROW: [&str; 24] = [
    "bool",
    "char",
    "name",
    "int2",
    "int4",
    "int8",
    "oid",
    "float4",
    "float8",
    "numeric",
    "money",
    "uuid",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "pg_lsn",
    "point",
];

/// Where rows go.
pub trait Sink: Send {
    /// Takes the next bytes; a wide row comes in several parts.
    fn take(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Sink for CopyIn<'_> {
    async fn take(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.send(&bytes).await
    }
}

/// Nobody keeps the rows: they are only counted and hashed.
impl Sink for () {
    async fn take(&mut self, _: Bytes) -> Result<(), Error> {
        Ok(())
    }
}

/// What has gone into a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Poured {
    /// The rows and their hashes.
    pub sum: RowSum,
    /// Their bytes in the form in which they were sent.
    pub bytes: u64,
}

/// Sends all rows of a piece; nothing, and none, if some of them are too wide for the binary form.
///
/// # Errors
/// The server refused something, the sink did, a row is too wide for the server to read it back, or somebody asked to
/// stop.
pub async fn pour(
    connection: &mut PgConnection,
    tables: &[Table],
    chunk: &Chunk,
    form: Form,
    control: &Control,
    sink: &mut impl Sink,
) -> Result<Option<Poured>, Error> {
    let table = &tables[chunk.table];
    let wide = wide(connection, table, chunk).await?;
    if form == Form::Binary && !wide.is_empty() {
        return Ok(None);
    }
    let doing = format!("copy {}", table.name.label());
    let mut poured = Poured::default();
    let statement = chunk.copy_out_but(tables, form, &wide);
    let mut narrow = CopyOut::start(connection, &doing, &statement).await?.of(form);
    loop {
        let batch = narrow.next().await?;
        if batch.is_empty() {
            break;
        }
        let (length, before) = (batch.len(), poured.sum.rows);
        poured.sum = narrow.sum;
        poured.bytes += length as u64;
        sink.take(batch).await?;
        control.passed(length, poured.sum.rows - before).await?;
    }
    poured.sum = narrow.sum;
    drop(narrow);
    let mut reader = Reader { connection, table, doing: &doing, control, style: Style::of(form) };
    for row in &wide {
        let line = reader.row(row, sink).await?;
        poured.sum.add_hash(line.hash.digest());
        poured.bytes += line.bytes + 1;
    }
    control.done(chunk.bytes, poured.bytes);
    Ok(Some(poured))
}

/// Gives the `ctid`s of a piece's wide rows. No value is read for it that is stored outside of its row, unless only its
/// text tells how wide it is.
async fn wide(connection: &mut PgConnection, table: &Table, chunk: &Chunk) -> Result<Vec<String>, Error> {
    let Some(width) = width(table).filter(|_| table.toast_bytes >= LEAST_TOAST_BYTES) else { return Ok(Vec::new()) };
    let mut query = sql!("select pg_catalog.concat(ctid) as row from only ", table.name.sql(), chunk.condition());
    query.push_static(if chunk.pages.is_none() { " where " } else { " and " });
    query.push(&sql!(width, " > ", WIDE_BYTES));
    let doing = format!("look for wide rows of {}", table.name.label());
    let rows = exec::rows(connection, &doing, query.as_str()).await?;
    Ok(rows.iter().map(|row| row.get("row")).collect())
}

/// Gives the term for a row's width, in bytes; nothing if no column can be wide.
fn width(table: &Table) -> Option<Sql> {
    let mut terms = table.columns.iter().filter(|c| !NARROW.contains(&c.base_type.as_str())).map(|column| {
        let name = &column.name;
        match column.base_type.as_str() {
            "text" | "varchar" | "bpchar" => sql!("coalesce(pg_catalog.octet_length(", name, "), 0)::pg_catalog.int8"),
            "bytea" => sql!("2 * coalesce(pg_catalog.octet_length(", name, "), 0)::pg_catalog.int8"),
            _ => sql!(
                "case when pg_catalog.pg_column_size(",
                name,
                ") > case when pg_catalog.pg_column_compression(",
                name,
                ") is null then ",
                NARROW_PLAIN_BYTES,
                " else ",
                NARROW_COMPRESSED_BYTES,
                " end then pg_catalog.octet_length(pg_catalog.concat(",
                name,
                ")) else 0 end::pg_catalog.int8"
            ),
        }
    });
    let mut sum = terms.next()?;
    terms.for_each(|term| sum.push(&sql!(" + ", term)));
    Some(sum)
}

/// Reads wide rows.
struct Reader<'a> {
    connection: &'a mut PgConnection,
    table: &'a Table,
    doing: &'a str,
    control: &'a Control,
    style: Style,
}

/// How a form writes a row.
struct Style {
    /// What is between two values; nothing where the row is one value.
    between: Option<&'static [u8]>,
    null: &'static [u8],
    /// What stands before and after a value that is not null.
    around: &'static [u8],
    /// What it escapes, and how.
    escape: fn(u8) -> Option<[u8; 2]>,
}

impl Style {
    fn of(form: Form) -> Self {
        match form {
            Form::Text | Form::Binary => Self { between: Some(b"\t"), null: b"\\N", around: b"", escape: by_backslash },
            Form::Csv => Self { between: Some(b","), null: b"", around: b"\"", escape: by_doubling },
            Form::Jsonl => Self { between: None, null: b"", around: b"", escape: |_| None },
        }
    }
}

/// A wide row's line, as far as it has been sent.
struct Line {
    hash: Xxh3,
    bytes: u64,
}

impl Reader<'_> {
    /// Sends one row as COPY would write it.
    async fn row(&mut self, row: &str, sink: &mut impl Sink) -> Result<Line, Error> {
        let mut line = Line { hash: Xxh3::new(), bytes: 0 };
        if let Some(between) = self.style.between {
            for (number, column) in self.table.columns.iter().enumerate() {
                if number > 0 {
                    send(self.control, Bytes::from_static(between), &mut line, sink).await?;
                }
                self.value(text(column), row, &mut line, sink).await?;
            }
        } else {
            self.value(json(self.table), row, &mut line, sink).await?;
        }
        sink.take(Bytes::from_static(b"\n")).await?;
        self.control.passed(1, 1).await?;
        Ok(line)
    }

    /// Sends one value; `text` is the term for it.
    async fn value(&mut self, text: Sql, row: &str, line: &mut Line, sink: &mut impl Sink) -> Result<(), Error> {
        let query = slices(self.table, &text, row);
        let around = Bytes::from_static(self.style.around);
        let mut slices = exec::stream(&mut *self.connection, &query);
        let (mut number, mut null) = (0, false);
        while let Some(slice) = slices.try_next().await.map_err(|e| PgError::new(self.doing, &e))? {
            assert_eq!(slice.get::<i32, _>("number"), number, "the server counts upwards");
            let slice = slice.get::<Option<&[u8]>, _>("slice");
            null = slice.is_none();
            if number == 0 && !null {
                send(self.control, around.clone(), line, sink).await?;
            }
            let part = slice.map_or(Bytes::from_static(self.style.null), |slice| escaped(slice, self.style.escape));
            if line.bytes + part.len() as u64 >= MOST_BYTES {
                return Err(Error::RowTooWide { table: self.table.name.label(), row: row.to_owned() });
            }
            send(self.control, part, line, sink).await?;
            number += 1;
        }
        assert!(number > 0, "the snapshot in which the row was found is still there");
        if !null {
            send(self.control, around, line, sink).await?;
        }
        Ok(())
    }
}

async fn send(control: &Control, part: Bytes, line: &mut Line, sink: &mut impl Sink) -> Result<(), Error> {
    line.hash.update(&part);
    line.bytes += part.len() as u64;
    let length = part.len();
    sink.take(part).await?;
    control.passed(length, 0).await
}

/// Gives the term for a value's text as COPY would write it, but for escapes.
fn text(column: &Column) -> Sql {
    match column.base_type.as_str() {
        "text" | "varchar" => sql!(column.name, "::pg_catalog.text"),
        _ => table::text(&column.name),
    }
}

/// Gives the term for a row's JSON.
fn json(table: &Table) -> Sql {
    // By x.*, since x alone may be a column.
    let row =
        sql!("(select pg_catalog.concat(pg_catalog.row_to_json(x.*)) from (select ", table.json_columns(), ") x)");
    sql!("pg_catalog.translate(", row, ", E'\\n\\r', '  ')")
}

/// Gives the query for a text's slices, in bytes; a null is one slice without them.
fn slices(table: &Table, text: &Sql, row: &str) -> Sql {
    sql!(
        "select g as number, pg_catalog.substring(b, g * ",
        SLICE_BYTES,
        " + 1, ",
        SLICE_BYTES,
        ") as slice from (select pg_catalog.textsend(",
        text,
        ") as b from only ",
        table.name.sql(),
        " where ctid = ",
        Literal(row),
        "::pg_catalog.tid offset 0) x, \
         pg_catalog.generate_series(0, coalesce(greatest(pg_catalog.octet_length(b) - 1, 0) / ",
        SLICE_BYTES,
        ", 0)) g"
    )
}

/// What COPY's text form escapes, see
/// <https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS>.
fn by_backslash(byte: u8) -> Option<[u8; 2]> {
    let letter = match byte {
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\t' => b't',
        b'\r' => b'r',
        0x08 => b'b',
        0x0b => b'v',
        0x0c => b'f',
        _ => return None,
    };
    Some([b'\\', letter])
}

/// What its CSV form escapes.
fn by_doubling(byte: u8) -> Option<[u8; 2]> {
    (byte == b'"').then_some([b'"'; 2])
}

fn escaped(bytes: &[u8], escape: fn(u8) -> Option<[u8; 2]>) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    for byte in bytes {
        match escape(*byte) {
            Some(two) => out.extend_from_slice(&two),
            None => out.push(*byte),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_copy_escapes_is_escaped_and_nothing_else() {
        let (raw, written) = (
            b"a\\b\nc\td\re\x08f\x0bg\x0ch\x01\x7f\xc3\xbc,\"'",
            b"a\\\\b\\nc\\td\\re\\bf\\vg\\fh\x01\x7f\xc3\xbc,\"'",
        );
        assert_eq!(escaped(raw, by_backslash), written.as_slice());
        assert_eq!(escaped(b"a\"\\\n", by_doubling), b"a\"\"\\\n".as_slice());
    }
}
