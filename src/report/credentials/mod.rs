//! Credentials: the list, what a rotation did, and the matrix of who reaches what.

pub mod list;
pub mod matrix;
pub mod rotation;

use std::ops::Range;

use comfy_table::{Cell, Table, presets};

/// The formats' name and version.
pub const FORMAT: &str = "pgcleave.credentials/1";

/// Lays rows out in columns, with spaces only.
///
/// Where not all fit into so many characters, the others stand below, beside the first one again.
fn columns(heading: &[&str], rows: &[Vec<String>], width: usize) -> String {
    let piece = |columns: Range<usize>| {
        let heading = std::iter::once(&heading[0]).chain(&heading[columns.clone()]).copied();
        let cells = |row: &Vec<String>| {
            let end = columns.end.min(row.len());
            std::iter::once(&row[0]).chain(&row[columns.start.min(end)..end]).cloned().collect()
        };
        piece(heading.collect(), rows.iter().map(cells).collect())
    };
    pieces(heading, rows, width).into_iter().map(piece).collect::<Vec<_>>().join("\n")
}

fn piece(heading: Vec<&str>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(heading.iter().map(Cell::new));
    for row in rows {
        table.add_row(row);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Cuts the columns after the first into ranges that fit beside it, each of at least one column.
fn pieces(heading: &[&str], rows: &[Vec<String>], width: usize) -> Vec<Range<usize>> {
    const BETWEEN: usize = 2;
    let longest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or_default()
    };
    let first = longest(0);
    let (mut pieces, mut start, mut used) = (Vec::new(), 1, first);
    for column in 1..heading.len() {
        let more = BETWEEN + longest(column);
        if used + more > width && column > start {
            pieces.push(start..column);
            (start, used) = (column, first);
        }
        used += more;
    }
    pieces.push(start..heading.len());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_do_not_fit_come_below() {
        let heading = ["CREDENTIAL", "billing", "orders", "recommendations", "users"];
        let rows = vec![["orders/app", "contract 1", "write", "·", "·"].map(str::to_owned).to_vec()];
        let cut = |heading: &[&str], width| {
            pieces(heading, &rows, width).iter().map(|piece| format!("{piece:?}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(cut(&heading, usize::MAX), "1..5");
        assert_eq!(cut(&heading, 54), "1..5");
        assert_eq!(cut(&heading, 53), "1..4 4..5");
        assert_eq!(cut(&heading, 30), "1..3 3..4 4..5");
        assert_eq!(cut(&heading, 1), "1..2 2..3 3..4 4..5");
        assert_eq!(cut(&heading[..1], 80), "1..1");
    }
}
