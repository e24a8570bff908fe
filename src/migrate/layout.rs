//! The names in a folder of migrations, by the rules of each layout. A name's version never depends on other names.

use super::bad_file::Why;
use crate::model::layout::Layout;

/// What a name in the folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A migration.
    Migration(Name),
    /// What undoes one, or goes with one.
    Beside,
}

/// What a migration's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) version: i64,
    /// The version's digits as the tool writes them into its history.
    pub(super) written: String,
    /// The rest, in letters, digits and underscores.
    pub(super) name: String,
}

/// Reads one name.
pub(super) fn entry(layout: Layout, name: &str, is_folder: bool) -> Result<Entry, Why> {
    if is_folder != (layout == Layout::Diesel) {
        return Err(if is_folder { Why::Folder } else { Why::BadName(layout) });
    }
    match layout {
        Layout::Pgcleave => pgcleave(name),
        Layout::Flyway => flyway(name),
        Layout::Diesel => diesel(name),
        Layout::Goose if name.ends_with(".go") => Err(Why::GoCode),
        Layout::Sqlx | Layout::GolangMigrate | Layout::Goose | Layout::Dbmate => numbered(layout, name),
    }
}

/// Reads `V<n>__<name>.sql`, where the name is `[a-z0-9_]+` of any case.
fn pgcleave(name: &str) -> Result<Entry, Why> {
    let bad = || match flyway(name) {
        // what is Flyway's has an answer of its own
        Err(why @ (Why::Repeatable | Why::Callback | Why::FlywayBaseline | Why::Dotted)) => why,
        _ => Why::BadName(Layout::Pgcleave),
    };
    let stem = name.strip_suffix(".sql").ok_or_else(bad)?;
    let (version, rest) = stem.strip_prefix('V').and_then(|s| s.split_once("__")).ok_or_else(bad)?;
    if !is_number(version) || rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(bad());
    }
    migration(version, rest)
}

/// Reads `V<n>__<description>.sql`, and what Flyway has beside it.
fn flyway(name: &str) -> Result<Entry, Why> {
    let bad = Why::BadName(Layout::Flyway);
    let (stem, is_conf) = match name.strip_suffix(".sql") {
        Some(stem) => (stem, false),
        None => (name.strip_suffix(".sql.conf").ok_or_else(|| bad.clone())?, true),
    };
    let first = stem.split("__").next().unwrap_or_default();
    let is_callback = ["before", "after", "create"]
        .iter()
        .filter_map(|prefix| first.strip_prefix(prefix))
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    if is_callback {
        return Err(Why::Callback);
    }
    let (prefix, rest) = stem.split_at_checked(1).ok_or_else(|| bad.clone())?;
    let (version, description) = rest.split_once("__").ok_or_else(|| bad.clone())?;
    let is_dotted = version.contains(['.', '_']) && version.split(['.', '_']).all(is_number);
    match prefix {
        "R" if version.is_empty() => Err(Why::Repeatable),
        "B" if is_dotted || is_number(version) => Err(Why::FlywayBaseline),
        "U" if is_dotted || is_number(version) => Ok(Entry::Beside),
        "V" if is_dotted => Err(Why::Dotted),
        "V" if is_number(version) && !description.is_empty() && is_conf => Ok(Entry::Beside),
        "V" if is_number(version) && !description.is_empty() => migration(version, description),
        _ => Err(bad),
    }
}

/// Reads `<n>_<name>.sql`, with `.up` and `.down` where the layout has them.
fn numbered(layout: Layout, name: &str) -> Result<Entry, Why> {
    let bad = || Why::BadName(layout);
    let stem = name.strip_suffix(".sql").ok_or_else(bad)?;
    let (version, rest) = stem.split_once('_').filter(|(version, _)| is_number(version)).ok_or_else(bad)?;
    let (up, down) = (rest.strip_suffix(".up"), rest.strip_suffix(".down"));
    let name = match layout {
        Layout::Sqlx | Layout::GolangMigrate if down.is_some_and(|name| !name.is_empty()) => return Ok(Entry::Beside),
        Layout::Sqlx => up.unwrap_or(rest),
        Layout::GolangMigrate => up.ok_or_else(bad)?,
        _ => rest,
    };
    if name.is_empty() { Err(bad()) } else { migration(version, name) }
}

/// Reads the name of a folder, `<date>_<name>`.
fn diesel(name: &str) -> Result<Entry, Why> {
    let bad = || Why::BadName(Layout::Diesel);
    let (date, name) = name.split_once('_').ok_or_else(bad)?;
    let digits: String = date.chars().filter(|c| *c != '-').collect();
    if !is_number(&digits) || name.is_empty() {
        return Err(bad());
    }
    let version = diesel_version(&digits)?;
    Ok(Entry::Migration(Name { version, written: digits, name: word(name) }))
}

/// Gives a number for diesel's version, in diesel's order: it compares the digits as text, so a shorter one stands before
/// every longer one that begins with it.
pub(super) fn diesel_version(digits: &str) -> Result<i64, Why> {
    let number = digits.parse::<i64>().map_err(|_| Why::DieselDigits(digits.len()))?;
    let version = match digits.len() {
        14 => number.checked_mul(100_000),
        18 => number.checked_mul(10).and_then(|version| version.checked_add(1)),
        other => return Err(Why::DieselDigits(other)),
    };
    version.ok_or(Why::BadVersion)
}

fn migration(version: &str, name: &str) -> Result<Entry, Why> {
    let number = version.parse::<i64>().map_err(|_| Why::BadVersion)?;
    Ok(Entry::Migration(Name { version: number, written: number.to_string(), name: word(name) }))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Writes a name as the history takes it.
fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(layout: Layout, name: &str, expected: &str) {
        let told = match entry(layout, name, layout == Layout::Diesel) {
            Ok(Entry::Migration(name)) => format!("{} {} {}", name.version, name.written, name.name),
            Ok(Entry::Beside) => "beside".to_owned(),
            Err(why) => why.to_string(),
        };
        assert!(told.starts_with(expected), "{name}: {told}");
    }

    #[test]
    fn leading_numbers_are_versions() {
        check(Layout::Sqlx, "20240131120000_add-users.sql", "20240131120000 20240131120000 add_users");
        check(Layout::Sqlx, "0007_a.up.sql", "7 7 a");
        check(Layout::Sqlx, "0007_a.down.sql", "beside");
        check(Layout::Sqlx, "a_7.sql", "is not named <number>_<name>.sql");
        check(Layout::Sqlx, "7_.sql", "is not named");
        check(Layout::Sqlx, "99999999999999999999_a.sql", "its version is too large");
        check(Layout::GolangMigrate, "000001_a.up.sql", "1 1 a");
        check(Layout::GolangMigrate, "000001_a.down.sql", "beside");
        check(Layout::GolangMigrate, "000001_a.sql", "is not named <number>_<name>.up.sql");
        check(Layout::Goose, "00001_a.sql", "1 1 a");
        check(Layout::Goose, "00002_b.go", "is written in Go");
        check(Layout::Dbmate, "20151129054053_a.b.sql", "20151129054053 20151129054053 a_b");
    }

    #[test]
    fn diesels_versions_keep_its_order_and_never_collide() {
        check(Layout::Diesel, "2024-01-31-120000_users", "2024013112000000000 20240131120000 users");
        check(Layout::Diesel, "2024-01-31-120000-0000_users", "2024013112000000001 202401311200000000 users");
        check(Layout::Diesel, "00000000000000_diesel_initial_setup", "0 00000000000000 diesel_initial_setup");
        check(Layout::Diesel, "1_users", "its version has 1 digits; diesel's have 14 or 18");
        check(Layout::Diesel, "9999-99-99-999999_users", "its version is too large");
        check(Layout::Diesel, "users", "is not named <date>_<name>/up.sql");
        let mut digits = ["20240131120000", "202401311200000000", "202401311200009999", "20240131120001"];
        digits.sort_unstable();
        let versions = digits.map(|digits| diesel_version(digits).expect("it fits"));
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    }

    #[test]
    fn what_only_flyway_runs_is_refused_by_name() {
        check(Layout::Flyway, "V001__add users.sql", "1 1 add_users");
        check(Layout::Flyway, "V1__a.sql.conf", "beside");
        check(Layout::Flyway, "U1__a.sql", "beside");
        check(Layout::Flyway, "V1.1__a.sql", "has a version with dots");
        check(Layout::Flyway, "V1_1__a.sql", "has a version with dots");
        check(Layout::Flyway, "R__views.sql", "is a repeatable migration of Flyway");
        check(Layout::Flyway, "B3__all.sql", "is a baseline migration of Flyway");
        check(Layout::Flyway, "afterMigrate__grants.sql", "is a callback of Flyway");
        check(Layout::Flyway, "beforeEachMigrate.sql", "is a callback of Flyway");
        check(Layout::Pgcleave, "R__views.sql", "is a repeatable migration of Flyway");
        check(Layout::Pgcleave, "V1__add users.sql", "is not named V<number>__<name>.sql");
    }
}
