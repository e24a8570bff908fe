//! What another migration tool has recorded, against the files of the folder.

use super::discover::File;
use super::layout;
use crate::error::one_line;

/// A tool that keeps a history of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Sqlx,
    Diesel,
    GolangMigrate,
    Dbmate,
    Goose,
    Flyway,
}

impl Tool {
    /// Finds the tool whose history has this table's name; golang-migrate's has a column `dirty`, dbmate's has none.
    pub(super) fn of_table(name: &str, has_dirty: bool) -> Option<Self> {
        match name {
            "_sqlx_migrations" => Some(Self::Sqlx),
            "__diesel_schema_migrations" => Some(Self::Diesel),
            "schema_migrations" if has_dirty => Some(Self::GolangMigrate),
            "schema_migrations" => Some(Self::Dbmate),
            "goose_db_version" => Some(Self::Goose),
            "flyway_schema_history" => Some(Self::Flyway),
            _ => None,
        }
    }

    /// Names the column of the version.
    pub(super) fn version_column(self) -> &'static str {
        if self == Self::Goose { "version_id" } else { "version" }
    }

    /// Names the column that says in which order the rows were written.
    pub(super) fn order_column(self) -> &'static str {
        match self {
            Self::Goose => "id",
            Self::Flyway => "installed_rank",
            _ => "version",
        }
    }

    /// Names the column that says how it ended, if there is one.
    pub(super) fn result_column(self) -> &'static str {
        match self {
            Self::GolangMigrate => "dirty",
            Self::Goose => "is_applied",
            _ => "success",
        }
    }
}

/// One row of it, as text: the table may have other columns than the tool gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) version: Option<String>,
    /// `success`, `dirty` or `is_applied`.
    pub(super) result: Option<String>,
    /// Flyway's kind of migration.
    pub(super) kind: Option<String>,
}

/// A version as its tool wrote it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    /// As a file's version; nothing for what is no number.
    number: Option<i64>,
    text: String,
}

/// What a tool has recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToolHistory {
    /// The table's name for people.
    label: String,
    rows: usize,
    /// Whether more rows are there than were read.
    cut: bool,
    /// What has run, in order.
    ran: Vec<Version>,
    /// What began and failed, in order.
    failed: Vec<Version>,
    /// All files up to this version have run: the tool keeps no row for each of them.
    up_to: Option<i64>,
}

/// How many files or versions are named.
const MOST_NAMED: usize = 10;

impl ToolHistory {
    /// Reads the rows, which stand in the order in which they were written.
    pub(super) fn new(label: &str, tool: Tool, rows: &[Row], most: usize) -> Self {
        let mut history = Self {
            label: one_line(label),
            rows: rows.len().min(most),
            cut: rows.len() > most,
            ran: Vec::new(),
            failed: Vec::new(),
            up_to: None,
        };
        for row in rows.iter().take(most) {
            history.add(tool, row);
        }
        history.ran.sort();
        history.ran.dedup();
        history.failed.sort();
        history.failed.dedup();
        history
    }

    fn add(&mut self, tool: Tool, row: &Row) {
        let Some(text) = &row.version else { return };
        let number = match tool {
            Tool::Diesel => layout::diesel_version(text).ok(),
            _ => text.parse::<i64>().ok(),
        };
        let version = Version { number, text: one_line(text) };
        let is = |value: &str| row.result.as_deref() == Some(value);
        let has_run = match tool {
            Tool::Sqlx | Tool::Flyway => !is("false"),
            Tool::GolangMigrate => !is("true"),
            // the row that was written last counts
            Tool::Goose if is("false") => {
                self.ran.retain(|earlier| *earlier != version);
                return;
            }
            // goose writes this row when it makes the table
            Tool::Goose if number == Some(0) => return,
            Tool::Goose | Tool::Diesel | Tool::Dbmate => true,
        };
        match (tool, row.kind.as_deref()) {
            (Tool::Flyway, Some(kind)) if kind.starts_with("UNDO") => {
                self.ran.retain(|earlier| *earlier != version);
                return;
            }
            (Tool::Flyway, Some("SCHEMA" | "DELETE")) => return,
            (Tool::Flyway, Some("BASELINE")) => self.up_to = self.up_to.max(number),
            (Tool::GolangMigrate, _) if has_run => self.up_to = number,
            // the version that failed is the one that the row names
            (Tool::GolangMigrate, _) => self.up_to = number.map(|failed| failed - 1),
            _ => {}
        }
        if has_run { self.ran.push(version) } else { self.failed.push(version) }
    }

    fn has(&self, version: i64) -> bool {
        self.up_to.is_some_and(|up_to| version <= up_to) || self.ran.iter().any(|ran| ran.number == Some(version))
    }

    /// Says how far the tool came, and where its history and the files differ.
    pub(super) fn summary(&self, files: &[File]) -> String {
        if self.rows == 0 {
            return format!("{} is empty", self.label);
        }
        let more = if self.cut { "more than " } else { "" };
        let mut text = format!("{} has {more}{} rows", self.label, self.rows);
        match self.ran.iter().chain(&self.failed).max() {
            Some(newest) => text.push_str(&format!(", the newest is {}", newest.text)),
            None => text.push_str(", none with a version"),
        }
        for (what, names) in self.differences(files) {
            text.push_str(&format!("; {what}: {names}"));
        }
        text
    }

    /// Lists what differs: what failed, which versions have no file, which files are not in the history.
    fn differences(&self, files: &[File]) -> Vec<(&'static str, String)> {
        let without_file = |version: &&Version| {
            !files.iter().any(|file| Some(file.migration.version()) == version.number) && !self.failed.contains(version)
        };
        let versions = |versions: Vec<&Version>| versions.iter().map(|version| version.text.clone()).collect();
        let pending = files.iter().filter(|file| !self.has(file.migration.version()));
        let lists: [(&'static str, Vec<String>); 3] = [
            ("failed there", versions(self.failed.iter().collect())),
            ("versions without a file", versions(self.ran.iter().filter(without_file).collect())),
            ("files that it does not have", pending.map(|file| file.name.clone()).collect()),
        ];
        lists.into_iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| (what, named(&names))).collect()
    }

    /// Gives the last file up to which all have run, where nothing is in doubt.
    pub(super) fn mark<'f>(&self, files: &'f [File]) -> Option<&'f File> {
        if self.cut || !self.failed.is_empty() {
            return None;
        }
        let ran = files.iter().take_while(|file| self.has(file.migration.version())).count();
        let is_first_part = files[ran..].iter().all(|file| !self.has(file.migration.version()));
        let last = files[..ran].last()?;
        is_first_part.then_some(last)
    }

    /// Says where what is recorded as applied is not what the tool has run.
    pub(super) fn against(&self, files: &[File], is_recorded: impl Fn(i64) -> bool) -> Vec<String> {
        let is = |file: &&File, recorded: bool, ran: bool| {
            let version = file.migration.version();
            is_recorded(version) == recorded && self.has(version) == ran
        };
        let names = |recorded, ran| -> Vec<String> {
            files.iter().filter(|file| is(file, recorded, ran)).map(|file| file.name.clone()).collect()
        };
        let mut all = Vec::new();
        let (added, left) = (names(true, false), names(false, true));
        if !added.is_empty() {
            all.push(format!("recorded as applied, but not in {}: {}", self.label, named(&added)));
        }
        if !left.is_empty() {
            all.push(format!("{} has run and is not recorded, so the next run runs it: {}", self.label, named(&left)));
        }
        all
    }
}

fn named(names: &[String]) -> String {
    let mut text = names.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MOST_NAMED {
        text.push_str(&format!(" and {} more", names.len() - MOST_NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: i64) -> File {
        File::of(&format!("V{version}__f"), "select 1")
    }

    fn check(tool: Tool, rows: &[[&str; 3]], versions: &[i64], expected: &str, mark: Option<i64>) {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let row = |[version, result, kind]: &[&str; 3]| Row {
            version: text(version),
            result: text(result),
            kind: text(kind),
        };
        let rows: Vec<Row> = rows.iter().map(row).collect();
        let files: Vec<File> = versions.iter().map(|version| file(*version)).collect();
        let history = ToolHistory::new("h", tool, &rows, 1_000);
        assert_eq!(history.summary(&files), expected);
        assert_eq!(history.mark(&files).map(|file| file.migration.version()), mark);
    }

    #[test]
    fn what_fits_gives_the_version_to_record() {
        let rows = [["1", "true", ""], ["2", "true", ""]];
        check(Tool::Sqlx, &rows, &[1, 2], "h has 2 rows, the newest is 2", Some(2));
        let more = "h has 2 rows, the newest is 2; files that it does not have: V3__f.sql";
        check(Tool::Sqlx, &rows, &[1, 2, 3], more, Some(2));
    }

    #[test]
    fn what_is_in_doubt_gives_none() {
        let gap = "h has 2 rows, the newest is 3; files that it does not have: V2__f.sql";
        check(Tool::Dbmate, &[["1", "", ""], ["3", "", ""]], &[1, 2, 3], gap, None);
        let failed = "h has 2 rows, the newest is 2; failed there: 2; files that it does not have: V2__f.sql";
        check(Tool::Sqlx, &[["1", "true", ""], ["2", "false", ""]], &[1, 2], failed, None);
        let gone = "h has 1 rows, the newest is 9; versions without a file: 9; files that it does not have: V1__f.sql";
        check(Tool::Dbmate, &[["9", "", ""]], &[1], gone, None);
        check(Tool::Sqlx, &[], &[1], "h is empty", None);
        check(Tool::Sqlx, &[["", "", ""]], &[], "h has 1 rows, none with a version", None);
    }

    #[test]
    fn golang_migrate_keeps_one_row_for_all() {
        check(Tool::GolangMigrate, &[["2", "false", ""]], &[1, 2], "h has 1 rows, the newest is 2", Some(2));
        let dirty = "h has 1 rows, the newest is 2; failed there: 2; files that it does not have: V2__f.sql";
        check(Tool::GolangMigrate, &[["2", "true", ""]], &[1, 2], dirty, None);
    }

    #[test]
    fn gooses_last_row_of_a_version_counts() {
        let rows = [["0", "true", ""], ["1", "true", ""], ["2", "true", ""], ["2", "false", ""]];
        let expected = "h has 4 rows, the newest is 1; files that it does not have: V2__f.sql";
        check(Tool::Goose, &rows, &[1, 2], expected, Some(1));
    }

    #[test]
    fn flyway_knows_baselines_and_undone_versions() {
        let rows = [["2", "true", "BASELINE"], ["3", "true", "SQL"], ["4", "true", "SQL"], ["4", "true", "UNDO_SQL"]];
        let expected = "h has 4 rows, the newest is 3; files that it does not have: V4__f.sql";
        check(Tool::Flyway, &rows, &[1, 2, 3, 4], expected, Some(3));
    }

    #[test]
    fn what_is_recorded_is_compared_with_what_ran() {
        let rows: Vec<Row> = ["1", "2"].map(|v| Row { version: Some(v.to_owned()), ..Row::default() }).to_vec();
        let history = ToolHistory::new("h", Tool::Dbmate, &rows, 1_000);
        let files = [file(1), file(2), file(3)];
        assert!(history.against(&files, |version| version <= 2).is_empty());
        assert_eq!(history.against(&files, |_| true), ["recorded as applied, but not in h: V3__f.sql"]);
        let left = "h has run and is not recorded, so the next run runs it: V2__f.sql";
        assert_eq!(history.against(&files, |version| version <= 1), [left]);
    }
}
