//! The house rules that a machine can check; docs/architecture.md gives the reasons.
//!
//! Each rule is a function from a file's text to what is wrong with it, and has a test that shows it can find something.

#[path = "tidy/source.rs"]
mod source_text;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use source_text::{Source, blank, code, root, sources, words};

const MAX_LINES: usize = 500;

/// The rooms that decide, and the files beside them: no effects.
const PURE: &[&str] = &["error", "event", "ident", "sql", "model", "manifest", "plan", "audit", "analyze"];

/// What every room may import.
const GROUND: &[&str] = &["error", "event", "ident", "interrupt", "sql"];

/// The layout: each room, and what it may import besides itself and the ground.
const ROOMS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("event", &[]),
    ("ident", &[]),
    ("interrupt", &[]),
    ("sql", &[]),
    ("model", &[]),
    ("manifest", &["model"]),
    ("plan", &["model", "manifest"]),
    ("audit", &["model", "manifest", "analyze"]),
    ("analyze", &["model", "manifest"]),
    ("load", &["model", "manifest"]),
    ("pg", &[]),
    ("catalog", &["model", "audit", "pg", "registry"]),
    ("registry", &["model", "pg"]),
    ("temporary_login", &["model", "pg"]),
    ("probe", &["model", "audit", "pg", "temporary_login"]),
    ("credentials", &["model", "manifest", "plan", "audit", "pg", "catalog", "registry", "temporary_login"]),
    (
        "migrate",
        &["model", "manifest", "plan", "analyze", "pg", "catalog", "registry", "credentials", "temporary_login"],
    ),
    (
        "apply",
        &[
            "model",
            "manifest",
            "plan",
            "analyze",
            "pg",
            "catalog",
            "registry",
            "credentials",
            "migrate",
            "temporary_login",
        ],
    ),
    ("transfer", &["model", "manifest", "pg", "catalog", "registry", "temporary_login"]),
    (
        "archive",
        &[
            "model",
            "manifest",
            "plan",
            "analyze",
            "pg",
            "catalog",
            "registry",
            "credentials",
            "transfer",
            "temporary_login",
        ],
    ),
    (
        "split",
        &[
            "model",
            "manifest",
            "plan",
            "analyze",
            "pg",
            "catalog",
            "registry",
            "credentials",
            "apply",
            "transfer",
            "temporary_login",
        ],
    ),
    ("patterns", &["model", "manifest", "plan", "analyze", "pg", "catalog", "registry"]),
    ("embedded", &[]),
    ("report", EVERY_ROOM_BUT_CLI),
    ("cli", EVERY_ROOM),
    ("main", EVERY_ROOM),
    ("lib", &[]),
];

const EVERY_ROOM_BUT_CLI: &[&str] = &[
    "model",
    "manifest",
    "plan",
    "audit",
    "analyze",
    "load",
    "pg",
    "catalog",
    "probe",
    "temporary_login",
    "registry",
    "credentials",
    "migrate",
    "apply",
    "transfer",
    "archive",
    "split",
    "patterns",
    "embedded",
];

const EVERY_ROOM: &[&str] = &[
    "cli",
    "report",
    "model",
    "manifest",
    "plan",
    "audit",
    "analyze",
    "load",
    "pg",
    "catalog",
    "probe",
    "temporary_login",
    "registry",
    "credentials",
    "migrate",
    "apply",
    "transfer",
    "archive",
    "split",
    "patterns",
    "embedded",
];

/// What a pure room never says: waiting, the driver, files, the environment, the clock, chance, the terminal.
const EFFECTS: &[&str] = &[
    "async",
    "await",
    "tokio",
    "sqlx",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "now_utc",
    "now_local",
    "getrandom",
    "print",
    "println",
    "eprint",
    "eprintln",
    "stdout",
    "stderr",
];

// The rules.

/// Names the rooms that a file imports, be it by path or in a group.
fn imports(source: &Source) -> BTreeSet<String> {
    let code = blank(&source.text, true);
    let mut found = BTreeSet::new();
    let rooms = |name: &str| ROOMS.iter().any(|(room, _)| *room == name);
    for root in ["crate::", "pgcleave::"] {
        for (at, _) in code.match_indices(root) {
            let rest = &code[at + root.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                found.extend(members(group).into_iter().filter(|name| rooms(name)));
            } else {
                found.extend(words(rest).next().and_then(|path| path.split("::").next()).map(str::to_owned));
            }
        }
    }
    // As many `super::` as the file is deep lead to the same place as `crate::`.
    let depth = source.path.trim_end_matches("/mod.rs").matches('/').count();
    let climb = "super::".repeat(depth);
    let climbing = words(&code).filter_map(|path| path.strip_prefix(&climb)?.split("::").next());
    found.extend(climbing.filter(|name| depth > 0 && rooms(name)).map(str::to_owned));
    found.retain(|name| name != source.room());
    found
}

/// Gives the first names of a `use` group's members, up to its closing brace.
fn members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = vec![String::new()];
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            _ if depth == 0 => names.last_mut().expect("it starts with one").push(c),
            _ => {}
        }
    }
    names.iter().filter_map(|name| name.trim().split([':', ' ']).next()).map(str::to_owned).collect()
}

fn import_mistakes(source: &Source) -> Vec<String> {
    let Some((room, allowed)) = ROOMS.iter().find(|(room, _)| *room == source.room()) else {
        return vec![format!("{}: the room {} is not in the layout of tests/tidy.rs", source.path, source.room())];
    };
    let forbidden = imports(source).into_iter().filter(|name| {
        let ground = GROUND.contains(&name.as_str());
        let macros = *name == "sql" || name.is_empty();
        ROOMS.iter().any(|(known, _)| known == name) && !ground && !macros && !allowed.contains(&name.as_str())
    });
    forbidden.map(|name| format!("{}: {room} may not import {name}", source.path)).collect()
}

fn effects(source: &Source) -> Vec<String> {
    let code = code(source);
    let said = EFFECTS.iter().filter(|effect| {
        words(&code).any(|word| {
            word == **effect || word.split("::").any(|part| part == **effect) || word.contains(&format!("{effect}::"))
        })
    });
    said.map(|effect| format!("{}: a pure room says {effect}", source.path)).collect()
}

fn length_mistakes(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines > MAX_LINES { vec![format!("{}: {lines} lines, more than {MAX_LINES}", source.path)] } else { Vec::new() }
}

fn marks(source: &Source) -> Vec<String> {
    // Written apart, so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
    ];
    let lines = source.text.lines().enumerate();
    let found = lines.filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
    found.map(|(at, line)| format!("{}:{}: {}", source.path, at + 1, line.trim())).collect()
}

fn unchecked_sql(source: &Source) -> Vec<String> {
    if source.path == "src/pg/exec.rs" || !words(&code(source)).any(|word| word.ends_with("AssertSqlSafe")) {
        return Vec::new();
    }
    vec![format!("{}: only src/pg/exec.rs may say AssertSqlSafe", source.path)]
}

/// Finds the stable codes: in `fn code` bodies, `code: "…"` fields, and lists of `Name = "…",`.
fn codes(source: &Source) -> BTreeSet<String> {
    let text = blank(source.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default(), false);
    let mut found = BTreeSet::new();
    let mut body_indent: Option<usize> = None;
    let mut listing = false;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if line.contains("fn code(") && line.trim_end().ends_with('{') {
            body_indent = Some(indent);
        } else if body_indent == Some(indent) && line.trim() == "}" {
            body_indent = None;
        }
        listing = (listing || line == "kinds! {") && line != "}";
        let field = line.find("code: \"").map(|at| &line[at..]);
        let part = if body_indent.is_some() || listing { Some(line) } else { field };
        found.extend(part.and_then(|part| part.split('"').nth(1)).filter(|text| is_code(text)).map(str::to_owned));
    }
    found
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Compares the codes with the headings of the document.
fn undocumented(codes: &BTreeSet<String>, document: &str) -> Vec<String> {
    let documented: BTreeSet<String> =
        document.lines().filter_map(|line| line.strip_prefix("## ")).map(|code| code.trim().to_owned()).collect();
    let missing = codes.difference(&documented).map(|code| format!("docs/errors.md does not explain {code}"));
    let gone = documented.difference(codes).map(|code| format!("docs/errors.md explains {code}, which nothing gives"));
    missing.chain(gone).collect()
}

/// Checks SQL files: lower case, and the server's own names spelled with their schema.
fn sql_mistakes(source: &Source) -> Vec<String> {
    let mut bare = String::new();
    for line in source.text.lines() {
        let line = line.split("--").next().unwrap_or_default();
        // What stands in quotes is a value or a name as it is.
        bare.extend(line.split(['\'', '"']).step_by(2));
        bare.push('\n');
    }
    let mut wrong = Vec::new();
    if let Some(word) = words(&bare).find(|word| word.chars().any(|c| c.is_ascii_uppercase())) {
        wrong.push(format!("{}: {word} is not in lower case", source.path));
    }
    for (at, _) in bare.match_indices("pg_") {
        let name = words(&bare[at..]).next().unwrap_or_default();
        let before = bare[..at].chars().next_back().unwrap_or(' ');
        let part_of_a_name = before == '.' || before == '_' || before.is_alphanumeric();
        if !part_of_a_name && !name.starts_with("pg_catalog") {
            wrong.push(format!("{}: {name} without pg_catalog", source.path));
        }
    }
    wrong
}

// The repository keeps them.

/// Fails with everything that a rule has found.
fn expect_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn imports_run_downwards() {
    expect_none(sources(&["src"], ".rs").iter().flat_map(import_mistakes).collect());
}

#[test]
fn the_layout_has_no_cycle() {
    let mut done: BTreeSet<&str> = GROUND.iter().copied().chain(["lib"]).collect();
    let mut left: BTreeMap<&str, &[&str]> = ROOMS.iter().filter(|(room, _)| *room != "main").copied().collect();
    while !left.is_empty() {
        let ready: Vec<_> = left
            .iter()
            .filter(|(room, needs)| needs.iter().all(|n| n == *room || done.contains(n)))
            .map(|(r, _)| *r)
            .collect();
        assert!(!ready.is_empty(), "these rooms import each other: {:?}", left.keys());
        left.retain(|room, _| !ready.contains(room));
        done.extend(ready);
    }
}

#[test]
fn pure_rooms_have_no_effects() {
    let sources = sources(&["src"], ".rs");
    expect_none(sources.iter().filter(|source| PURE.contains(&source.room())).flat_map(effects).collect());
}

#[test]
fn files_stay_short() {
    expect_none(sources(&["src", "tests", "benches"], ".rs").iter().flat_map(length_mistakes).collect());
}

#[test]
fn nothing_is_left_for_later() {
    expect_none(sources(&["src", "tests", "benches", "migrations"], "").iter().flat_map(marks).collect());
}

#[test]
fn sql_text_is_made_in_one_way() {
    expect_none(sources(&["src"], ".rs").iter().flat_map(unchecked_sql).collect());
}

#[test]
fn every_code_is_documented() {
    let codes: BTreeSet<String> = sources(&["src"], ".rs").iter().flat_map(codes).collect();
    let document = fs::read_to_string(root().join("docs/errors.md")).expect("there is a list of codes");
    expect_none(undocumented(&codes, &document));
}

#[test]
fn sql_files_read_alike() {
    expect_none(sources(&["src"], ".sql").iter().flat_map(sql_mistakes).collect());
}

#[test]
fn every_sql_file_is_read_beside_its_folder() {
    let code = sources(&["src"], ".rs");
    let read = |sql: &Source| {
        let (folder, name) = sql.path.rsplit_once("/sql/").unwrap_or((&sql.path, ""));
        let wanted = format!("include_str!(\"sql/{name}\")");
        code.iter().any(|rs| rs.path.rsplit_once('/').is_some_and(|(f, _)| f == folder) && rs.text.contains(&wanted))
    };
    let unread = sources(&["src"], ".sql").into_iter().filter(|sql| !read(sql));
    expect_none(unread.map(|sql| format!("{}: no file beside its folder reads it", sql.path)).collect());
}

// Each rule finds what it is there for.

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn finds_imports_that_run_upwards() {
    let wrong = |path, text| import_mistakes(&source(path, text)).len();
    assert_eq!(wrong("src/model/acl.rs", "use crate::plan::diff;"), 1);
    assert_eq!(wrong("src/model/acl.rs", "use crate::{ident::Ident, plan::{diff, order}, apply};"), 2);
    assert_eq!(wrong("src/model/acl.rs", "let x = super::super::plan::diff();"), 1);
    assert_eq!(wrong("src/audit/mod.rs", "use super::split::Phase;"), 1);
    assert_eq!(wrong("src/report/plan.rs", "use crate::cli::Context;"), 1);
    assert_eq!(wrong("src/attic/mod.rs", ""), 1, "a room that the layout does not know");
    assert_eq!(wrong("src/model/acl.rs", "use crate::ident::Ident; // crate::plan\nlet a = crate::sql!();"), 0);
    assert_eq!(wrong("src/plan/diff.rs", "use crate::{model, plan::change}; use super::order;"), 0);
    assert_eq!(wrong("src/cli/plan.rs", "use pgcleave::plan::diff; use pgcleave::pg::connect;"), 0);
}

#[test]
fn finds_effects_in_pure_rooms() {
    let wrong = |text| effects(&source("src/plan/diff.rs", text)).len();
    assert_eq!(wrong("async fn diff() {}"), 1);
    assert_eq!(wrong("fn f() { std::fs::read(\"x\"); println!(\"\"); }"), 2);
    assert_eq!(wrong("use sqlx::Row;\nuse std::time::SystemTime;"), 2);
    assert_eq!(wrong("use tokio::sync::Mutex;"), 1);
    assert_eq!(
        wrong("/// Never async.\nfn f<'a>(x: &'a str) { g(\"tokio\", r#\"sqlx \"quoted\" async\"#, '\"'); }"),
        0
    );
    assert_eq!(wrong("fn f() {}\n#[cfg(test)]\nmod tests { use tokio::x; }"), 0);
}

#[test]
fn finds_long_files_and_marks() {
    assert_eq!(length_mistakes(&source("src/a.rs", &"x\n".repeat(MAX_LINES + 1))).len(), 1);
    assert_eq!(length_mistakes(&source("src/a.rs", &"x\n".repeat(MAX_LINES))).len(), 0);
    let text = concat!("fine\n// TO", "DO later\n", "to", "do!()\n");
    assert_eq!(marks(&source("src/a.rs", text)).len(), 2);
}

#[test]
fn finds_unchecked_sql() {
    let text = "use sqlx::AssertSqlSafe;";
    assert_eq!(unchecked_sql(&source("src/apply/run.rs", text)).len(), 1);
    assert_eq!(unchecked_sql(&source("src/pg/exec.rs", text)).len(), 0);
    assert_eq!(unchecked_sql(&source("src/apply/run.rs", "// AssertSqlSafe")).len(), 0);
}

#[test]
fn finds_codes_and_what_is_not_documented() {
    let text = "kinds! {\n    A = \"of-a-list\",\n}\nimpl C for E {\n    fn code(&self) -> &'static str {\n        match self {\n            \
                Self::A => \"of-a-body\",\n        }\n    }\n}\nlet f = F { code: \"of-a-field\", x: 1 };\nlet s = \"none\";\n";
    let codes = codes(&source("src/a.rs", text));
    assert_eq!(codes.iter().map(String::as_str).collect::<Vec<_>>(), ["of-a-body", "of-a-field", "of-a-list"]);
    assert_eq!(undocumented(&codes, "# Errors\n## of-a-body\n## of-a-field\n## of-a-list\n"), Vec::<String>::new());
    assert_eq!(undocumented(&codes, "## of-a-body\n## of-a-field\n## of-another\n").len(), 2);
}

#[test]
fn finds_careless_sql() {
    let wrong = |text| sql_mistakes(&source("src/catalog/sql/a.sql", text)).len();
    assert_eq!(wrong("SELECT 1"), 1);
    assert_eq!(wrong("select relname from pg_class order by 1"), 1);
    assert_eq!(
        wrong("select 'SELECT', \"Name\", pg_catalog.pg_get_userbyid(1) -- FROM pg_class\nfrom pg_catalog.pg_class"),
        0
    );
}
