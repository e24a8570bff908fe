//! Finds a service's migration files, and says of everything else in their folder why it is not one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use refinery_core::Migration;

use super::bad_file::MAX_BYTES;
pub use super::bad_file::{BadFile, Why};
use super::layout::{self, Entry, Name};
use super::section::{self, Section, Settings};
use crate::analyze::script::{self, Script};
use crate::model::layout::Layout;
use crate::plan::pin::sha256;

/// One migration, read.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path.
    pub path: PathBuf,
    /// Its name in the folder.
    pub name: String,
    /// Its version as the tool of its layout writes it into its history.
    pub written: String,
    /// What refinery makes of it: version, name, checksum, and the text that runs.
    pub migration: Migration,
    /// SHA-256 of its bytes, and of the settings beside it, in hexadecimal.
    pub sha256: String,
    /// How many lines of the file stand before the text that runs.
    pub lines_before: usize,
    /// Whether its layout says that no transaction is around it.
    pub alone: bool,
}

impl File {
    /// Gives the text that runs.
    #[must_use]
    pub fn text(&self) -> &str {
        self.migration.sql().expect("a migration that was read has its text")
    }

    /// Gives the text that runs, each line where it stands in the file.
    #[must_use]
    pub fn text_in_place(&self) -> String {
        "\n".repeat(self.lines_before) + self.text()
    }

    /// Reads its statements.
    #[must_use]
    pub fn script(&self) -> Script {
        script::read_marked(self.text(), self.alone)
    }

    /// Gives the statements to run one by one, where no transaction is around them.
    #[must_use]
    pub fn cuts(&self) -> Option<Vec<Range<usize>>> {
        if !self.alone && !self.text().contains(script::NO_TRANSACTION) {
            return None;
        }
        let script = self.script();
        (!script.transaction).then_some(script.statements)
    }

    /// Makes a file of pgcleave's own layout.
    #[cfg(test)]
    pub(super) fn of(stem: &str, text: &str) -> Self {
        let migration = Migration::unapplied(stem, text).expect("well named");
        let written = migration.version().to_string();
        let (path, name) = (stem.into(), format!("{stem}.sql"));
        Self { path, name, written, migration, sha256: String::new(), lines_before: 0, alone: false }
    }
}

/// Reads a folder's migrations, by version; without a layout, the one that all files fit.
///
/// Hidden files and READMEs are left alone. Nothing outside `root`, the project's folder, is read.
///
/// # Errors
/// All that is wrong with the folder, by path.
pub fn discover(folder: &Path, root: &Path, layout: Option<Layout>) -> Result<Vec<File>, Vec<BadFile>> {
    let of_folder = |why| vec![BadFile { path: folder.to_owned(), why }];
    let root = Root(std::fs::canonicalize(root).ok());
    if root.is_outside(folder) {
        return Err(of_folder(Why::Outside));
    }
    let found = list(folder, &root).map_err(|error| of_folder(Why::Unreadable(error.to_string())))?;
    let mut bad = Vec::new();
    let layout = match layout.map_or_else(|| recognise(&found), |layout| Ok((layout, None))) {
        Ok((layout, doubt)) => {
            bad.extend(doubt.into_iter().flat_map(of_folder));
            layout
        }
        Err(why) => return Err(of_folder(why)),
    };
    let mut files: BTreeMap<i64, File> = BTreeMap::new();
    for found in &found {
        match file(layout, found, &root) {
            Ok(None) => {}
            Ok(Some(file)) => match files.get(&file.migration.version()) {
                Some(first) => {
                    bad.push(BadFile { path: found.path.clone(), why: Why::Duplicate(first.name.clone()) });
                }
                None => {
                    files.insert(file.migration.version(), file);
                }
            },
            Err(why) => bad.push(BadFile { path: found.path.clone(), why }),
        }
    }
    if files.is_empty() && bad.is_empty() {
        bad.extend(of_folder(Why::EmptyFolder));
    }
    if bad.is_empty() { Ok(files.into_values().collect()) } else { Err(bad) }
}

/// The project's folder, with all links resolved.
struct Root(Option<PathBuf>);

impl Root {
    /// Tells whether a path that is there leads out of it.
    fn is_outside(&self, path: &Path) -> bool {
        let resolved = std::fs::canonicalize(path).ok();
        self.0.as_ref().zip(resolved).is_some_and(|(root, path)| !path.starts_with(root))
    }
}

/// One name in the folder.
struct Found {
    path: PathBuf,
    name: String,
    is_folder: bool,
    /// The text of an .sql file, or why there is none.
    text: Result<Text, Why>,
}

/// A text, and the hash of its bytes.
#[derive(Debug, Clone)]
struct Text {
    text: String,
    sha256: String,
}

fn list(folder: &Path, root: &Root) -> std::io::Result<Vec<Found>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name.to_ascii_uppercase().starts_with("README") {
            continue;
        }
        let is_folder = std::fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        let script = if is_folder { path.join("up.sql") } else { path.clone() };
        let text = if name.ends_with(".sql") || is_folder { read(&script, root) } else { Err(Why::Empty) };
        all.push(Found { path, name, is_folder, text });
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

/// Finds the only layout that all files fit; pgcleave's own stands for Flyway's too, which has the same versions.
///
/// Where none fits, gives the one that most files fit, and what to say of that.
fn recognise(all: &[Found]) -> Result<(Layout, Option<Why>), Why> {
    let layouts = Layout::WORDS.map(|(_, layout)| layout);
    let fitting = |layout: Layout| all.iter().filter(|found| found.fits(layout)).count();
    let candidates: Vec<Layout> = layouts.into_iter().filter(|layout| fitting(*layout) == all.len()).collect();
    match candidates.as_slice() {
        [Layout::Pgcleave, ..] => Ok((Layout::Pgcleave, None)),
        [layout] => Ok((*layout, None)),
        [] if fitting(Layout::Pgcleave) > 0 => Ok((Layout::Pgcleave, None)),
        [] => {
            let most = layouts.into_iter().rev().max_by_key(|layout| fitting(*layout)).unwrap_or(Layout::Pgcleave);
            Ok((most, Some(Why::NoLayout(most))))
        }
        _ => Err(Why::SeveralLayouts(candidates)),
    }
}

impl Found {
    /// Tells whether the name, and the sections of the text, are the layout's.
    fn fits(&self, layout: Layout) -> bool {
        match layout::entry(layout, &self.name, self.is_folder) {
            Ok(Entry::Beside) => true,
            Ok(Entry::Migration(_)) => {
                let marker = self.text.as_ref().ok().and_then(|text| section::first_marker(&text.text));
                match (layout, marker) {
                    (Layout::Pgcleave, _) | (_, None) => self.text.is_err() || !has_sections(layout),
                    (_, Some((_, other))) => layout == other,
                }
            }
            Err(_) => false,
        }
    }
}

fn has_sections(layout: Layout) -> bool {
    matches!(layout, Layout::Goose | Layout::Dbmate)
}

/// Reads one migration; nothing for what undoes one or goes with one.
fn file(layout: Layout, found: &Found, root: &Root) -> Result<Option<File>, Why> {
    if root.is_outside(&found.path) {
        return Err(Why::Outside);
    }
    let Entry::Migration(named) = layout::entry(layout, &found.name, found.is_folder)? else { return Ok(None) };
    let Name { version, written, name } = named;
    let Text { text, sha256: hash } = found.text.clone()?;
    let (path, shown) = match layout {
        Layout::Diesel => (found.path.join("up.sql"), format!("{}/up.sql", found.name)),
        _ => (found.path.clone(), found.name.clone()),
    };
    let (settings, sha256) = match settings(layout, &path, root)? {
        Some(beside) => {
            (section::settings(layout, &beside.text)?, sha256(format!("{hash} {}", beside.sha256).as_bytes()))
        }
        None => (Settings::default(), hash),
    };
    let Section { text, lines_before, alone } = section::section(layout, &found.name, &text, &settings)?;
    let migration = Migration::unapplied(&format!("V{version}__{name}"), &text).map_err(|_| Why::BadName(layout))?;
    Ok(Some(File { path, name: shown, written, migration, sha256, lines_before, alone }))
}

/// Reads the settings that some layouts have beside a file.
fn settings(layout: Layout, script: &Path, root: &Root) -> Result<Option<Text>, Why> {
    let path = match layout {
        Layout::Flyway => script.with_extension("sql.conf"),
        Layout::Diesel => script.with_file_name("metadata.toml"),
        _ => return Ok(None),
    };
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    read(&path, root).map(Some)
}

/// Reads a file of a bearable size that lies within the project.
fn read(path: &Path, root: &Root) -> Result<Text, Why> {
    if root.is_outside(path) {
        return Err(Why::Outside);
    }
    let metadata = std::fs::metadata(path).map_err(|e| Why::Unreadable(e.to_string()))?;
    if !metadata.is_file() {
        return Err(Why::Unreadable("it is no regular file".to_owned()));
    }
    if metadata.len() > MAX_BYTES {
        return Err(Why::TooLarge { bytes: metadata.len() });
    }
    let bytes = std::fs::read(path).map_err(|e| Why::Unreadable(e.to_string()))?;
    let sha256 = sha256(&bytes);
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
    Ok(Text { text, sha256 })
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
        let text = match discover(folder.path(), folder.path(), None) {
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
                V9.1__dotted.sql: has a version with dots; give the files whole numbers, such as V2__name.sql, in the order of their versions
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
        let missing =
            discover(Path::new("/nonexistent/migrations"), Path::new("/nonexistent"), None).expect_err("there is none");
        assert!(matches!(missing[0].why, Why::Unreadable(_)), "{missing:?}");
    }

    #[test]
    fn a_layout_is_recognised_where_all_files_fit_it_alone() {
        check(
            &[("2_b.sql", b"select 2"), ("10_a.sql", b"select 1"), ("1_c.down.sql", b"x"), ("1_c.up.sql", b"x")],
            &expect![[r#"
            1 1_c.up.sql
            2 2_b.sql
            10 10_a.sql
        "#]],
        );
        check(
            &[("1_a.sql", b"-- +goose Up\nselect 1"), ("2_b.sql", b"-- +goose Up\n")],
            &expect![[r#"
            1 1_a.sql
            2 2_b.sql
        "#]],
        );
        check(
            &[("1_a.sql", b"-- migrate:up\nselect 1")],
            &expect![[r#"
            1 1_a.sql
        "#]],
        );
        check(
            &[
                ("V1__add users.sql", b"select 1"),
                ("V2__b.sql", b"select 1"),
                ("V2__b.sql.conf", b"executeInTransaction=false"),
            ],
            &expect![[r#"
                1 V1__add users.sql
                2 V2__b.sql
            "#]],
        );
    }

    #[test]
    fn files_of_several_layouts_ask_for_the_manifest() {
        check(
            &[("1_a.up.sql", b"select 1"), ("1_a.down.sql", b"select 1")],
            &expect![[r#"
            .: the files fit several layouts; write one of them into the manifest: `layout: sqlx`, `layout: golang-migrate`
        "#]],
        );
        check(
            &[("1_a.sql", b"-- +goose Up\nselect 1"), ("2_b.sql", b"select 2")],
            &expect![[r#"
            .: the files fit no layout; most fit sqlx. Where that is the right one, write `layout: sqlx` into the manifest
            1_a.sql: line 1: a section of goose, whose part to undo would run; write `layout: goose` into the manifest
        "#]],
        );
        check(
            &[("1_a.sql", b"-- migrate:up\nselect 1"), ("2_b.sql", b"-- +goose Up\nselect 2")],
            &expect![[r#"
            .: the files fit no layout; most fit goose. Where that is the right one, write `layout: goose` into the manifest
            1_a.sql: line 1: a section of dbmate, whose part to undo would run; write `layout: dbmate` into the manifest
        "#]],
        );
        check(
            &[("V1__a.sql", b"select 1"), ("R__views.sql", b"select 2"), ("2_b.sql", b"select 2")],
            &expect![[r#"
            2_b.sql: is not named V<number>__<name>.sql, as V1__create_orders.sql is
            R__views.sql: is a repeatable migration of Flyway; copy it into a new V<number>__<name>.sql each time that it changes
        "#]],
        );
    }
}
