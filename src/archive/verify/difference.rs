//! The second look, at tables that differ: which chunks, and which rows of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::super::error::Error;
use super::side::Side;
use super::{Chunks, Options, Pair};
use crate::transfer::control::Control;
use crate::transfer::copy::RowSum;

/// How many rows a chunk should hold.
const CHUNK_ROWS: u64 = 4096;
/// The most chunks, so that their sums stay small.
const MAX_CHUNKS: u64 = 1 << 16;
/// How many differing chunks are looked into.
const MAX_LOOKED_INTO: usize = 4;
/// The most rows that are kept of a side; more, where the first differing chunk has more.
const MAX_ROWS: u64 = 32_768;
/// How much of a key is shown, in characters.
const KEY_CHARS: usize = 200;
/// How much of a key is kept, in bytes: a little more than is shown, in any script.
const KEY_BYTES: usize = KEY_CHARS * 4;

/// A row that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The row's key, `id=7`; the row itself where the table has no key.
    pub key: String,
    /// In what way.
    pub what: What,
}

/// In what way a row is not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Only the second side has it.
    MissingInFirst,
    /// Only the first side has it.
    MissingInSecond,
    /// Both have it with other values, or not equally often.
    Differs,
}

/// What was found in one table.
pub(super) struct Found {
    pub(super) chunks: Chunks,
    pub(super) rows: Vec<Difference>,
}

/// Finds them in two passes over the rows of both sides.
pub(super) async fn find(
    first: &Side,
    second: &Side,
    pair: &Pair,
    rows: u64,
    options: &Options,
    control: &Control,
) -> Result<Found, Error> {
    let of = usize::try_from((rows / CHUNK_ROWS).clamp(1, MAX_CHUNKS)).expect("a small number");
    let a = chunks(first, pair, of, control).await?;
    let b = chunks(second, pair, of, control).await?;
    let differing: Vec<usize> = (0..of).filter(|i| a[*i] != b[*i]).collect();
    let chunks = Chunks { differ: differing.len(), of };
    let wanted = wanted(&differing, &a, &b);
    if wanted.is_empty() {
        return Ok(Found { chunks, rows: Vec::new() });
    }
    let a = keys(first, pair, of, &wanted, control).await?;
    let b = keys(second, pair, of, &wanted, control).await?;
    let mut rows = Vec::new();
    let all: BTreeSet<&Key> = a.keys().chain(b.keys()).collect();
    for key in all {
        let what = match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(_), Some(_)) => What::Differs,
            (None, _) => What::MissingInFirst,
            (_, None) => What::MissingInSecond,
        };
        rows.push(Difference { key: shown(pair, &key.start), what });
        if rows.len() == options.rows {
            break;
        }
    }
    Ok(Found { chunks, rows })
}

/// Takes the first differing chunks, as many as hold a bounded number of rows, but at least one.
fn wanted(differing: &[usize], a: &[RowSum], b: &[RowSum]) -> BTreeSet<usize> {
    let (mut wanted, mut rows) = (BTreeSet::new(), 0);
    for chunk in differing.iter().take(MAX_LOOKED_INTO) {
        rows += a[*chunk].rows.max(b[*chunk].rows);
        if rows > MAX_ROWS && !wanted.is_empty() {
            break;
        }
        wanted.insert(*chunk);
    }
    wanted
}

/// A key as it is kept: two that begin alike are told apart by their hashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    start: Vec<u8>,
    hash: u64,
}

async fn chunks(side: &Side, pair: &Pair, of: usize, control: &Control) -> Result<Vec<RowSum>, Error> {
    let mut sums = vec![RowSum::default(); of];
    side.lines(pair, control, |line| sums[chunk(xxh3_64(&key(pair, line)), of)].add(line)).await?;
    Ok(sums)
}

async fn keys(
    side: &Side,
    pair: &Pair,
    of: usize,
    wanted: &BTreeSet<usize>,
    control: &Control,
) -> Result<BTreeMap<Key, RowSum>, Error> {
    let mut rows = BTreeMap::<Key, RowSum>::new();
    side.lines(pair, control, |line| {
        let key = key(pair, line);
        let hash = xxh3_64(&key);
        if wanted.contains(&chunk(hash, of)) {
            let start = key[..key.len().min(KEY_BYTES)].to_vec();
            rows.entry(Key { start, hash }).or_default().add(line);
        }
    })
    .await?;
    Ok(rows)
}

fn chunk(hash: u64, of: usize) -> usize {
    let of = u64::try_from(of).expect("a small number");
    usize::try_from(hash % of).expect("less than a small number")
}

/// Gives the key's columns of a COPY line with tabs between them; the line itself if there is no key.
fn key<'l>(pair: &Pair, line: &'l [u8]) -> Cow<'l, [u8]> {
    if pair.key.is_empty() {
        return line.into();
    }
    let values: Vec<&[u8]> = line.split(|b| *b == b'\t').collect();
    let parts: Vec<&[u8]> = pair.key.iter().map(|i| values.get(*i).copied().unwrap_or_default()).collect();
    parts.join(&b'\t').into()
}

fn shown(pair: &Pair, key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    let text = if pair.key.is_empty() {
        text.into_owned()
    } else {
        let names = pair.key.iter().map(|i| pair.columns[*i].name.as_str());
        names.zip(text.split('\t')).map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
    };
    // What was cut in the middle of a letter is not shown.
    let short: String = text.trim_end_matches('\u{fffd}').chars().take(KEY_CHARS).collect();
    if short.len() < text.len() { short + "…" } else { short }
}
