//! Rows in COPY's text form → COPY's binary form, which costs the server a third less to take in.
//!
//! Only what PostgreSQL itself writes, under the settings of [`session`](crate::pg::session), is understood. All else is
//! [`NotBinary`], and its piece goes as text: the server decides then, as it would have without us.
//!
//! The forms are those of the types' `…send` functions, see
//! <https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS>.

mod number;
mod time;
mod value;

use memchr::memchr;
pub use value::Wire;

/// What a binary copy begins with: its signature, no flags, no extension.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What it ends with, where a row's number of columns would stand.
const TAIL: [u8; 2] = (-1_i16).to_be_bytes();

/// The widest row that waits for its end, in bytes: wider ones go as text, which needs no room for them.
const WIDEST_BYTES: usize = 4 << 20;

/// Some value has no binary form that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotBinary;

/// Turns rows of one table; they come in batches that end anywhere.
#[derive(Debug)]
pub struct Encoder<'w> {
    wires: &'w [Wire],
    /// What has come of a row whose end has not.
    begun: Vec<u8>,
    head: bool,
}

impl<'w> Encoder<'w> {
    /// Starts with the columns' types, in the order in which their values come.
    #[must_use]
    pub fn new(wires: &'w [Wire]) -> Self {
        Self { wires, begun: Vec::new(), head: true }
    }

    /// Adds the next bytes, and appends whole rows to `out`.
    ///
    /// # Errors
    /// A value is not what PostgreSQL writes; what was appended must not be used.
    pub fn push(&mut self, mut text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBinary> {
        if std::mem::take(&mut self.head) {
            out.extend_from_slice(HEAD);
        }
        if !self.begun.is_empty() {
            let end = memchr(b'\n', text);
            self.begun.extend_from_slice(&text[..end.unwrap_or(text.len())]);
            let Some(end) = end else { return self.bounded() };
            let begun = std::mem::take(&mut self.begun);
            self.row(&begun, out)?;
            text = &text[end + 1..];
        }
        while let Some(end) = memchr(b'\n', text) {
            self.row(&text[..end], out)?;
            text = &text[end + 1..];
        }
        self.begun.extend_from_slice(text);
        self.bounded()
    }

    /// Ends the copy.
    ///
    /// # Errors
    /// The last row has no end.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), NotBinary> {
        self.push(&[], out)?;
        out.extend_from_slice(&TAIL);
        if self.begun.is_empty() { Ok(()) } else { Err(NotBinary) }
    }

    fn bounded(&self) -> Result<(), NotBinary> {
        if self.begun.len() > WIDEST_BYTES { Err(NotBinary) } else { Ok(()) }
    }

    fn row(&self, mut line: &[u8], out: &mut Vec<u8>) -> Result<(), NotBinary> {
        let (last, others) = self.wires.split_last().ok_or(NotBinary)?;
        out.extend_from_slice(&i16::try_from(self.wires.len()).map_err(|_| NotBinary)?.to_be_bytes());
        for wire in others {
            let end = memchr(b'\t', line).ok_or(NotBinary)?;
            field(*wire, &line[..end], out)?;
            line = &line[end + 1..];
        }
        if memchr(b'\t', line).is_some() {
            return Err(NotBinary);
        }
        field(*last, line, out)
    }
}

fn field(wire: Wire, text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBinary> {
    if text == b"\\N" {
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        return Ok(());
    }
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    wire.put(text, out)?;
    let length = i32::try_from(out.len() - at - 4).map_err(|_| NotBinary)?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(wires: &[Wire], pieces: &[&[u8]]) -> Result<Vec<u8>, NotBinary> {
        let (mut encoder, mut out) = (Encoder::new(wires), Vec::new());
        for piece in pieces {
            encoder.push(piece, &mut out)?;
        }
        encoder.finish(&mut out).map(|()| out)
    }

    #[test]
    fn rows_have_their_columns_nulls_and_lengths() {
        let out = encode(&[Wire::Int4, Wire::Text], &[b"7\ta\\tb\n\\N\t\n"]).expect("rows");
        let rows = out.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix(&TAIL)).expect("head and tail");
        assert_eq!(rows, b"\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x03a\tb\0\x02\xff\xff\xff\xff\0\0\0\0");
        assert_eq!(encode(&[Wire::Int4], &[]).expect("no rows"), [HEAD, &TAIL].concat());
    }

    #[test]
    fn what_postgresql_does_not_write_is_not_guessed() {
        let refused = |wires: &[Wire], text: &[u8]| assert_eq!(encode(wires, &[text]), Err(NotBinary), "{text:?}");
        refused(&[Wire::Int4, Wire::Int4], b"7\n");
        refused(&[Wire::Int4], b"7\t8\n");
        refused(&[Wire::Int4], b"7");
        refused(&[], b"\n");
        refused(&[Wire::Text], b"\\x41\n");
        refused(&[Wire::Text], b"\\101\n");
        refused(&[Wire::Text], b"a\\\n");
        refused(&[Wire::Int2], b"32768\n");
        refused(&[Wire::Int4], b"+7\n");
        refused(&[Wire::Int8], b"9223372036854775808\n");
        refused(&[Wire::Numeric], b"1e3\n");
        refused(&[Wire::Numeric], b".\n");
        refused(&[Wire::Bool], b"true\n");
        refused(&[Wire::Date], b"01-02-2025\n");
        refused(&[Wire::Date], b"2025-02-30\n");
        refused(&[Wire::Timestamp], b"2025-02-03T00:00:00\n");
        refused(&[Wire::Timestamptz], b"2025-02-03 00:00:00\n");
        refused(&[Wire::Uuid], b"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}\n");
        refused(&[Wire::Bytea], b"\\\\001\n");
        refused(&[Wire::Float8], b"1_0\n");
        refused(&[Wire::Text], &[b'x'; WIDEST_BYTES + 1]);
    }

    proptest! {
        #[test]
        fn where_batches_end_means_nothing(texts in proptest::collection::vec("[ -\\[\\]-~é]{0,9}", 1..9), size in 1usize..40) {
            let text: String = texts.iter().map(|text| format!("{text}\t1\n")).collect();
            let wires = [Wire::Text, Wire::Int2];
            let whole = encode(&wires, &[text.as_bytes()]);
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            prop_assert!(whole.is_ok());
            prop_assert_eq!(whole, encode(&wires, &pieces));
        }

        #[test]
        fn no_text_makes_it_panic(text in proptest::collection::vec(any::<u8>(), 0..60), which in 0usize..Wire::ALL.len()) {
            let wire = Wire::ALL[which].1;
            let _ = encode(&[wire], &[&text]);
            let _ = encode(&[wire], &["-0:.1 BC+e\\n".as_bytes(), &text]);
        }
    }
}
