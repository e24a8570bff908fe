//! What of a file's text runs, and whether a transaction is around it, by the rules of each layout.

use super::bad_file::Why;
use crate::analyze::script::{self, ObstacleKind};
use crate::model::layout::Layout;

/// The part of a file that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) text: String,
    /// How many lines of the file stand before it.
    pub(super) lines_before: usize,
    /// Whether each statement is committed by itself.
    pub(super) alone: bool,
}

/// A settings file beside a migration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) alone: bool,
    /// Whether Flyway's placeholders are plain text.
    pub(super) plain: bool,
}

const GOOSE_UP: &str = "-- +goose Up";
const DBMATE_UP: &str = "-- migrate:up";

/// Cuts out what runs; `file` is the file's name.
pub(super) fn section(layout: Layout, file: &str, text: &str, settings: &Settings) -> Result<Section, Why> {
    let whole = |alone| Section { text: text.to_owned(), lines_before: 0, alone };
    if let Some((line, other)) = first_marker(text)
        && ![other, Layout::Pgcleave].contains(&layout)
    {
        return Err(Why::SectionOf { line, layout: other });
    }
    match layout {
        Layout::Pgcleave => Ok(whole(false)),
        Layout::Sqlx => Ok(whole(text.starts_with("-- no-transaction"))),
        Layout::GolangMigrate => Ok(whole(is_one_without_transaction(text))),
        Layout::Diesel => Ok(whole(settings.alone)),
        Layout::Flyway => match placeholder(text).filter(|_| !settings.plain) {
            Some((line, name)) => Err(Why::Placeholder { line, name, file: file.to_owned() }),
            None => Ok(whole(settings.alone)),
        },
        Layout::Goose | Layout::Dbmate => up_section(layout, text),
    }
}

/// A line that belongs to the tool.
enum Marker<'t> {
    Up(&'t str),
    Down,
    NoTransaction,
    EnvSub,
    /// Where goose shall not split; the server splits by itself.
    Statement,
}

fn marker(layout: Layout, line: &str) -> Option<Marker<'_>> {
    let comment = line.strip_prefix("--")?.trim();
    if layout == Layout::Dbmate {
        let rest = comment.strip_prefix("migrate:")?;
        let (word, options) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        return match word {
            "up" => Some(Marker::Up(options)),
            "down" => Some(Marker::Down),
            _ => None,
        };
    }
    let words: Vec<String> = comment.strip_prefix("+goose")?.split_whitespace().map(str::to_uppercase).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["UP"] => Some(Marker::Up("")),
        ["DOWN"] => Some(Marker::Down),
        ["NO", "TRANSACTION"] => Some(Marker::NoTransaction),
        ["ENVSUB", "ON"] => Some(Marker::EnvSub),
        _ => Some(Marker::Statement),
    }
}

/// Finds the first line that begins a section of goose or dbmate.
pub(super) fn first_marker(text: &str) -> Option<(usize, Layout)> {
    let begins = |line: &str, layout| matches!(marker(layout, line), Some(Marker::Up(_) | Marker::Down));
    text.lines().enumerate().find_map(|(i, line)| {
        let layout = [Layout::Goose, Layout::Dbmate].into_iter().find(|layout| begins(line, *layout))?;
        Some((i + 1, layout))
    })
}

fn up_section(layout: Layout, text: &str) -> Result<Section, Why> {
    let up = if layout == Layout::Goose { GOOSE_UP } else { DBMATE_UP };
    let mut section = Section { text: String::new(), lines_before: 0, alone: false };
    let (mut found, mut began, mut is_up) = (false, false, false);
    for (i, line) in text.split_inclusive('\n').enumerate() {
        match marker(layout, line) {
            Some(Marker::Up(_)) if found => return Err(Why::SecondUpSection(i + 1)),
            Some(Marker::Up(options)) => {
                (found, began, is_up, section.lines_before) = (true, true, true, i + 1);
                section.alone |= has_no_transaction(options, i + 1)?;
            }
            Some(Marker::Down) => (began, is_up) = (true, false),
            Some(Marker::EnvSub) => return Err(Why::EnvSub(i + 1)),
            None if !began && !is_comment(line) => return Err(Why::BeforeUpSection { line: i + 1, marker: up }),
            other => {
                section.alone |= matches!(other, Some(Marker::NoTransaction));
                if is_up {
                    section.text.push_str(line);
                }
            }
        }
    }
    if found { Ok(section) } else { Err(Why::NoUpSection(up)) }
}

/// Reads dbmate's options, as in `-- migrate:up transaction:false`.
fn has_no_transaction(options: &str, line: usize) -> Result<bool, Why> {
    let mut alone = false;
    for option in options.split_whitespace() {
        match option {
            "transaction:false" => alone = true,
            "transaction:true" => alone = false,
            _ => return Err(Why::UnknownOption { line, option: option.to_owned() }),
        }
    }
    Ok(alone)
}

fn is_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with("--")
}

/// Tells whether golang-migrate, which sends a file as one message, would run it without a transaction.
fn is_one_without_transaction(text: &str) -> bool {
    let script = script::read(text);
    script.statements.len() == 1
        && !script.obstacles.is_empty()
        && script.obstacles.iter().all(|obstacle| obstacle.kind == ObstacleKind::NoTransaction)
}

/// Finds Flyway's first placeholder, `${name}`.
fn placeholder(text: &str) -> Option<(usize, String)> {
    let mut from = 0;
    while let Some(at) = text[from..].find("${").map(|at| from + at) {
        let name = &text[at + 2..];
        if let Some(length) = name.find(|c: char| !(c.is_ascii_alphanumeric() || "_.:-".contains(c)))
            && length > 0
            && name[length..].starts_with('}')
        {
            return Some((script::line_at(text, at), format!("${{{}}}", &name[..length])));
        }
        from = at + 2;
    }
    None
}

/// Reads the settings beside a file: Flyway's `<file>.conf`, diesel's `metadata.toml`.
pub(super) fn settings(layout: Layout, text: &str) -> Result<Settings, Why> {
    let mut settings = Settings::default();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (key, value) = line.split_once('=').map_or((line, ""), |(key, value)| (key.trim(), value.trim()));
        match (layout, key, value) {
            (Layout::Diesel, "run_in_transaction", "true" | "false")
            | (Layout::Flyway, "executeInTransaction", "true" | "false") => settings.alone = value == "false",
            (Layout::Flyway, "placeholderReplacement", "true" | "false") => settings.plain = value == "false",
            (Layout::Flyway, "encoding", "UTF-8") => {}
            _ => return Err(Why::UnknownOption { line: i + 1, option: key.to_owned() }),
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(layout: Layout, text: &str, expected: &str) {
        let told = match section(layout, "a.sql", text, &Settings::default()) {
            Ok(Section { text, lines_before, alone }) => format!("{lines_before} {alone} {text:?}"),
            Err(why) => why.to_string(),
        };
        assert_eq!(told, expected, "{text}");
    }

    #[test]
    fn only_the_part_that_goes_up_runs() {
        let goose = "-- about\n-- +goose Up\nselect 1;\n-- +goose StatementBegin\nselect 2;\n-- +goose StatementEnd\n\
                     -- +goose Down\ndrop table a;\n";
        let up = "2 false \"select 1;\\n-- +goose StatementBegin\\nselect 2;\\n-- +goose StatementEnd\\n\"";
        check(Layout::Goose, goose, up);
        check(
            Layout::Dbmate,
            "-- migrate:up\nselect 1;\n\n-- migrate:down\ndrop table a",
            "1 false \"select 1;\\n\\n\"",
        );
        check(Layout::Dbmate, "-- migrate:down\ndrop table a;\n-- migrate:up\nselect 1", "3 false \"select 1\"");
        check(Layout::Goose, "-- +goose up\r\nselect 1;\r\n-- +goose down\r\n", "1 false \"select 1;\\r\\n\"");
        check(Layout::Goose, "-- +goose Up\n-- +goose Down\n", "1 false \"\"");
    }

    #[test]
    fn what_would_not_run_as_in_the_tool_is_refused() {
        check(Layout::Goose, "select 1", "line 1: a statement stands before `-- +goose Up`, and would never run");
        check(Layout::Goose, "-- nothing", "has no line `-- +goose Up`, after which what is to run stands");
        let twice = "-- migrate:up\nselect 1;\n-- migrate:up\nselect 2";
        check(Layout::Dbmate, twice, "line 3: a second section to run; write it into a file of its own");
        check(Layout::Dbmate, "-- migrate:up lock:false\n", "line 1: the option lock:false is not known");
        check(
            Layout::Goose,
            "-- +goose ENVSUB ON\n-- +goose Up\n",
            "line 1: `-- +goose ENVSUB ON` puts values of the environment into the script; write them out",
        );
        check(
            Layout::Sqlx,
            "-- a\n-- +goose Up\nselect 1;\n-- +goose Down\ndrop table a",
            "line 2: a section of goose, whose part to undo would run; write `layout: goose` into the manifest",
        );
        check(
            Layout::Flyway,
            "select 1;\ncreate table ${schema}.a ()",
            "line 2: ${schema} is a placeholder of Flyway; write its value, or set placeholderReplacement=false in a.sql.conf",
        );
        check(Layout::Flyway, "select $${$$, '${', '${ a}'", "0 false \"select $${$$, '${', '${ a}'\"");
    }

    #[test]
    fn markers_take_the_transaction_away() {
        let index = "create index concurrently i on a (b)";
        let alone = |layout, text: &str| section(layout, "a.sql", text, &Settings::default()).expect("it runs").alone;
        assert!(alone(Layout::Sqlx, &format!("-- no-transaction\n{index}")));
        assert!(!alone(Layout::Sqlx, &format!("\n-- no-transaction\n{index}")), "sqlx wants it first");
        assert!(alone(Layout::Goose, &format!("-- +goose NO TRANSACTION\n-- +goose Up\n{index}")));
        assert!(alone(Layout::Dbmate, &format!("-- migrate:up transaction:false\n{index}\n-- migrate:down")));
        assert!(alone(Layout::GolangMigrate, &format!("-- one\n{index};\n")));
        assert!(!alone(Layout::GolangMigrate, &format!("{index}; select 1")), "it has two statements");
        assert!(!alone(Layout::GolangMigrate, "create index i on a (b)"));
        let read = |layout, text| settings(layout, text).map(|settings| (settings.alone, settings.plain));
        assert_eq!(read(Layout::Flyway, "executeInTransaction=false\n"), Ok((true, false)));
        assert_eq!(read(Layout::Flyway, "placeholderReplacement=false # all\n"), Ok((false, true)));
        assert_eq!(read(Layout::Diesel, "# a\nrun_in_transaction = false\n"), Ok((true, false)));
        let unknown = read(Layout::Flyway, "\nshouldExecute=false").expect_err("it is not known");
        assert_eq!(unknown.to_string(), "line 2: the option shouldExecute is not known");
    }
}
