//! COPY on the wire, in batches of bounded size. A connection whose copy failed is out of step: it is thrown away.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::postgres::{PgConnection, PgCopyIn};
use xxhash_rust::xxh3::xxh3_64;

use super::error::Error;
use super::table::Form;
use crate::pg::error::Error as PgError;
use crate::sql::Sql;

/// How many bytes a batch holds, if a row does not hold more.
pub const BATCH_BYTES: usize = 64 << 10;

/// The most bytes that one message to the server holds.
const PIECE_BYTES: usize = 1 << 20;

/// Counts rows and sums their hashes, in whatever order they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowSum {
    /// How many rows.
    pub rows: u64,
    /// The sum of the XXH3-64 hashes of the rows' lines, without the line feed, modulo 2^128.
    pub sum: u128,
}

impl RowSum {
    /// Adds one line, without its line feed.
    pub fn add(&mut self, line: &[u8]) {
        self.add_hash(xxh3_64(line));
    }

    /// Adds one line by its hash.
    pub fn add_hash(&mut self, hash: u64) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(u128::from(hash));
    }

    /// Adds the rows of another part.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Gives the sum in hexadecimal, as an archive stores it.
    #[must_use]
    pub fn hex(&self) -> String {
        format!("{:032x}", self.sum)
    }
}

/// Rows on their way out of a database.
pub struct CopyOut<'c> {
    rows: BoxStream<'c, sqlx::Result<Bytes>>,
    /// A row that did not fit into the batch before it.
    held: Option<Bytes>,
    doing: String,
    binary: bool,
    messages: u64,
    /// What has come out so far.
    pub sum: RowSum,
}

impl<'c> CopyOut<'c> {
    /// Starts a `COPY … TO STDOUT`.
    ///
    /// # Errors
    /// The server refused it.
    pub async fn start(connection: &'c mut PgConnection, doing: &str, statement: &Sql) -> Result<Self, Error> {
        let rows = connection.copy_out_raw(statement.as_str()).await.map_err(|e| PgError::new(doing, &e))?;
        Ok(Self { rows, held: None, doing: doing.to_owned(), binary: false, messages: 0, sum: RowSum::default() })
    }

    /// Says that the rows come in this form. Those in binary are counted, not hashed.
    #[must_use]
    pub fn of(mut self, form: Form) -> Self {
        self.binary = form == Form::Binary;
        self
    }

    /// Gives the next whole rows; nothing at the end. A row as wide as a batch comes alone, and is not copied.
    ///
    /// # Errors
    /// The server broke off, or the connection did.
    pub async fn next(&mut self) -> Result<Bytes, Error> {
        let mut batch = Vec::new();
        loop {
            // The server sends each row in a message of its own.
            let row = match self.held.take() {
                Some(row) => row,
                None => match self.rows.try_next().await {
                    Ok(Some(row)) => {
                        self.count(&row);
                        row
                    }
                    Ok(None) => return Ok(batch.into()),
                    Err(error) => return Err(PgError::new(self.doing.as_str(), &error).into()),
                },
            };
            if batch.is_empty() && row.len() >= BATCH_BYTES {
                return Ok(row);
            }
            if !batch.is_empty() && batch.len() + row.len() > BATCH_BYTES {
                self.held = Some(row);
                return Ok(batch.into());
            }
            if batch.is_empty() {
                batch.reserve_exact(BATCH_BYTES);
            }
            batch.extend_from_slice(&row);
        }
    }
}

impl CopyOut<'_> {
    fn count(&mut self, row: &[u8]) {
        if self.binary {
            // The head comes with the first row, the tail alone.
            self.sum.rows = self.messages;
            self.messages += 1;
        } else {
            self.sum.add(row.strip_suffix(b"\n").unwrap_or(row));
        }
    }
}

/// Rows on their way into a database.
pub struct CopyIn<'c> {
    copy: PgCopyIn<&'c mut PgConnection>,
    doing: String,
}

impl<'c> CopyIn<'c> {
    /// Starts a `COPY … FROM STDIN`.
    ///
    /// # Errors
    /// The server refused it.
    pub async fn start(connection: &'c mut PgConnection, doing: &str, statement: &Sql) -> Result<Self, Error> {
        let copy = connection.copy_in_raw(statement.as_str()).await.map_err(|e| PgError::new(doing, &e))?;
        Ok(Self { copy, doing: doing.to_owned() })
    }

    /// Sends a batch.
    ///
    /// # Errors
    /// The connection broke. What the server refuses is seen at the end.
    pub async fn send(&mut self, batch: &[u8]) -> Result<(), Error> {
        // In pieces, since the driver copies what it sends: where a message ends means nothing to the server.
        for piece in batch.chunks(PIECE_BYTES) {
            self.copy.send(piece).await.map_err(|e| PgError::new(self.doing.as_str(), &e))?;
        }
        Ok(())
    }

    /// Gives the copy up; nothing of it stays, and the transaction that it is in has failed.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn abandon(self) -> Result<(), Error> {
        let given_up = self.copy.abort("the rows come in another form").await;
        Ok(given_up.map_err(|e| PgError::new(self.doing, &e))?)
    }

    /// Ends the copy and gives the number of rows that the server has taken.
    ///
    /// # Errors
    /// The server refused a row, or the connection broke.
    pub async fn finish(self) -> Result<u64, Error> {
        Ok(self.copy.finish().await.map_err(|e| PgError::new(self.doing, &e))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_does_not_depend_on_the_order_but_on_every_row() {
        let sum = |lines: &[&str]| {
            let mut sum = RowSum::default();
            lines.iter().for_each(|line| sum.add(line.as_bytes()));
            sum
        };
        assert_eq!(sum(&["1\ta", "2\tb"]), sum(&["2\tb", "1\ta"]));
        assert_ne!(sum(&["1\ta", "1\ta"]), sum(&["2\tb", "2\tb"]));
        assert_ne!(sum(&["1\ta"]), sum(&["1\ta", "1\ta"]));
    }
}
