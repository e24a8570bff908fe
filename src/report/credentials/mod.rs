//! Credentials: the list, what a rotation did, and the matrix of who reaches what.

pub mod list;
pub mod matrix;
pub mod rotation;

use comfy_table::{Cell, Table, presets};

/// The formats' name and version.
pub const FORMAT: &str = "pgcleave.credentials/1";

/// Lays rows out in columns, with spaces only.
fn columns(heading: &[&str], rows: Vec<Vec<String>>) -> String {
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
