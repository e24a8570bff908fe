//! What archive.json says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ident::Ident;
use crate::transfer::coupling::Coupling;
use crate::transfer::table::TableName;

/// The format that this version writes; it reads every `pgcleave.archive/1`.
pub const FORMAT: &str = "pgcleave.archive/1";

/// The folder of the rows' files.
pub const DATA: &str = "data";
/// The description of the whole.
pub const INDEX: &str = "archive.json";
/// The hashes of all files, archive.json among them.
pub const SUMS: &str = "SHA256SUMS";
/// The roles that own and may use what is in the archive.
pub const ROLES: &str = "00_roles.sql";
/// The empty schema and the extensions that it needs.
pub const EXTENSIONS: &str = "05_extensions.sql";
/// What must be there before rows come.
pub const PRE_DATA: &str = "10_pre-data.sql";
/// Indexes, constraints, triggers, rules.
pub const POST_DATA: &str = "30_post-data.sql";
/// Where each sequence stands.
pub const SEQUENCES: &str = "40_sequences.sql";
/// Memberships, settings and default privileges; grants on objects are beside their objects.
pub const GRANTS: &str = "50_grants.sql";
/// Materialized views in the order in which they can be refreshed.
pub const REFRESH: &str = "60_refresh.sql";
/// Takes back what let an administrator who is no superuser act as the owners.
pub const LEAVE: &str = "70_leave.sql";
/// Restores with psql and zstd alone.
pub const RESTORE: &str = "restore.sh";

/// All that is known about an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// [`FORMAT`].
    pub format: String,
    /// A random name, so that a resumed import knows its own.
    pub id: String,
    /// The service, or the schema where no manifest names one.
    pub service: String,
    /// The schema.
    pub schema: Ident,
    /// When the snapshot was taken, in RFC 3339.
    pub taken_at: String,
    /// Which program wrote it.
    pub written_by: String,
    /// The database that it was taken from.
    pub source: Source,
    /// Who owns the schema; older archives say it in their definitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Ident>,
    /// Who owns something in it; older archives say it beside the roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Ident>,
    /// Whether SCRAM verifiers are in it.
    pub verifiers: bool,
    /// What ties the schema to the rest of its database.
    pub couplings: Vec<Coupling>,
    /// The tables that hold rows of their own, by name.
    pub tables: Vec<TableEntry>,
    /// All files but this one and the list of hashes, in the order of their names.
    pub files: Vec<FileEntry>,
    /// Definitions, positions and grants, as `verify` compares them.
    pub facts: BTreeMap<String, String>,
}

/// The database that an archive was taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub database: String,
    /// `server_version`, in words.
    pub server_version: String,
    /// `server_version_num`, as in 150004.
    pub server_version_num: u32,
    /// The database's encoding.
    pub encoding: String,
    /// The database's collation.
    pub collate: String,
    /// The database's character classification.
    pub ctype: String,
    /// The version of the collation's library, where the server knows it.
    pub collation_version: Option<String>,
    /// Where the write-ahead log stood when the snapshot was taken.
    pub lsn: String,
    /// The pg_dump that wrote the definitions.
    pub pg_dump: String,
}

/// A table with rows of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEntry {
    /// Its name.
    pub name: TableName,
    /// The columns that are in the files, in order.
    pub columns: Vec<Ident>,
    /// The columns that identify a row.
    pub key: Vec<Ident>,
    /// How many rows.
    pub rows: u64,
    /// The sum of the XXH3-64 hashes of the rows' COPY lines, modulo 2^128, in hexadecimal.
    pub row_sum: String,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Where it is, with `/` between folders.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// The table whose rows it holds, by its place in `tables`; nothing for SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<usize>,
    /// The rows in it.
    #[serde(default)]
    pub rows: u64,
    /// Its length before compression.
    #[serde(default)]
    pub raw_bytes: u64,
}

/// Names the file for one piece of a table; the number alone makes it unique.
#[must_use]
pub fn data_file(number: usize, table: &str, piece: u32) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let short: String = table.chars().take(40).map(safe).collect();
    format!("data/{:04}_{short}_{}.copy.zst", number + 1, piece + 1)
}

/// Tells whether a path from an archive stays inside it and is of the form that this program writes.
#[must_use]
pub fn is_safe(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    };
    path.len() <= 255 && path.split('/').count() <= 2 && path.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_inside_the_archive_are_safe() {
        for path in ["archive.json", "data/0001_orders_1.copy.zst", "data/0002_a-b_12.copy.zst"] {
            assert!(is_safe(path), "{path}");
        }
        for path in ["", "/etc/passwd", "../x", "data/../../x", "data//x", "data/.x", "a/b/c", "C:\\x", "data/ä", "a b"]
        {
            assert!(!is_safe(path), "{path}");
        }
        assert_eq!(data_file(0, "a/../b\n'", 0), "data/0001_a----b--_1.copy.zst");
        assert!(is_safe(&data_file(9_999_999, &"…".repeat(63), u32::MAX - 1)));
    }
}
