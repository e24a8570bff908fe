//! Whose hands something is in before it is believed or runs: schemas that pgcleave keeps, and event triggers.
//!
//! Trusted are the login of this session, superusers, and the administrator that [`Target::administered_by`] declares;
//! nothing that the database itself says. The queries read pg_catalog alone, and name the schema of every operator.
//!
//! [`Target::administered_by`]: super::connect::Target::administered_by

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::{Distrusted, Error};
use super::exec;
use crate::ident::Ident;
use crate::sql;

/// How many objects a message lists.
const MOST_LISTED: usize = 10;

/// What may stand in a schema that only pgcleave makes, besides plain tables with their keys and sequences.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// The schema.
    pub schema: &'a str,
    /// Defaults, as the server prints them.
    pub defaults: &'a [&'a str],
    /// Check constraints, as the server prints them.
    pub checks: &'a [&'a str],
    /// Functions without arguments in plpgsql: name and body.
    pub functions: &'a [(&'a str, &'a str)],
    /// The code of the error when something else is there.
    pub code: &'static str,
    /// What to do then.
    pub fix: &'a str,
}

/// A schema that is in trusted hands and holds nothing but what its form says; its tables may be read.
#[derive(Debug, Clone)]
pub struct Verified {
    owner: String,
    usable: bool,
    readable: BTreeMap<String, bool>,
}

impl Verified {
    /// Gives the schema's owner.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Tells whether this session has USAGE on the schema.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// Tells whether the schema has this table.
    #[must_use]
    pub fn has(&self, table: &str) -> bool {
        self.readable.contains_key(table)
    }

    /// Tells whether this session may read this table.
    #[must_use]
    pub fn reads(&self, table: &str) -> bool {
        self.usable && self.readable.get(table).copied().unwrap_or(false)
    }
}

/// Looks at a schema before anything in it is read; nothing where it does not exist.
///
/// A schema that this session has no USAGE on is not looked into: nothing in it can be read.
///
/// # Errors
/// Somebody who is not trusted owns or may change something in it, or it holds what its form does not have.
pub async fn schema(connection: &mut PgConnection, form: &Form<'_>) -> Result<Option<Verified>, Error> {
    let (names, bodies): (Vec<&str>, Vec<&str>) = form.functions.iter().copied().unzip();
    let rows = sqlx::query(include_str!("sql/schema_trust.sql"))
        .bind(form.schema)
        .bind(form.defaults)
        .bind(form.checks)
        .bind(names)
        .bind(bodies)
        .fetch_all(connection)
        .await
        .map_err(|e| Error::new(format!("look at the schema {}", form.schema), &e))?;
    let mut verified: Option<Verified> = None;
    let (mut readable, mut wrong) = (BTreeMap::new(), Vec::new());
    for row in &rows {
        let (name, why): (&str, &str) = (row.get("name"), row.get("why"));
        match row.get("what") {
            "schema" => {
                let (owner, usable) = (name.to_owned(), why == "usable");
                verified = Some(Verified { owner, usable, readable: BTreeMap::new() });
            }
            "table" => drop(readable.insert(name.to_owned(), why == "readable")),
            _ => wrong.push(format!("{name} {why}")),
        }
    }
    let Some(mut verified) = verified else { return Ok(None) };
    if verified.usable && !wrong.is_empty() {
        let what = format!("schema {} is not trusted", form.schema);
        let (listed, fix) = (list(wrong), form.fix.to_owned());
        return Err(Error::Distrusted(Box::new(Distrusted { code: form.code, what, listed, fix })));
    }
    verified.readable = readable;
    Ok(Some(verified))
}

/// Refuses to go on where the next DDL or GRANT would run the function of somebody who is not trusted.
///
/// # Errors
/// An enabled event trigger calls such a function, or the server could not be asked.
pub async fn event_triggers(connection: &mut PgConnection) -> Result<(), Error> {
    let rows = sqlx::query(include_str!("sql/event_triggers.sql"))
        .fetch_all(connection)
        .await
        .map_err(|e| Error::new("look for event triggers", &e))?;
    if rows.is_empty() {
        return Ok(());
    }
    let told = |row: &sqlx::postgres::PgRow| {
        let (trigger, event): (&str, &str) = (row.get("trigger"), row.get("event"));
        let (function, owner): (&str, &str) = (row.get("function"), row.get("owner"));
        format!("{trigger} ({event}) runs {function}, which belongs to {owner}")
    };
    let what = "an event trigger would run foreign code in this session".to_owned();
    let listed = list(rows.iter().map(told).collect());
    let fix = "as a superuser: alter event trigger ... disable, or alter function ... owner to a superuser once its \
               body is reviewed"
        .to_owned();
    Err(Error::Distrusted(Box::new(Distrusted { code: "foreign-event-trigger", what, listed, fix })))
}

/// Takes back what default privileges of this login have granted others on a schema that it made, and in it.
///
/// # Errors
/// The server refused.
pub async fn close(connection: &mut PgConnection, schema: &Ident) -> Result<(), Error> {
    let grantees: Vec<Option<String>> = sqlx::query_scalar(include_str!("sql/grantees.sql"))
        .bind(schema.as_str())
        .fetch_all(&mut *connection)
        .await
        .map_err(|e| Error::new("look for grants on the schema", &e))?;
    for grantee in grantees {
        let from = grantee.map_or_else(|| sql!("public"), |name| sql!(Ident::from_server(&name)));
        let revoke = sql!(
            "revoke all on schema ",
            schema,
            " from ",
            from,
            "; revoke all on all tables in schema ",
            schema,
            " from ",
            from,
            "; revoke all on all sequences in schema ",
            schema,
            " from ",
            from,
            "; revoke all on all functions in schema ",
            schema,
            " from ",
            from
        );
        exec::batch(connection, "close the schema to others", &revoke).await?;
    }
    Ok(())
}

fn list(found: Vec<String>) -> String {
    let more = found.len().saturating_sub(MOST_LISTED);
    let mut listed = found.into_iter().take(MOST_LISTED).collect::<Vec<_>>().join("; ");
    if more > 0 {
        listed += &format!("; and {more} more");
    }
    listed
}
