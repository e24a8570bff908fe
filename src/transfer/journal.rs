//! Marks in the target of what a load has done, each in the transaction that did it.
//!
//! Each load has a table of its own. The administrator owns it; the login that loads may add marks and read them, nothing
//! else, and only as itself: a definition that runs as an owner has no way to it.

use std::collections::HashSet;

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::Error;
use crate::ident::Ident;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Literal, Qualified, Sql};

/// The marks of one load; they are in a schema of their own until it has ended.
#[derive(Debug, Clone)]
pub struct Journal {
    table: Ident,
}

impl Journal {
    /// Gives the journal of the load with this name, which no other has; it need not be there.
    ///
    /// # Errors
    /// The target holds something in its place that this administrator or a superuser has not made.
    pub async fn look(admin: &mut PgConnection, id: &str) -> Result<Self, Error> {
        let hash = Sha256::digest(id.as_bytes());
        let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let journal = Self { table: Ident::from_server(&format!("load_{name}")) };
        match journal.wrong(admin).await? {
            Some(what) => Err(Error::ForeignJournal { what }),
            None => Ok(journal),
        }
    }

    /// Makes it where it is missing.
    ///
    /// # Errors
    /// The server refused to make it.
    pub async fn open(admin: &mut PgConnection, id: &str) -> Result<Self, Error> {
        let journal = Self::look(admin, id).await?;
        let there = "select pg_catalog.count(*) from pg_catalog.pg_namespace where nspname = 'pgcleave_import'";
        let there: i64 = sqlx::query_scalar(there).fetch_one(&mut *admin).await.map_err(|e| failed(&e))?;
        if there == 0 {
            let make = "create schema pgcleave_import; \
                comment on schema pgcleave_import is 'how far running imports are; it goes when the last one has ended'";
            exec::fixed(admin, "make the schema of the imports' journals", make).await?;
            let close = revocations(admin).await?;
            exec::batch(admin, "close the schema of the imports' journals", &close).await?;
        }
        if !journal.exists(admin).await? {
            let make = sql!("create table ", journal.name(), " (step text primary key)");
            exec::batch(admin, "open the import's journal", &make).await?;
        }
        match journal.wrong(admin).await? {
            Some(what) => Err(Error::ForeignJournal { what }),
            None => Ok(journal),
        }
    }

    /// Lets a login add marks.
    ///
    /// # Errors
    /// The server refused it.
    pub async fn admit(&self, admin: &mut PgConnection, login: &Ident) -> Result<(), Error> {
        let usage = sql!("grant usage on schema pgcleave_import to ", login);
        let marks = sql!("; grant insert, select on table ", self.name(), " to ", login);
        Ok(exec::batch(admin, "let the loading login add marks", &sql!(usage, marks)).await?)
    }

    fn name(&self) -> Sql {
        sql!(Qualified(&Ident::from_server("pgcleave_import"), &self.table))
    }

    /// Says what makes the schema or the table another than this program's.
    async fn wrong(&self, admin: &mut PgConnection) -> Result<Option<String>, Error> {
        let query = include_str!("sql/journal.sql");
        let found = sqlx::query_scalar(query).bind(self.table.as_str()).fetch_optional(admin).await;
        Ok(found.map_err(|e| failed(&e))?)
    }

    async fn exists(&self, admin: &mut PgConnection) -> Result<bool, Error> {
        let query = "select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
            where n.nspname = 'pgcleave_import' and c.relname = $1)";
        Ok(sqlx::query_scalar(query).bind(self.table.as_str()).fetch_one(admin).await.map_err(|e| failed(&e))?)
    }

    /// Gives the names of the steps that are done; none where no load of this name has begun.
    ///
    /// # Errors
    /// The server refused the query.
    pub async fn done(&self, admin: &mut PgConnection) -> Result<HashSet<String>, Error> {
        if !self.exists(admin).await? {
            return Ok(HashSet::new());
        }
        let query = sql!("select step from ", self.name(), " order by step");
        let rows = exec::rows(admin, "read the import's journal", query.as_str()).await?;
        Ok(rows.iter().map(|row| row.get("step")).collect())
    }

    /// Marks a step as done, in the transaction under way.
    ///
    /// # Errors
    /// The server refused it, as it does where the step is marked already.
    pub async fn mark(&self, connection: &mut PgConnection, step: &str) -> Result<(), Error> {
        Ok(exec::batch(connection, "mark a step", &self.insert(step)).await?)
    }

    /// Takes a mark back; a step that has none stays as it is.
    ///
    /// # Errors
    /// The server refused it.
    pub async fn forget(&self, admin: &mut PgConnection, step: &str) -> Result<(), Error> {
        let delete = sql!("delete from ", self.name(), " where step = ", Literal(step));
        Ok(exec::batch(admin, "take a mark back", &delete).await?)
    }

    /// Runs a script that another program wrote for us, and marks it, in one transaction.
    ///
    /// # Errors
    /// The server refused one of its statements; none of them was kept then.
    pub async fn step(&self, connection: &mut PgConnection, step: &str, script: &str) -> Result<(), Error> {
        exec::fixed(connection, "begin a step", "begin").await?;
        let result = exec::script(connection, &doing(script), script).await.map_err(|e| e.error.into());
        let mut end = self.insert(step);
        end.push_static("; commit");
        let result = match result {
            Ok(()) => exec::batch(connection, "mark and commit a step", &end).await.map_err(Error::from),
            Err(error) => Err(error),
        };
        if result.is_err() {
            let _ = exec::fixed(connection, "take a step back", "rollback").await;
        }
        result
    }

    /// Runs several steps of (name, script) in one transaction and one message.
    ///
    /// # Errors
    /// The server refused one of their statements; those before it are kept.
    pub async fn steps(&self, connection: &mut PgConnection, steps: &[(String, &str)]) -> Result<(), Error> {
        if self.together(connection, steps).await.is_ok() {
            return Ok(());
        }
        let _ = exec::fixed(connection, "take steps back", "rollback").await;
        // One after the other, the one that is refused is named.
        for (name, script) in steps {
            self.step(connection, name, script).await?;
        }
        Ok(())
    }

    async fn together(&self, connection: &mut PgConnection, steps: &[(String, &str)]) -> Result<(), Error> {
        let mut message = String::from("begin;\n");
        for (_, script) in steps {
            message += script;
            message += "\n;\n";
        }
        for (name, _) in steps {
            message += self.insert(name).as_str();
            message += ";\n";
        }
        message += "commit";
        exec::script(connection, "run several steps", &message).await.map_err(|e| e.error.into())
    }

    /// Forgets the load; the schema goes with the last one.
    ///
    /// # Errors
    /// The server refused it.
    pub async fn close(&self, admin: &mut PgConnection) -> Result<(), Error> {
        let end = sql!(
            "drop table if exists ",
            self.name(),
            "; do $$ begin if not exists (select from pg_catalog.pg_depend d join pg_catalog.pg_namespace n on n.oid = d.refobjid \
             where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and n.nspname = 'pgcleave_import') \
             then drop schema if exists pgcleave_import; end if; end $$"
        );
        Ok(exec::batch(admin, "close the import's journal", &end).await?)
    }

    /// The mark is the login's own: the owner that it has become has no right to it.
    fn insert(&self, step: &str) -> Sql {
        sql!("set local role none; insert into ", self.name(), " (step) values (", Literal(step), ")")
    }
}

/// Takes back what default privileges of the administrator have given to others.
async fn revocations(admin: &mut PgConnection) -> Result<Sql, Error> {
    let query = "select coalesce(r.rolname::pg_catalog.text, '') as grantee from pg_catalog.pg_namespace n, \
        pg_catalog.aclexplode(n.nspacl) x left join pg_catalog.pg_roles r on r.oid = x.grantee \
        where n.nspname = 'pgcleave_import' and x.grantee <> n.nspowner order by 1";
    let found: Vec<String> = sqlx::query_scalar(query).fetch_all(admin).await.map_err(|e| failed(&e))?;
    let mut out = Sql::new();
    for grantee in found {
        let grantee = Ident::new(&grantee).map_or_else(|_| sql!("public"), |name| sql!(name));
        out.push(&sql!("revoke all on schema pgcleave_import from ", grantee, ";"));
    }
    Ok(out)
}

fn failed(error: &sqlx::Error) -> PgError {
    PgError::new("look at the import's journal", error)
}

/// Says in one short line what a script does: its first statement's first words.
fn doing(script: &str) -> String {
    let line = script.lines().find(|line| !line.trim().is_empty() && !line.starts_with("--")).unwrap_or("run a script");
    line.chars().take(100).collect()
}
