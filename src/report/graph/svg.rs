//! The graph as a picture.

use std::fmt::Write as _;

use super::super::style::{count, plain};
use super::layout::{self, BOX_HEIGHT, BOX_WIDTH, Point};
use super::{Graph, Line, Node, Party, Tie};
use crate::audit::finding::Severity;

/// The picture's looks; a page that embeds the picture embeds them too.
pub const STYLE: &str = include_str!("../../../templates/graph.css");

/// The sizes of a name's and a team's letters, as graph.css has them.
const NAME_SIZE: f64 = 13.5;
const TEAM_SIZE: f64 = 11.0;
/// How wide a text in a box may be.
const TEXT_WIDTH: f64 = BOX_WIDTH - 14.0;
/// How many objects a line tells when it is pointed at.
const MOST_TOLD: usize = 12;

/// Writes a file of its own, looks included.
#[must_use]
pub fn file(graph: &Graph) -> String {
    draw(graph, &format!("<style>{STYLE}</style>"), " xmlns=\"http://www.w3.org/2000/svg\"")
}

/// Writes a picture to embed in a page that has [`STYLE`].
#[must_use]
pub fn inline(graph: &Graph) -> String {
    draw(graph, "", "")
}

fn draw(graph: &Graph, style: &str, namespace: &str) -> String {
    let layout = layout::place(graph);
    let (width, height) = (layout.width, layout.height);
    let mut out = format!(
        "<svg{namespace} class=\"graph\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\">{style}<defs>",
        told(graph)
    );
    for kind in ["contract", "error", "warning"] {
        let _ = write!(
            out,
            "<marker id=\"to-{kind}\" class=\"head {kind}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
             markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0 8 4 0 8Z\"/></marker>"
        );
    }
    out.push_str("</defs><rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n");
    for (line, points) in graph.lines.iter().zip(&layout.lines) {
        write_line(&mut out, graph, line, points);
    }
    write_numbers(&mut out, graph, &layout.lines);
    for (node, at) in graph.nodes.iter().zip(&layout.boxes) {
        write_box(&mut out, node, *at);
    }
    out.push_str("</svg>\n");
    out
}

fn told(graph: &Graph) -> String {
    let of =
        |leak: bool| graph.lines.iter().filter(|l| (l.tie != Tie::Contract) == leak).map(|l| l.objects.len()).sum();
    let services = graph.nodes.iter().filter(|n| matches!(n.party, Party::Service(_))).count();
    format!("{}, {}, {}", count(services, "service"), count(of(false), "contract"), count(of(true), "leak"))
}

fn write_line(out: &mut String, graph: &Graph, line: &Line, points: &[Point]) {
    let kind = match line.tie {
        Tie::Contract => "contract",
        Tie::Leak(Severity::Error) => "error",
        Tie::Leak(_) => "warning",
    };
    let verb = if line.tie == Tie::Contract { "may use of" } else { "reaches undeclared of" };
    let (from, to) = (graph.nodes[line.from].party.name(), graph.nodes[line.to].party.name());
    let mut title = vec![xml(&format!("{from} {verb} {to}:"))];
    title.extend(line.objects.iter().take(MOST_TOLD).map(|object| xml(object)));
    if line.objects.len() > MOST_TOLD {
        title.push(format!("and {} more", line.objects.len() - MOST_TOLD));
    }
    let mut d = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let middle = f64::midpoint(x0, x1);
        let _ = write!(d, "C{middle:.1} {y0:.1} {middle:.1} {y1:.1} {x1:.1} {y1:.1}");
    }
    let _ = write!(out, "<g class=\"line {kind}\"><title>{}</title>", title.join("\n"));
    let _ = write!(
        out,
        "<path class=\"reach\" d=\"{d}\"/><path class=\"stroke\" d=\"{d}\" marker-end=\"url(#to-{kind})\"/>"
    );
    out.push_str("</g>\n");
}

/// How far along its first bend a line may have its number, from best to worst.
const PLACES: [f64; 6] = [0.4, 0.52, 0.64, 0.28, 0.76, 0.88];
/// How near two numbers may come before one covers the other.
const NUMBER_HEIGHT: f64 = 18.0;

/// Writes the leaks' numbers over all lines, each where no other stands.
fn write_numbers(out: &mut String, graph: &Graph, lines: &[Vec<Point>]) {
    let mut taken: Vec<(Point, f64)> = Vec::new();
    for (line, points) in graph.lines.iter().zip(lines) {
        let kind = match line.tie {
            Tie::Contract => continue,
            Tie::Leak(Severity::Error) => "error",
            Tie::Leak(_) => "warning",
        };
        let number = line.objects.len().to_string();
        let width = 11.0 + 7.0 * number.len() as f64;
        let is_free = |(x, y): &Point| {
            taken
                .iter()
                .all(|((tx, ty), tw)| (tx - x).abs() > f64::midpoint(*tw, width) || (ty - y).abs() > NUMBER_HEIGHT)
        };
        let mut places = PLACES.iter().map(|along| bend(points[0], points[1], *along));
        let (x, y) = places.clone().find(is_free).or_else(|| places.next()).unwrap_or(points[0]);
        taken.push(((x, y), width));
        let _ = writeln!(
            out,
            "<g class=\"number {kind}\"><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.0}\" height=\"{NUMBER_HEIGHT:.0}\" \
             rx=\"9\"/><text x=\"{x:.1}\" y=\"{:.1}\">{number}</text></g>",
            x - width / 2.0,
            y - NUMBER_HEIGHT / 2.0,
            y + 3.8
        );
    }
}

/// Gives a point of the bend that [`write_line`] draws between two points.
fn bend((x0, y0): Point, (x1, y1): Point, along: f64) -> Point {
    let back = 1.0 - along;
    let (early, late) = (3.0 * along * back * back, 3.0 * along * along * back);
    let (start, end) = (back.powi(3), along.powi(3));
    let x = x0 * start + f64::midpoint(x0, x1) * (early + late) + x1 * end;
    (x, y0 * (start + early) + y1 * (late + end))
}

fn write_box(out: &mut String, node: &Node, (x, y): Point) {
    let kind = if matches!(node.party, Party::Service(_)) { "service" } else { "outside" };
    let name = node.party.name();
    let title = match &node.description {
        Some(text) => format!("{}: {}", xml(name), xml(text)),
        None => xml(name),
    };
    let middle = x + BOX_WIDTH / 2.0;
    let baseline = if node.team.is_some() { y + 20.0 } else { y + BOX_HEIGHT / 2.0 + 4.5 };
    let _ = write!(
        out,
        "<g class=\"box {kind}\"><title>{title}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{BOX_WIDTH}\" \
         height=\"{BOX_HEIGHT}\" rx=\"9\"/><text class=\"name\" x=\"{middle:.1}\" y=\"{baseline:.1}\">{}</text>",
        xml(&short(name, NAME_SIZE))
    );
    if let Some(team) = &node.team {
        let shown = xml(&short(team, TEAM_SIZE));
        let _ = write!(out, "<text class=\"team\" x=\"{middle:.1}\" y=\"{:.1}\">{shown}</text>", y + 36.0);
    }
    out.push_str("</g>\n");
}

/// Cuts a text that would not fit in a box, with letters of this size.
fn short(text: &str, size: f64) -> String {
    let text = plain(text);
    let width = |text: &str| text.chars().map(|c| letter(c) * size).sum::<f64>();
    if width(&text) <= TEXT_WIDTH {
        return text;
    }
    let mut out = String::new();
    let mut left = TEXT_WIDTH - letter('…') * size;
    for c in text.chars() {
        left -= letter(c) * size;
        if left < 0.0 {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// Gives about how wide a letter of a bold sans-serif font is, its size being 1.
fn letter(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.36,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | ' ' | '-' => 0.45,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 1.0,
        'A'..='Z' => 0.75,
        // of the scripts of East Asia each letter fills a square
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'.. => 1.05,
        _ => 0.66,
    }
}

/// Makes a text safe inside of XML, as content and as an attribute's value.
pub(in crate::report) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no way to write these two
            '\u{fffe}' | '\u{ffff}' => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_its_letters_would_leave_the_box() {
        for (text, shown) in [
            ("recommendations", "recommendations"),
            ("illicit_little_title", "illicit_little_title"),
            ("mmmmmmmmmmmmmmmm", "mmmmmmmmm…"),
            ("受注管理受注管理受注管理", "受注管理受注管理受…"),
        ] {
            assert_eq!(short(text, NAME_SIZE), shown);
        }
    }
}
