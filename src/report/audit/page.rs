//! Findings as one page that needs nothing else: no network, no other file, and no script to be read.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use sha2::{Digest, Sha256};

use super::super::graph::{Graph, MOST_DRAWN, Party, Tie, svg};
use super::super::style::{count, plain};
use super::catalogue::{Entry, accepted, entries};
use crate::audit::finding::{Finding, LookedAt, Report, Severity};

const STYLE: &str = include_str!("../../../templates/audit.css");
const SCRIPT: &str = include_str!("../../../templates/audit.js");

#[derive(Template)]
#[template(path = "audit.html")]
struct Page<'a> {
    version: &'static str,
    policy: String,
    style: String,
    script: &'static str,
    database: String,
    looked: &'a LookedAt,
    tiles: Vec<Tile>,
    picture: Option<String>,
    left_out: usize,
    matrix: Matrix,
    findings: Vec<Card>,
    rules: Vec<Entry>,
    parties: BTreeSet<String>,
    not_readable: Vec<String>,
}

struct Tile {
    kind: &'static str,
    number: usize,
    word: &'static str,
}

struct Matrix {
    columns: Vec<String>,
    rows: Vec<(String, Vec<Cell>)>,
    left_out: usize,
}

#[derive(Default)]
struct Cell {
    own: bool,
    contracts: usize,
    errors: usize,
    warnings: usize,
    infos: usize,
}

/// One finding, its texts made plain.
struct Card {
    id: usize,
    rule: &'static str,
    severity: &'static str,
    from: String,
    to: String,
    message: String,
    /// Whom else the cause reaches.
    reached: Option<String>,
    start: String,
    steps: Vec<Step>,
    fix: String,
    /// The fix as it is, where showing it changed it; ASCII JSON.
    exact: Option<String>,
    accepted: Option<String>,
    fingerprint: String,
}

struct Step {
    grant: bool,
    by: String,
    to: String,
}

/// Writes the page; the graph brings the contracts.
#[must_use]
pub fn html(report: &Report, graph: &Graph) -> String {
    let style = format!("{}{STYLE}", svg::STYLE);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        base64(&Sha256::digest(style.as_bytes())),
        base64(&Sha256::digest(SCRIPT.as_bytes()))
    );
    let drawn = graph.fitting(MOST_DRAWN);
    let findings: Vec<Card> = report.findings.iter().enumerate().map(card).collect();
    let used: BTreeSet<&str> = findings.iter().map(|f| f.rule).collect();
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        policy,
        style,
        script: SCRIPT,
        database: plain(&report.looked_at.database),
        looked: &report.looked_at,
        tiles: tiles(report, graph),
        picture: (!drawn.nodes.is_empty()).then(|| svg::inline(&drawn)),
        left_out: drawn.left_out,
        matrix: matrix(report, graph),
        parties: findings.iter().flat_map(|f| [f.from.clone(), f.to.clone()]).collect(),
        rules: entries(report).into_iter().filter(|e| used.contains(e.id)).collect(),
        findings,
        not_readable: report.not_readable.iter().map(|what| plain(what)).collect(),
    };
    page.render().expect("writing to memory does not fail")
}

fn tiles(report: &Report, graph: &Graph) -> Vec<Tile> {
    // what is inherent is shown below and counted nowhere, as in the terminal
    let counts = report.counts();
    let contracts = graph.lines.iter().filter(|l| l.tie == Tie::Contract).map(|l| l.objects.len()).sum();
    vec![
        Tile { kind: "error", number: counts.errors, word: "errors" },
        Tile { kind: "warning", number: counts.warnings, word: "warnings" },
        Tile { kind: "info", number: counts.informational, word: "informational" },
        Tile { kind: "accepted", number: counts.accepted(), word: "accepted" },
        Tile { kind: "contract", number: contracts, word: "contracts" },
        Tile { kind: "plain", number: report.looked_at.services, word: "services" },
    ]
}

fn matrix(report: &Report, graph: &Graph) -> Matrix {
    let mut cells: BTreeMap<(Party, Party), Cell> = BTreeMap::new();
    let mut weight: BTreeMap<Party, usize> = graph.nodes.iter().map(|n| (n.party.clone(), 0)).collect();
    for line in graph.lines.iter().filter(|l| l.tie == Tie::Contract) {
        let ends = (graph.nodes[line.from].party.clone(), graph.nodes[line.to].party.clone());
        cells.entry(ends).or_default().contracts += line.objects.len();
    }
    for finding in report.findings.iter().filter(|f| f.is_open()) {
        let (from, to) = (Party::of_principal(finding), Party::of_object(finding));
        for party in [&from, &to] {
            *weight.entry(party.clone()).or_default() += 1;
        }
        let cell = cells.entry((from, to)).or_default();
        match finding.severity {
            Severity::Error => cell.errors += 1,
            Severity::Warning => cell.warnings += 1,
            Severity::Info => cell.infos += 1,
        }
    }
    let mut kept: Vec<(&Party, usize)> = weight.iter().map(|(party, weight)| (party, *weight)).collect();
    kept.sort_by_key(|(party, weight)| (std::cmp::Reverse(*weight), *party));
    let left_out = kept.len().saturating_sub(MOST_DRAWN);
    kept.truncate(MOST_DRAWN);
    let mut kept: Vec<&Party> = kept.into_iter().map(|(party, _)| party).collect();
    kept.sort_unstable();
    // nothing belongs to PUBLIC
    let columns: Vec<&Party> = kept.iter().copied().filter(|p| **p != Party::Everybody).collect();
    let mut row = |from: &Party| {
        let cell =
            |to: &&Party| Cell { own: from == *to, ..cells.remove(&(from.clone(), (*to).clone())).unwrap_or_default() };
        (plain(from.name()), columns.iter().map(cell).collect())
    };
    let rows = kept.iter().map(|from| row(from)).collect();
    Matrix { columns: columns.iter().map(|p| plain(p.name())).collect(), rows, left_out }
}

impl Cell {
    fn is_quiet(&self) -> bool {
        self.errors + self.warnings + self.infos == 0
    }
}

fn card((id, finding): (usize, &Finding)) -> Card {
    let fix: Vec<String> = finding.fix.lines().map(plain).collect();
    let fix = fix.join("\n");
    let steps = finding.path.steps.iter().map(|s| Step { grant: s.grant, by: plain(&s.by), to: plain(&s.to) });
    Card {
        id: id + 1,
        rule: finding.rule,
        severity: finding.severity.word(),
        from: plain(Party::of_principal(finding).name()),
        to: plain(Party::of_object(finding).name()),
        message: plain(&finding.message),
        reached: reached(finding),
        start: plain(&finding.path.from),
        steps: steps.collect(),
        exact: (fix != finding.fix).then(|| ascii_json(&finding.fix)),
        fix,
        accepted: accepted(finding).map(|why| plain(&why)),
        fingerprint: finding.fingerprint(),
    }
}

fn reached(finding: &Finding) -> Option<String> {
    let names: Vec<String> = finding.principals.iter().map(|name| plain(name)).collect();
    (!names.is_empty()).then(|| format!("{}: {}", count(names.len(), "role"), names.join(", ")))
}

/// Writes a JSON string of ASCII alone, so that nothing in it is changed or acts on its way through HTML.
fn ascii_json(text: &str) -> String {
    let mut out = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit).map(char::from) {
            Ok(c) if c.is_ascii_alphanumeric() || " _.,;()".contains(c) => out.push(c),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    format!("\"{out}\"")
}

/// Encodes as a content security policy wants its hashes.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * at) & 63).expect("six bits");
            out.push(if at <= chunk.len() { char::from(ALPHABET[digit]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_others_write_it() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn exact_text_is_ascii_that_reads_back() {
        let text = "revoke \"a\nb\u{202e}<🦀\"";
        let json = ascii_json(text);
        assert!(json.is_ascii() && !json.contains(['<', '\n']));
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
    }
}
