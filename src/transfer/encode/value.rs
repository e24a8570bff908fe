//! One value's text → its binary form.

use memchr::memchr;

use super::{NotBinary, number, time};

/// A type whose binary form is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// `bool`.
    Bool,
    /// `int2`.
    Int2,
    /// `int4`.
    Int4,
    /// `int8`.
    Int8,
    /// `float4`.
    Float4,
    /// `float8`.
    Float8,
    /// `numeric`.
    Numeric,
    /// Whatever is sent as its text: `text`, `varchar`, `bpchar`, `name`, `json`, and any enum.
    Text,
    /// `jsonb`: a version and its text.
    Jsonb,
    /// `uuid`.
    Uuid,
    /// `bytea`.
    Bytea,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// `timestamp`.
    Timestamp,
    /// `timestamptz`.
    Timestamptz,
}

impl Wire {
    /// All of them, with the names that PostgreSQL has for their types; `enum` is any enum.
    pub const ALL: [(&'static str, Self); 20] = [
        ("bool", Self::Bool),
        ("int2", Self::Int2),
        ("int4", Self::Int4),
        ("int8", Self::Int8),
        ("float4", Self::Float4),
        ("float8", Self::Float8),
        ("numeric", Self::Numeric),
        ("text", Self::Text),
        ("varchar", Self::Text),
        ("bpchar", Self::Text),
        ("name", Self::Text),
        ("json", Self::Text),
        ("enum", Self::Text),
        ("jsonb", Self::Jsonb),
        ("uuid", Self::Uuid),
        ("bytea", Self::Bytea),
        ("date", Self::Date),
        ("time", Self::Time),
        ("timestamp", Self::Timestamp),
        ("timestamptz", Self::Timestamptz),
    ];

    /// Finds a type by its name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, wire)| *wire)
    }

    /// Appends a value that is not null.
    pub(super) fn put(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBinary> {
        match self {
            Self::Bool => out.push(match text {
                b"t" => 1,
                b"f" => 0,
                _ => return Err(NotBinary),
            }),
            Self::Int2 => out.extend(number::integer::<i16>(text)?.to_be_bytes()),
            Self::Int4 => out.extend(number::integer::<i32>(text)?.to_be_bytes()),
            Self::Int8 => out.extend(number::integer::<i64>(text)?.to_be_bytes()),
            Self::Float4 => out.extend(number::float::<f32>(text)?.to_be_bytes()),
            Self::Float8 => out.extend(number::float::<f64>(text)?.to_be_bytes()),
            Self::Numeric => number::numeric(text, out)?,
            Self::Text => unescape(text, out)?,
            Self::Jsonb => {
                out.push(1);
                unescape(text, out)?;
            }
            Self::Uuid => uuid(text, out)?,
            // Its own backslash is escaped by COPY.
            Self::Bytea => hexadecimal(text.strip_prefix(br"\\x").ok_or(NotBinary)?, out)?,
            Self::Date => out.extend(time::date(text)?.to_be_bytes()),
            Self::Time => out.extend(time::time(text)?.to_be_bytes()),
            Self::Timestamp => out.extend(time::timestamp(text, false)?.to_be_bytes()),
            Self::Timestamptz => out.extend(time::timestamp(text, true)?.to_be_bytes()),
        }
        Ok(())
    }
}

/// Takes COPY's escapes back.
fn unescape(mut text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBinary> {
    while let Some(at) = memchr(b'\\', text) {
        out.extend_from_slice(&text[..at]);
        out.push(match text.get(at + 1) {
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 0x0b,
            Some(b'\\') => b'\\',
            _ => return Err(NotBinary),
        });
        text = &text[at + 2..];
    }
    out.extend_from_slice(text);
    Ok(())
}

fn hexadecimal(text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBinary> {
    if !text.len().is_multiple_of(2) {
        return Err(NotBinary);
    }
    for pair in text.chunks_exact(2) {
        out.push(nibble(pair[0])? << 4 | nibble(pair[1])?);
    }
    Ok(())
}

fn nibble(byte: u8) -> Result<u8, NotBinary> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(NotBinary),
    }
}

/// Reads the one form that PostgreSQL writes, with four hyphens.
fn uuid(text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBinary> {
    if text.len() != 36 {
        return Err(NotBinary);
    }
    let mut rest = text;
    for length in [8, 4, 4, 4, 12] {
        let (part, after) = rest.split_at(length);
        hexadecimal(part, out)?;
        rest = match after {
            [] => after,
            [b'-', after @ ..] => after,
            _ => return Err(NotBinary),
        };
    }
    Ok(())
}
