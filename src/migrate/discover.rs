//! Finds a service's migration files, and says of everything else in their folder why it is not one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use refinery_core::Migration;

use crate::manifest::path::shown;

/// The largest migration that is read, in bytes; beyond that, data should be loaded in another way.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// One migration, read.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path.
    pub path: PathBuf,
    /// Its name, `V<n>__<name>.sql`.
    pub name: String,
    /// What refinery makes of it: version, name, checksum, text.
    pub migration: Migration,
}

impl File {
    /// Gives its text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.migration.sql().expect("a migration that was read has its text")
    }
}

/// Something in a migrations folder that keeps the service from being migrated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{}: {why}", shown(path).display())]
pub struct BadFile {
    /// The file or folder.
    pub path: PathBuf,
    /// Why it is no migration.
    pub why: Why,
}

/// Why a file is no migration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[expect(missing_docs, reason = "each says itself what it means")]
pub enum Why {
    #[error("cannot be read: {0}")]
    Unreadable(String),
    #[error("the folder holds no migration; the first is named V1__<name>.sql")]
    EmptyFolder,
    #[error("is a folder; migrations lie side by side in one folder")]
    Folder,
    #[error("is not named V<number>__<name>.sql, as V1__create_orders.sql is")]
    BadName,
    #[error("its version is too large")]
    BadVersion,
    #[error("has the same version as {0}")]
    Duplicate(String),
    #[error("is not UTF-8: byte {0} is the first that is not")]
    NotUtf8(usize),
    #[error("holds a NUL byte")]
    Nul,
    #[error("begins with a byte order mark; save it without")]
    ByteOrderMark,
    #[error("is empty")]
    Empty,
    #[error("has {bytes} bytes; {MAX_BYTES} is the most")]
    TooLarge { bytes: u64 },
}

/// Reads a folder's migrations, by version.
///
/// Hidden files and READMEs are left alone.
///
/// # Errors
/// All that is wrong with the folder, by path.
pub fn discover(folder: &Path) -> Result<Vec<File>, Vec<BadFile>> {
    let mut files: BTreeMap<i64, File> = BTreeMap::new();
    let mut bad = Vec::new();
    let paths = match list(folder) {
        Ok(paths) => paths,
        Err(error) => {
            let why = Why::Unreadable(error.to_string());
            return Err(vec![BadFile { path: folder.to_owned(), why }]);
        }
    };
    for path in paths {
        match read(&path) {
            Ok(None) => {}
            Ok(Some(file)) => match files.get(&file.migration.version()) {
                Some(first) => bad.push(BadFile { path, why: Why::Duplicate(first.name.clone()) }),
                None => {
                    files.insert(file.migration.version(), file);
                }
            },
            Err(why) => bad.push(BadFile { path, why }),
        }
    }
    if files.is_empty() && bad.is_empty() {
        bad.push(BadFile { path: folder.to_owned(), why: Why::EmptyFolder });
    }
    if bad.is_empty() { Ok(files.into_values().collect()) } else { Err(bad) }
}

fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Option<File>, Why> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name.starts_with('.') || name.to_ascii_uppercase().starts_with("README") {
        return Ok(None);
    }
    let metadata = std::fs::metadata(path).map_err(|e| Why::Unreadable(e.to_string()))?;
    if metadata.is_dir() {
        return Err(Why::Folder);
    }
    let stem = stem(&name)?;
    if !metadata.is_file() {
        return Err(Why::Unreadable("it is no regular file".to_owned()));
    }
    if metadata.len() > MAX_BYTES {
        return Err(Why::TooLarge { bytes: metadata.len() });
    }
    let bytes = std::fs::read(path).map_err(|e| Why::Unreadable(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|e| Why::NotUtf8(e.utf8_error().valid_up_to() + 1))?;
    if text.contains('\0') {
        return Err(Why::Nul);
    }
    if text.starts_with('\u{feff}') {
        return Err(Why::ByteOrderMark);
    }
    if text.trim().is_empty() {
        return Err(Why::Empty);
    }
    let migration = Migration::unapplied(stem, &text).map_err(|_| Why::BadName)?;
    Ok(Some(File { path: path.to_owned(), name, migration }))
}

/// Checks a file's name, more strictly than refinery does: `V<n>__<name>.sql`, where the name is `[a-z0-9_]+` of any case.
fn stem(name: &str) -> Result<&str, Why> {
    let stem = name.strip_suffix(".sql").ok_or(Why::BadName)?;
    let (version, rest) = stem.strip_prefix('V').and_then(|s| s.split_once("__")).ok_or(Why::BadName)?;
    if version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Why::BadName);
    }
    if rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(Why::BadName);
    }
    version.parse::<i64>().map_err(|_| Why::BadVersion)?;
    Ok(stem)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(files: &[(&str, &[u8])], expected: &Expect) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            if let Some(name) = name.strip_suffix('/') {
                std::fs::create_dir(folder.path().join(name)).expect("a folder in it");
            } else {
                std::fs::write(folder.path().join(name), bytes).expect("a file in it");
            }
        }
        let text = match discover(folder.path()) {
            Ok(files) => files.iter().map(|f| format!("{} {}\n", f.migration.version(), f.name)).collect::<String>(),
            Err(bad) => bad.iter().map(|b| format!("{b}\n")).collect(),
        };
        let root = folder.path().display().to_string();
        expected.assert_eq(&text.replace(&format!("{root}/"), "").replace(&root, "."));
    }

    #[test]
    fn files_are_ordered_by_version_not_by_name() {
        check(
            &[("V10__b.sql", b"select 1"), ("V9__a.sql", b"select 1"), ("README.md", b"x"), (".keep", b"")],
            &expect![[r#"
                9 V9__a.sql
                10 V10__b.sql
            "#]],
        );
    }

    #[test]
    fn everything_that_is_no_migration_is_named_at_once() {
        check(
            &[
                ("V1__ok.sql", b"select 1"),
                ("V01__again.sql", b"select 1"),
                ("V2_single.sql", b"select 1"),
                ("v3__lower.sql", b"select 1"),
                ("V4__with-dash.sql", b"select 1"),
                ("V5__x.sql.bak", b"select 1"),
                ("V6__dir.sql/", b""),
                ("|7__pipe.sql", b"select 1"),
                ("U8__unversioned.sql", b"select 1"),
                ("V9.1__dotted.sql", b"select 1"),
                ("V99999999999999999999__big.sql", b"select 1"),
                ("V10__latin1.sql", b"select '\xe9'"),
                ("V11__nul.sql", b"select '\0'"),
                ("V12__empty.sql", b" \n"),
                ("V13__bom.sql", b"\xef\xbb\xbfselect 1"),
            ],
            &expect![[r#"
                U8__unversioned.sql: is not named V<number>__<name>.sql, as V1__create_orders.sql is
                V10__latin1.sql: is not UTF-8: byte 9 is the first that is not
                V11__nul.sql: holds a NUL byte
                V12__empty.sql: is empty
                V13__bom.sql: begins with a byte order mark; save it without
                V1__ok.sql: has the same version as V01__again.sql
                V2_single.sql: is not named V<number>__<name>.sql, as V1__create_orders.sql is
                V4__with-dash.sql: is not named V<number>__<name>.sql, as V1__create_orders.sql is
                V5__x.sql.bak: is not named V<number>__<name>.sql, as V1__create_orders.sql is
                V6__dir.sql: is a folder; migrations lie side by side in one folder
                V9.1__dotted.sql: is not named V<number>__<name>.sql, as V1__create_orders.sql is
                V99999999999999999999__big.sql: its version is too large
                v3__lower.sql: is not named V<number>__<name>.sql, as V1__create_orders.sql is
                |7__pipe.sql: is not named V<number>__<name>.sql, as V1__create_orders.sql is
            "#]],
        );
    }

    #[test]
    fn an_empty_folder_and_a_missing_one_are_named() {
        check(
            &[("README", b"")],
            &expect![[r#"
            .: the folder holds no migration; the first is named V1__<name>.sql
        "#]],
        );
        let missing = discover(Path::new("/nonexistent/migrations")).expect_err("there is none");
        assert!(matches!(missing[0].why, Why::Unreadable(_)), "{missing:?}");
    }
}
