//! The matrix: which credential reaches what of which service, as proven.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::style::{ADDED, REMOVED, count, plain};
use super::{FORMAT, columns};
use crate::credentials::verify::matrix::{Cell, Declared, Matrix, Reaches};
use crate::ident::Ident;
use crate::model::naming::Access;

/// How many words of a cell are shown to a person; programs get all.
const SHOWN: usize = 10;

/// The document for programs.
#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    ok: bool,
    services: Vec<&'a str>,
    matrix: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    service: &'a str,
    credential: &'a str,
    access: Access,
    login: Option<&'a str>,
    /// Why it could not be tried.
    problem: Option<&'a str>,
    /// What it comes to act as beyond its access level, each with the way.
    beyond: &'a [String],
    cells: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    service: &'a str,
    /// `none`, `contract`, `read`, `write`, `owner` as declared; `leak` or `missing` where that is not what is there;
    /// `unknown` where something could not be tried.
    reaches: &'static str,
    contracts: &'a [String],
    leaks: &'a [String],
    missing: &'a [String],
    untold: &'a [String],
    /// Objects of its own service that no statement tried.
    untried: &'a [String],
    /// `tried`: the server answered the login itself. `catalog`: part of it was deduced from the catalog.
    answered_by: &'static str,
    /// The sum of `tried` and `catalog`.
    attempts: usize,
    tried: usize,
    catalog: usize,
}

/// Writes the matrix for programs.
#[must_use]
pub fn json(matrix: &Matrix) -> String {
    let document = Document {
        format: FORMAT,
        ok: matrix.is_right(),
        services: matrix.services.iter().map(|s| s.as_str()).collect(),
        matrix: matrix.credentials.iter().map(row).collect(),
    };
    let mut out = serde_json::to_string_pretty(&document).expect("texts and numbers are always JSON");
    out.push('\n');
    out
}

fn row(reaches: &Reaches) -> Row<'_> {
    Row {
        service: reaches.service.as_str(),
        credential: &reaches.credential,
        access: reaches.access,
        login: reaches.login.as_ref().map(|login| login.as_str()),
        problem: reaches.problem.as_deref(),
        beyond: &reaches.beyond,
        cells: reaches.cells.iter().map(entry).collect(),
    }
}

fn entry(cell: &Cell) -> Entry<'_> {
    Entry {
        service: cell.service.as_str(),
        reaches: word(cell),
        contracts: if let Declared::Contracts(names) = &cell.declared { names } else { &[] },
        leaks: &cell.leaks,
        missing: &cell.missing,
        untold: &cell.untold,
        untried: &cell.untried,
        answered_by: cell.source.word(),
        attempts: cell.attempts,
        tried: cell.tried,
        catalog: cell.catalog,
    }
}

fn word(cell: &Cell) -> &'static str {
    if !cell.leaks.is_empty() {
        return "leak";
    }
    if !cell.missing.is_empty() {
        return "missing";
    }
    if !cell.untold.is_empty() || !cell.untried.is_empty() {
        return "unknown";
    }
    match &cell.declared {
        Declared::Nothing => "none",
        Declared::Contracts(_) => "contract",
        Declared::Own(Access::Owner) => "owner",
        Declared::Own(Access::Write) => "write",
        Declared::Own(Access::Read) => "read",
    }
}

/// Writes the matrix for a person: one row for each credential, one column for each service, what is wrong below.
#[must_use]
pub fn human(matrix: &Matrix, width: usize) -> String {
    let mut heading = vec!["CREDENTIAL"];
    heading.extend(matrix.services.iter().map(|service| service.as_str()));
    let rows = matrix.credentials.iter().map(|reaches| {
        let mut row = vec![format!("{}/{}", reaches.service.as_str(), reaches.credential)];
        match reaches.problem {
            Some(_) => row.extend(matrix.services.iter().map(|_| "?".to_owned())),
            None => row.extend(matrix.services.iter().map(|s| cell(reaches, s).map_or_else(String::new, short))),
        }
        row
    });
    let table = columns(&heading, &rows.collect::<Vec<_>>(), width);
    // colours come last: the columns are measured without them
    let mut out = table.replace("LEAK", &format!("{REMOVED}LEAK{REMOVED:#}"));
    out = out.replace("MISSING", &format!("{REMOVED}MISSING{REMOVED:#}"));
    let _ = write_rest(&mut out, matrix);
    out
}

/// Finds what a credential reaches of a service; nothing when that one is not in its database.
fn cell<'a>(reaches: &'a Reaches, service: &Ident) -> Option<&'a Cell> {
    reaches.cells.iter().find(|cell| cell.service == *service)
}

fn short(cell: &Cell) -> String {
    let source = cell.source.word();
    match (word(cell), &cell.declared) {
        ("leak", _) => "LEAK".to_owned(),
        ("missing", _) => "MISSING".to_owned(),
        ("unknown", _) => "?".to_owned(),
        ("none", _) => format!("· {source}"),
        (_, Declared::Contracts(names)) => format!("contract {} {source}", names.len()),
        (word, _) => format!("{word} {source}"),
    }
}

fn write_rest(out: &mut String, matrix: &Matrix) -> std::fmt::Result {
    for reaches in &matrix.credentials {
        let name = format!("{}/{}", reaches.service.as_str(), reaches.credential);
        if let Some(problem) = &reaches.problem {
            writeln!(out, "\n{REMOVED}{name}{REMOVED:#} cannot be proven: {}", plain(problem))?;
        }
        write_list(out, &format!("{name} reaches more than access: {}", access(reaches)), &reaches.beyond)?;
        for cell in &reaches.cells {
            let service = cell.service.as_str();
            write_list(out, &format!("{name} reaches of {service} what is not declared"), &cell.leaks)?;
            write_list(out, &format!("{name} does not reach of {service} what is declared"), &cell.missing)?;
            write_list(out, &format!("{name} could not try of {service}"), &cell.untold)?;
            let untried = "no statement tried these objects of it, since planning them runs code of others";
            write_list(out, &format!("{name} in {service}: {untried}"), &cell.untried)?;
        }
    }
    let (tried, deduced) = (matrix.tried(), matrix.from_catalog());
    let answers = format!("{tried} tried, {deduced} from the catalog");
    let credentials = count(matrix.credentials.len(), "credential");
    let services = count(matrix.services.len(), "service");
    if matrix.is_right() {
        writeln!(
            out,
            "\n{ADDED}Proven{ADDED:#}: {credentials} reach what is declared of {services} and nothing else ({answers})"
        )
    } else if tried == 0 {
        writeln!(out, "\n{REMOVED}Not proven{REMOVED:#}: nothing was tried ({credentials}, {services})")
    } else {
        writeln!(out, "\n{REMOVED}Not proven{REMOVED:#}: {credentials}, {services} ({answers})")
    }
}

fn access(reaches: &Reaches) -> &'static str {
    match reaches.access {
        Access::Owner => "owner",
        Access::Write => "write",
        Access::Read => "read",
    }
}

fn write_list(out: &mut String, heading: &str, words: &[String]) -> std::fmt::Result {
    if words.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{heading}:")?;
    for word in words.iter().take(SHOWN) {
        writeln!(out, "  {}", plain(word))?;
    }
    if words.len() > SHOWN {
        writeln!(out, "  … and {} more", words.len() - SHOWN)?;
    }
    Ok(())
}
