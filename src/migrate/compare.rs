//! A service's files against what its history says was applied.

use refinery_core::Migration;

use super::discover::File;
use crate::error::one_line;

/// Why the files do not follow on from what was applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// An applied file was changed or renamed.
    #[error("{file} has changed since it was applied as {applied} on {on}")]
    Divergent {
        /// The file's name.
        file: String,
        /// Its name in the history.
        applied: String,
        /// When it was applied.
        on: String,
    },
    /// An applied file is gone.
    #[error("{applied} was applied on {on}, but there is no such file")]
    Missing {
        /// Its name in the history.
        applied: String,
        /// When it was applied.
        on: String,
    },
    /// A new file has a lower version than the newest applied one.
    #[error(
        "{file} has not been applied, but the newer {newest} has; `pgcleave migrate SERVICE --out-of-order` runs it"
    )]
    OutOfOrder {
        /// The file's name.
        file: String,
        /// The newest applied one's name.
        newest: String,
    },
}

/// Gives the files that have yet to run, by version; `late` ones too, whose version is lower than the newest applied.
///
/// # Errors
/// The files do not follow on from what was applied: every such file.
pub(super) fn pending<'a>(
    files: &'a [File],
    applied: &[Migration],
    late: bool,
) -> Result<Vec<&'a File>, Vec<Mismatch>> {
    let mut mismatches = Vec::new();
    for done in applied {
        match files.iter().find(|f| f.migration.version() == done.version()) {
            None => mismatches.push(Mismatch::Missing { applied: file_name(&[], done), on: day(done) }),
            Some(file) if file.migration.checksum() != done.checksum() => mismatches.push(Mismatch::Divergent {
                file: file.name.clone(),
                applied: applied_as(file, done),
                on: day(done),
            }),
            Some(_) => {}
        }
    }
    let newest = applied.iter().max_by_key(|m| m.version());
    let mut todo = Vec::new();
    for file in files {
        let version = file.migration.version();
        if applied.iter().any(|done| done.version() == version) {
            continue;
        }
        match newest {
            Some(newest) if newest.version() > version && !late => {
                mismatches.push(Mismatch::OutOfOrder { file: file.name.clone(), newest: file_name(files, newest) });
            }
            _ => todo.push(file),
        }
    }
    if mismatches.is_empty() { Ok(todo) } else { Err(mismatches) }
}

/// Names what was applied like the file of its version, where that has its name still.
fn applied_as(file: &File, applied: &Migration) -> String {
    let is_named_so = file.migration.name() == applied.name();
    file_name(if is_named_so { std::slice::from_ref(file) } else { &[] }, applied)
}

fn file_name(files: &[File], applied: &Migration) -> String {
    if let Some(file) = files.iter().find(|file| file.migration.version() == applied.version()) {
        return file.name.clone();
    }
    // a name in the history can be any text
    one_line(&format!("V{}__{}.sql", applied.version(), applied.name()))
}

fn day(applied: &Migration) -> String {
    applied.applied_on().map_or_else(|| "an unknown day".to_owned(), |at| at.date().to_string())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn applied(stem: &str, text: &str) -> Migration {
        let m = File::of(stem, text).migration;
        Migration::applied(m.version(), m.name().to_owned(), datetime!(2026-11-02 10:00 UTC), m.checksum())
    }

    fn check(files: &[(&str, &str)], done: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<File> = files.iter().map(|(stem, text)| File::of(stem, text)).collect();
        let done: Vec<Migration> = done.iter().map(|(stem, text)| applied(stem, text)).collect();
        let result: Vec<String> = match pending(&files, &done, false) {
            Ok(files) => files.iter().map(|f| f.name.clone()).collect(),
            Err(mismatches) => mismatches.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(result, expected);
    }

    #[test]
    fn only_newer_files_are_pending() {
        check(&[("V1__a", "1"), ("V2__b", "2")], &[("V1__a", "1")], &["V2__b.sql"]);
        check(&[("V1__a", "1")], &[("V1__a", "1")], &[]);
    }

    #[test]
    fn late_files_are_pending_where_that_is_asked_for() {
        let files = [File::of("V1__a", "1"), File::of("V2__b", "2"), File::of("V3__c", "3")];
        let todo = pending(&files, &[applied("V2__b", "2")], true).expect("nothing else is wrong");
        assert_eq!(todo.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["V1__a.sql", "V3__c.sql"]);
    }

    #[test]
    fn every_mismatch_is_named() {
        check(
            &[("V1__a", "changed"), ("V2__renamed", "2"), ("V4__late", "4"), ("V6__new", "6")],
            &[("V1__a", "1"), ("V2__b", "2"), ("V3__c", "3"), ("V5__e", "5")],
            &[
                "V1__a.sql has changed since it was applied as V1__a.sql on 2026-11-02",
                "V2__renamed.sql has changed since it was applied as V2__b.sql on 2026-11-02",
                "V3__c.sql was applied on 2026-11-02, but there is no such file",
                "V5__e.sql was applied on 2026-11-02, but there is no such file",
                "V4__late.sql has not been applied, but the newer V5__e.sql has; `pgcleave migrate SERVICE --out-of-order` runs it",
            ],
        );
    }
}
