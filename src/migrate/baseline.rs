//! Whether a schema has a past that pgcleave has not recorded: then its files may have run already, and none is run.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::discover::File;
use super::error::Error;
use super::tool_history::{Row, Tool, ToolHistory};
use crate::error::one_line;
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::registry;
pub(super) use crate::registry::{Baseline, OtherHistory};
use crate::sql;
use crate::sql::{Literal, Qualified};

/// The most rows of another tool's history that are read.
const MOST_ROWS: usize = 10_000;

/// Looks at one schema.
pub(super) async fn of(admin: &mut PgConnection, schema: &Ident) -> Result<Baseline, Error> {
    let found = registry::baselines(admin, &[schema.as_str()]).await?;
    found.into_iter().next().ok_or_else(|| Error::NotProvisioned { missing: format!("the schema {}", schema.as_str()) })
}

/// Says what blocks the service's migrations, from the catalog alone.
pub(super) fn error(service: &Ident, baseline: &Baseline) -> Error {
    let found = |other: &OtherHistory| {
        format!(
            "another tool's history is in {}, which `pgcleave migrate {}` compares",
            other.label(),
            service.as_str()
        )
    };
    needed(service, baseline, baseline.others.iter().map(found).collect(), None)
}

/// Says what blocks the service's migrations, with what other tools' histories say.
pub(super) fn error_with(service: &Ident, baseline: &Baseline, found: &Found, files: &[File]) -> Error {
    let mut others: Vec<String> = found.histories.iter().map(|history| history.summary(files)).collect();
    others.extend(found.unreadable.iter().cloned());
    let mark = found.histories.iter().find_map(|history| history.mark(files)).map(|file| file.written.clone());
    needed(service, baseline, others, mark)
}

fn needed(service: &Ident, baseline: &Baseline, others: Vec<String>, mark: Option<String>) -> Error {
    Error::NeedsBaseline {
        service: service.clone(),
        schema: baseline.schema.clone(),
        objects: baseline.objects,
        others,
        mark,
    }
}

/// The histories of other tools.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) histories: Vec<ToolHistory>,
    /// What could not be read, and why.
    unreadable: Vec<String>,
}

/// Reads, as the owner, other tools' histories in the schema and in `public`; the schema's own stand first.
pub(super) async fn histories(login: &mut PgConnection, baseline: &Baseline) -> Found {
    let mut found = Found::default();
    let (own, others): (Vec<_>, Vec<_>) = baseline.others.iter().partition(|other| other.schema == baseline.schema);
    for other in own.into_iter().chain(others) {
        let Some(tool) = Tool::of_table(other.table.as_str(), other.has_dirty) else { continue };
        match rows(login, other, tool).await {
            Ok(rows) => found.histories.push(ToolHistory::new(&other.label(), tool, &rows, MOST_ROWS)),
            Err(error) => {
                let why = one_line(&error.to_string());
                found.unreadable.push(format!("{} cannot be read: {why}", other.label()));
            }
        }
    }
    found
}

/// Reads the rows by name from their JSON: a table may lack columns, or have them with other types.
async fn rows(login: &mut PgConnection, other: &OtherHistory, tool: Tool) -> Result<Vec<Row>, PgError> {
    let text = |column: &str| {
        let value = sql!("pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(h), ", Literal(column), ")");
        sql!("pg_catalog.left(", value, ", 80)")
    };
    let query = sql!(
        "select ",
        text(tool.version_column()),
        " as version, ",
        text(tool.result_column()),
        " as result, ",
        text("type"),
        " as kind from ",
        Qualified(&other.schema, &other.table),
        " h order by pg_catalog.jsonb_extract_path(pg_catalog.to_jsonb(h), ",
        Literal(tool.order_column()),
        ") using operator(pg_catalog.<) limit ",
        i64::try_from(MOST_ROWS).unwrap_or(i64::MAX - 1) + 1
    );
    let rows = exec::rows(login, "read another tool's history", query.as_str()).await?;
    let row = |row: &sqlx::postgres::PgRow| Row {
        version: row.get("version"),
        result: row.get("result"),
        kind: row.get("kind"),
    };
    Ok(rows.iter().map(row).collect())
}
