//! What export and import did.

use std::fmt::Write as _;

use serde_json::json;

use super::style::{ADDED, bytes, count, plain as safe};
use crate::archive::export::Exported;
use crate::archive::import::Imported;
use crate::archive::plain::Plain;

/// Tells of an archive; as `pgcleave.export/1` for programs.
#[must_use]
pub fn exported(exported: &Exported, for_programs: bool) -> String {
    let archive = &exported.archive;
    let rows: u64 = archive.tables.iter().map(|t| t.rows).sum();
    let raw: u64 = archive.files.iter().map(|f| f.raw_bytes).sum();
    if for_programs {
        return pretty(&json!({
            "format": "pgcleave.export/1",
            "path": exported.path,
            "service": archive.service,
            "schema": archive.schema,
            "lsn": archive.source.lsn,
            "tables": archive.tables.len(),
            "rows": rows,
            "raw_bytes": raw,
            "bytes": exported.bytes,
            "couplings": archive.couplings.iter().map(|c| json!({
                "kind": c.kind.name(), "object": c.object, "refers_to": c.refers_to, "message": c.message(), "fix": c.fix(),
            })).collect::<Vec<_>>(),
        }));
    }
    let path = safe(&exported.path.display().to_string());
    let tables = count(archive.tables.len(), "table");
    let size = format!("{} ({} of rows)", bytes(exported.bytes), bytes(raw));
    format!("{ADDED}✓{ADDED:#} {path}: {tables}, {rows} rows, {size}, at {}.\n", archive.source.lsn)
}

/// Tells of plain files; as `pgcleave.export/1` for programs.
#[must_use]
pub fn plain(plain: &Plain, for_programs: bool) -> String {
    if for_programs {
        return pretty(&json!({ "format": "pgcleave.export/1", "path": plain.path, "files": plain.files }));
    }
    let mut out = String::new();
    for file in &plain.files {
        let _ = writeln!(out, "{ADDED}✓{ADDED:#} {}: {} rows, {}", safe(&file.file), file.rows, bytes(file.bytes));
    }
    out
}

/// Tells of an import; as `pgcleave.import/1` for programs.
#[must_use]
pub fn imported(imported: &Imported, for_programs: bool) -> String {
    let Imported { schema, tables, rows, resumed } = imported;
    if for_programs {
        return pretty(&json!({
            "format": "pgcleave.import/1", "schema": schema, "tables": tables, "rows": rows, "resumed": resumed,
        }));
    }
    let schema = safe(schema.as_str());
    format!("{ADDED}✓{ADDED:#} schema {schema}: {}, {rows} rows.\n", count(*tables, "table"))
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
