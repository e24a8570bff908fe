//! What stands in for contracts that a split cuts: relations of the same schema, name, columns and grants.
//!
//! ```text
//! consumer ─▶ view orders.order_summary ─▶ foreign table ─▶ user mapping of the bridge's role ─▶ login of the bridge
//!              owned by <service>_bridge                                                         <service>_caller
//! ```
//!
//! Each step can be repeated. [`connect`](Bridge::connect) makes the way and tries it, before anything depends on it;
//! [`keep`](Bridge::keep) makes what consumers see, in the caller's transaction; [`settle`](Bridge::settle) proves it.

pub mod contract;
mod copy;
mod secret;
pub mod shape;
mod statement;

use sqlx::postgres::PgConnection;

use contract::{Crossing, Direction, crossings};
use shape::{Shapes, Side};
use statement::Names;

use super::ends::identity;
use super::{Between, Error};
use crate::ident::Ident;
use crate::manifest::service::{Project, Service};
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::pg::password;
use crate::pg::session::SessionKind;
use crate::sql;
use crate::sql::{Qualified, Sql};

/// One service's bridge in one direction.
#[derive(Debug)]
pub struct Bridge {
    direction: Direction,
    names: Names,
    crossings: Vec<Crossing>,
    shapes: Shapes,
    /// Where the contracts are, for us.
    provider: Target,
    /// The same for the other side's server.
    provider_from_consumer: Target,
    /// Where they are used.
    consumer: Target,
}

impl Bridge {
    /// Reads what the split of a service cuts in one direction, and what the relations look like where they are.
    ///
    /// # Errors
    /// A side could not be reached or read.
    pub async fn read(
        between: &Between,
        project: &Project,
        moved: &Service,
        direction: Direction,
    ) -> Result<Self, Error> {
        let Between { source, target, source_from_target, target_from_source, .. } = between;
        let (provider, seen, consumer) = match direction {
            Direction::Exposed => (target, target_from_source, source),
            Direction::Consumed => (source, source_from_target, target),
        };
        let crossings = crossings(project, moved, direction);
        let mut shapes = read(provider, &crossings).await?;
        if direction == Direction::Exposed && shapes.relations.is_empty() && !crossings.is_empty() {
            // before the copy they are on the shared side only
            shapes = read(source, &crossings).await?;
        }
        let name = moved.name.as_str();
        let naming = &project.naming;
        let checked = "manifests are checked for names over 63 bytes";
        let names = Names {
            bridge: naming.bridge(name).expect(checked),
            caller: naming.caller(name).expect(checked),
            group: naming.connect_group().expect(checked),
        };
        let provider_from_consumer = seen.as_ref().unwrap_or(provider).clone();
        let (provider, consumer) = (provider.clone(), consumer.clone());
        Ok(Self { direction, names, crossings, shapes, provider, provider_from_consumer, consumer })
    }

    /// Gives which way it leads.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Gives the login with which the consuming side comes to the providing one.
    #[must_use]
    pub fn caller(&self) -> &Ident {
        &self.names.caller
    }

    /// Tells whether no contract is cut.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.crossings.is_empty()
    }

    /// Gives the contracts that are cut.
    #[must_use]
    pub fn crossings(&self) -> &[Crossing] {
        &self.crossings
    }

    /// Says which contracts cannot be bridged, and why, in sentences.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        self.crossings.iter().filter_map(|crossing| self.shapes.refusal(crossing)).collect()
    }

    /// Makes the way: a login on the providing side, with the contracts' privileges only; a foreign server and a user
    /// mapping on the consuming one. Tries it. A second run gives the login a new password.
    ///
    /// # Errors
    /// A contract cannot be bridged, a server refused, or the consuming server does not reach the other.
    pub async fn connect(&self) -> Result<(), Error> {
        let refusals = self.refusals();
        if !refusals.is_empty() {
            return Err(Error::Bridge(refusals.join("; ")));
        }
        if self.is_empty() {
            return Ok(());
        }
        let secret = password::generate().map_err(|e| Error::Bridge(format!("no random bytes: {e}")))?;
        let verifier = {
            use secrecy::ExposeSecret as _;
            password::verifier(&secret).expose_secret().to_owned()
        };
        let mut provider = open(&self.provider).await?;
        let side = self.side(&mut provider).await?;
        let admit = statement::admit(&self.names, &side, &self.crossings, &self.shapes, &verifier);
        transaction(&mut provider, "let the bridge's login in", admit).await?;
        let mut consumer = open(&self.consumer).await?;
        let side = self.side(&mut consumer).await?;
        self.expect_ours(&side)?;
        begin(&mut consumer).await?;
        let made = self.make_way(&mut consumer, &side, &secret).await;
        end(&mut consumer, made).await?;
        self.tell_other_direction(&mut provider, &mut consumer, &secret).await?;
        self.reach(&mut consumer, &side).await
    }

    /// Tells the new password to the bridge of the other direction, which on one server comes as the same login.
    async fn tell_other_direction(
        &self,
        provider: &mut PgConnection,
        consumer: &mut PgConnection,
        secret: &secrecy::SecretString,
    ) -> Result<(), Error> {
        let other = self.side(provider).await?;
        if !other.server || identity(provider).await?.system != identity(consumer).await?.system {
            return Ok(());
        }
        begin(provider).await?;
        let mapped = secret::map(provider, &self.names.bridge, &self.names.caller, secret).await;
        Ok(end(provider, mapped).await?)
    }

    async fn make_way(
        &self,
        consumer: &mut PgConnection,
        side: &Side,
        secret: &secrecy::SecretString,
    ) -> Result<(), PgError> {
        run(
            consumer,
            "make the way to the other side",
            statement::connect(&self.names, side, &self.provider_from_consumer),
        )
        .await?;
        secret::map(consumer, &self.names.bridge, &self.names.caller, secret).await
    }

    /// Makes what consumers see, in the transaction under way on the consuming side; the schema's name must be free,
    /// or the bridge's own.
    ///
    /// # Errors
    /// The server refused, or the schema is somebody's.
    pub async fn keep(&self, consumer: &mut PgConnection) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let side = self.side(consumer).await?;
        if self.direction == Direction::Exposed {
            self.expect_free(&side)?;
        }
        let statements = statement::keep(&self.names, &side, &self.crossings, &self.shapes);
        Ok(run(consumer, "make what the consumers see", statements).await?)
    }

    /// Gathers the planner's statistics, and reads every contract once.
    ///
    /// # Errors
    /// The consuming server does not get an answer.
    pub async fn settle(&self) -> Result<(), Error> {
        let mut consumer = open(&self.consumer).await?;
        let side = self.side(&mut consumer).await?;
        for relation in self.crossings.iter().filter_map(|crossing| self.shapes.of(crossing)) {
            let (schema, name) = (Ident::from_server(&relation.schema), Ident::from_server(&relation.name));
            let foreign = statement::foreign_table(relation);
            let tries = vec![
                sql!("analyze ", Qualified(&self.names.bridge, &foreign)),
                sql!("select from ", Qualified(&schema, &name), " limit 1"),
            ];
            let tries = statement::acting_as(&self.names.bridge, &side, tries);
            let label = format!("{}.{}", relation.schema, relation.name);
            let answered = transaction(&mut consumer, "read over the bridge", tries).await;
            answered.map_err(|error| Error::Bridge(format!("{label} does not answer: {error}")))?;
        }
        Ok(())
    }

    /// Makes all of it.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), [`keep`](Self::keep) and [`settle`](Self::settle).
    pub async fn build(&self) -> Result<(), Error> {
        self.connect().await?;
        if self.is_empty() {
            return Ok(());
        }
        let mut consumer = open(&self.consumer).await?;
        begin(&mut consumer).await?;
        let kept = self.keep(&mut consumer).await;
        end(&mut consumer, kept).await?;
        self.settle().await
    }

    /// Takes all of it away again, on both sides; what is not there is no error.
    ///
    /// # Errors
    /// A server refused, as when a consumer's own view leans on the bridge.
    pub async fn remove(&self) -> Result<(), Error> {
        let mut consumer = open(&self.consumer).await?;
        let side = self.side(&mut consumer).await?;
        let bridge = &self.names.bridge;
        let mut statements = Vec::new();
        for crossing in &self.crossings {
            let (schema, name) = (&crossing.schema, &crossing.name);
            if side.schemas.get(schema.as_str()).is_some_and(|owner| owner == bridge.as_str()) {
                statements.push(sql!("drop view if exists ", Qualified(schema, name)));
            }
        }
        let schemas: std::collections::BTreeSet<&Ident> = self.crossings.iter().map(|c| &c.schema).collect();
        for schema in schemas {
            if side.schemas.get(schema.as_str()).is_some_and(|owner| owner == bridge.as_str()) {
                // only the bridge's own types are left in it; views that lean on them keep it from going
                let drop_types = self.shapes.types.iter().filter(|t| t.schema == schema.as_str());
                let foreign = self.shapes.relations.iter().filter(|r| r.schema == schema.as_str());
                statements.extend(
                    foreign.map(|r| {
                        sql!("drop foreign table if exists ", Qualified(bridge, &statement::foreign_table(r)))
                    }),
                );
                statements.extend(drop_types.map(|t| {
                    let (schema, name) = (Ident::from_server(&t.schema), Ident::from_server(&t.name));
                    let mut sql = sql!("drop ");
                    sql.push_static(if t.kind == 'd' { "domain" } else { "type" });
                    sql.push(&sql!(" if exists ", Qualified(&schema, &name)));
                    sql
                }));
                statements.push(sql!("drop schema ", schema));
            }
        }
        if side.schemas.contains_key(bridge.as_str()) {
            statements.push(sql!("drop schema ", bridge, " cascade"));
        }
        let mut all = statement::acting_as(bridge, &side, statements);
        if side.server {
            all.push(sql!("drop server ", bridge, " cascade"));
        }
        transaction(&mut consumer, "take the bridge down", all).await?;
        drop_role(&mut consumer, bridge, &side).await?;
        self.remove_caller().await
    }

    /// Takes away what the providing side has of it; what is not there is no error.
    ///
    /// # Errors
    /// The server refused.
    pub async fn remove_caller(&self) -> Result<(), Error> {
        let mut provider = open(&self.provider).await?;
        let side = self.side(&mut provider).await?;
        drop_role(&mut provider, &self.names.caller, &side).await
    }

    async fn side(&self, connection: &mut PgConnection) -> Result<Side, PgError> {
        let Names { bridge, caller, group } = &self.names;
        let mut roles = vec![bridge, caller, group];
        roles.extend(self.crossings.iter().flat_map(|crossing| &crossing.readers));
        let mut schemas: Vec<&Ident> = self.crossings.iter().map(|crossing| &crossing.schema).collect();
        schemas.push(bridge);
        shape::side(connection, &roles, bridge, &schemas).await
    }

    /// Refuses to build into a schema that is somebody's; the moved service's own is put aside first.
    fn expect_ours(&self, side: &Side) -> Result<(), Error> {
        match self.direction {
            Direction::Exposed => Ok(()),
            Direction::Consumed => self.expect_free(side),
        }
    }

    fn expect_free(&self, side: &Side) -> Result<(), Error> {
        let bridge = self.names.bridge.as_str();
        let taken = self.crossings.iter().find_map(|crossing| {
            let owner = side.schemas.get(crossing.schema.as_str()).filter(|owner| *owner != bridge)?;
            Some(format!("schema {} of database {} belongs to {owner}", crossing.schema.as_str(), side.database))
        });
        taken.map_or(Ok(()), |why| Err(Error::Bridge(format!("{why}, so that no bridge fits there"))))
    }

    /// Asks over the new way for a row that is always there.
    async fn reach(&self, consumer: &mut PgConnection, side: &Side) -> Result<(), Error> {
        let bridge = &self.names.bridge;
        let reach = Ident::from_server("reach");
        let ask = vec![sql!("select from ", Qualified(bridge, &reach), " limit 1")];
        let asked = transaction(consumer, "try the way", statement::acting_as(bridge, side, ask)).await;
        asked.map_err(|error| {
            let there = &self.provider_from_consumer;
            let (from, host, port) = (self.consumer.label(), there.host(), there.port());
            Error::Bridge(match error.sqlstate() {
                Some("2F003") => format!(
                    "{host}:{port} asks the server of {from} for no password (trust in its pg_hba.conf), and without one \
                     PostgreSQL lets only superusers read foreign tables: let it ask, by scram-sha-256"
                ),
                _ => format!("the server of {from} gets no answer from {host}:{port}: {error}"),
            })
        })
    }
}

/// Drops a role of the bridge with what it was granted here; on one server the other direction may need it still.
async fn drop_role(connection: &mut PgConnection, role: &Ident, side: &Side) -> Result<(), Error> {
    if !side.roles.contains(role.as_str()) {
        return Ok(());
    }
    let mut statements = vec![sql!("drop owned by ", role)];
    if !side.superuser {
        statements.insert(0, sql!("grant ", role, " to current_user"));
    }
    transaction(connection, "take the bridge's grants back", statements).await?;
    match exec::batch(connection, "drop a role of the bridge", &sql!("drop role if exists ", role)).await {
        Err(error) if error.sqlstate() == Some("2BP01") => Ok(()),
        dropped => Ok(dropped?),
    }
}

async fn open(target: &Target) -> Result<PgConnection, PgError> {
    // Pinned, since the administrator makes things here; what it reads are views over foreign tables.
    target.connect(SessionKind::Loading { owner: None, search_path: &[] }, "pgcleave split, bridge").await
}

/// Reads the shapes in a snapshot with an empty search path.
async fn read(target: &Target, crossings: &[Crossing]) -> Result<Shapes, PgError> {
    if crossings.is_empty() {
        return Ok(Shapes::default());
    }
    let mut connection = open(target).await?;
    let begin = sql!("begin transaction isolation level repeatable read, read only; set local search_path = ''");
    exec::batch(&mut connection, "begin to read the contracts", &begin).await?;
    shape::shapes(&mut connection, crossings).await
}

async fn begin(connection: &mut PgConnection) -> Result<(), PgError> {
    let begin = sql!("begin; set local lock_timeout = '5s'; set local search_path = pg_catalog");
    exec::batch(connection, "begin", &begin).await
}

/// Commits, or rolls back what has failed.
async fn end<E: From<PgError>>(connection: &mut PgConnection, result: Result<(), E>) -> Result<(), E> {
    let end = if result.is_ok() { sql!("commit") } else { sql!("rollback") };
    let ended = exec::batch(connection, "end", &end).await;
    result?;
    Ok(ended?)
}

async fn run(connection: &mut PgConnection, doing: &str, statements: Vec<Sql>) -> Result<(), PgError> {
    for statement in &statements {
        exec::batch(connection, doing, statement).await?;
    }
    Ok(())
}

async fn transaction(connection: &mut PgConnection, doing: &str, statements: Vec<Sql>) -> Result<(), PgError> {
    begin(connection).await?;
    let ran = run(connection, doing, statements).await;
    end(connection, ran).await
}
