//! Marks in the target of what a load has done, each in the transaction that did it.

use std::collections::HashSet;

use sqlx::postgres::PgConnection;

use super::error::Error;
use super::session;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{Literal, Sql};

/// The marks of one load; they are in a schema of their own until it has ended.
#[derive(Debug, Clone)]
pub struct Journal {
    id: String,
}

impl Journal {
    /// Opens the journal of the load with this name, which no other has.
    ///
    /// # Errors
    /// The server refused to make the schema.
    pub async fn open(connection: &mut PgConnection, id: &str) -> Result<Self, Error> {
        let make = "create schema if not exists pgcleave_import; \
            create table if not exists pgcleave_import.step (load text not null, step text not null, \
              done_at timestamptz not null default pg_catalog.now(), primary key (load, step)); \
            comment on schema pgcleave_import is 'how far running imports are; it goes when the last one has ended'";
        session::run(connection, "open the import's journal", make).await?;
        Ok(Self { id: id.to_owned() })
    }

    /// Tells whether a load with this name has begun and not ended.
    ///
    /// # Errors
    /// The server refused the query.
    pub async fn begun(connection: &mut PgConnection, id: &str) -> Result<bool, Error> {
        let there = "select pg_catalog.to_regclass('pgcleave_import.step') is not null";
        let failed = |e: sqlx::Error| PgError::new("look for an import's journal", &e);
        if !sqlx::query_scalar::<_, bool>(there).fetch_one(&mut *connection).await.map_err(failed)? {
            return Ok(false);
        }
        let begun = sqlx::query_scalar("select exists (select from pgcleave_import.step where load = $1)");
        Ok(begun.bind(id).fetch_one(connection).await.map_err(failed)?)
    }

    /// Gives the names of the steps that are done.
    ///
    /// # Errors
    /// The server refused the query.
    pub async fn done(&self, connection: &mut PgConnection) -> Result<HashSet<String>, Error> {
        let steps: Vec<String> =
            sqlx::query_scalar("select step from pgcleave_import.step where load = $1 order by step")
                .bind(&self.id)
                .fetch_all(connection)
                .await
                .map_err(|e| PgError::new("read the import's journal", &e))?;
        Ok(steps.into_iter().collect())
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
    pub async fn forget(&self, connection: &mut PgConnection, step: &str) -> Result<(), Error> {
        let (load, step) = (Literal(&self.id), Literal(step));
        let delete = sql!("delete from pgcleave_import.step where load = ", load, " and step = ", step);
        Ok(exec::batch(connection, "take a mark back", &delete).await?)
    }

    /// Runs a script that another program wrote for us, and marks it, in one transaction.
    ///
    /// # Errors
    /// The server refused one of its statements; none of them was kept then.
    pub async fn step(&self, connection: &mut PgConnection, step: &str, script: &str) -> Result<(), Error> {
        session::run(connection, "begin a step", "begin").await?;
        let result = exec::script(connection, &doing(script), script).await.map_err(|e| e.error.into());
        let mut end = self.insert(step);
        end.push_static("; commit");
        let result = match result {
            Ok(()) => exec::batch(connection, "mark and commit a step", &end).await.map_err(Error::from),
            Err(error) => Err(error),
        };
        if result.is_err() {
            let _ = session::run(connection, "take a step back", "rollback").await;
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
        let _ = session::run(connection, "take steps back", "rollback").await;
        // One after the other, the one that is refused is named.
        for (name, script) in steps {
            self.step(connection, name, script).await?;
        }
        Ok(())
    }

    async fn together(&self, connection: &mut PgConnection, steps: &[(String, &str)]) -> Result<(), Error> {
        let mut message = String::from("begin;\n");
        for (name, script) in steps {
            message += script;
            message += "\n;\n";
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
    pub async fn close(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let end = sql!(
            "do $$ begin delete from pgcleave_import.step where load = ",
            Literal(&self.id),
            "; if not exists (select from pgcleave_import.step) then drop schema pgcleave_import cascade; end if; end $$"
        );
        Ok(exec::batch(connection, "close the import's journal", &end).await?)
    }

    fn insert(&self, step: &str) -> Sql {
        sql!("insert into pgcleave_import.step (load, step) values (", Literal(&self.id), ", ", Literal(step), ")")
    }
}

/// Says in one short line what a script does: its first statement's first words.
fn doing(script: &str) -> String {
    let line = script.lines().find(|line| !line.trim().is_empty() && !line.starts_with("--")).unwrap_or("run a script");
    line.chars().take(100).collect()
}
