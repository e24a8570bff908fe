//! The end of a split one of whose servers is gone for good: what the other has of it goes.

use sqlx::postgres::PgConnection;

use super::ends::{self, identity};
use super::error::Error;
use super::state::{Phase, Side, Split};
use super::{Between, applier, link, start, write_block};
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::manifest::service::Project;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::session::SessionKind;
use crate::registry;
use crate::sql;
use crate::sql::{Literal, Sql};
use crate::transfer::table;

/// Ends the split on the side that is left, and opens that to writers; the other side must not answer.
///
/// What the lost side had taken and not yet sent is lost with it.
///
/// # Errors
/// The other side is there, no split is under way, or the server refused something: run again, it goes on.
pub async fn alone(
    between: &Between,
    left: Side,
    project: Option<&Project>,
    listener: Listener<'_>,
) -> Result<Split, Error> {
    let mut connection = between.target(left).connect(SessionKind::Administrator, "pgcleave split").await?;
    ends::durable(&mut connection).await?;
    ends::lock(&mut connection, &between.service, listener).await?;
    let split = ends::record(&mut connection, &between.service, left).await?;
    let mut split = split.ok_or_else(|| Error::None(between.service.clone()))?;
    let gone = left.other();
    let refuse = |split: &Split, why: String| {
        Err(Error::WrongPhase { service: split.service.clone(), phase: split.phase.as_str(), why })
    };
    if left == Side::Source && split.phase == Phase::Finished {
        return refuse(&split, "nothing of it is left to be taken back".to_owned());
    }
    let found = identity(&mut connection).await?;
    if found.system != split.place(left).system || found.database != split.place(left).database {
        let (side, label) = (left.as_str(), split.place(left).label.clone());
        return Err(Error::WrongTarget(format!("the split's {side} is {label}, and that is another database")));
    }
    if answers(between.target(gone), &split, gone).await? {
        let (side, label) = (gone.as_str(), split.place(gone).label.clone());
        return refuse(&split, format!("the {side} is not gone, {label} answers"));
    }
    if split.writable == gone {
        let (side, other) = (gone.as_str(), left.as_str());
        let message = format!("what was written on the {side} and had not arrived on the {other} is lost");
        listener(Event::Warning { message });
    }
    split.phase = if left == Side::Source { Phase::Aborted } else { Phase::Finished };
    (split.writable, split.turn) = (left, None);
    split.revision += 1;
    ends::put(&mut connection, &split, left).await?;
    let mut leaving = Leaving { listener, failed: None };
    leave(&mut connection, &split, left, &mut leaving).await?;
    if let Some(project) = project {
        leaving.bridge(&mut connection, between, project, left).await?;
    }
    let there = lost(&split, gone).as_str().to_owned();
    let message = format!("should the {} ever come back, this is of the split there: {there}", gone.as_str());
    listener(Event::Note { message });
    if let Some(error) = leaving.failed {
        return Err(error);
    }
    if left == Side::Source {
        registry::split::forget(&mut connection, &split.service).await?;
    }
    Ok(split)
}

/// Tells whether a side is there still: the very database that the split knows.
///
/// A server that turns us away is there, and its error is told; a database that is gone is gone.
async fn answers(target: &Target, split: &Split, side: Side) -> Result<bool, Error> {
    /// What a server says that has no such database.
    const NO_DATABASE: &str = "3D000";
    match target.connect(SessionKind::Administrator, "pgcleave split").await {
        Ok(mut connection) => {
            let (found, known) = (identity(&mut connection).await?, split.place(side));
            Ok(found.system == known.system && found.database == known.database)
        }
        Err(error) if error.sqlstate().is_some_and(|code| code != NO_DATABASE) => Err(error.into()),
        Err(PgError::Connect { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Takes down one thing after the other, and goes on where one stays.
struct Leaving<'a> {
    listener: Listener<'a>,
    /// What was refused first.
    failed: Option<Error>,
}

impl Leaving<'_> {
    /// Tells of what stays, with the statements that remove it by hand.
    fn note(&mut self, done: Result<(), impl Into<Error>>, by_hand: &Sql) {
        let Err(error) = done else { return };
        let error = error.into();
        let message = format!("{error}; by hand, then the same command again: {}", by_hand.as_str());
        (self.listener)(Event::Warning { message });
        self.failed.get_or_insert(error);
    }

    /// Removes the login with which the lost side came; what the service itself reads over a bridge is named only.
    async fn bridge(
        &mut self,
        connection: &mut PgConnection,
        between: &Between,
        project: &Project,
        left: Side,
    ) -> Result<(), Error> {
        let Some(service) = project.services.get(between.service.as_str()) else { return Ok(()) };
        let Ok(caller) = project.naming.caller(service.name.as_str()) else { return Ok(()) };
        let gone = match left {
            Side::Source => without_caller(between, project).await,
            Side::Target => link::drop_roles(connection, std::slice::from_ref(&caller)).await.map_err(Error::from),
        };
        self.note(gone, &sql!("drop owned by ", caller, " cascade; drop role ", caller));
        let Ok(bridge) = project.naming.bridge(service.name.as_str()) else { return Ok(()) };
        let there: bool = sqlx::query_scalar("select exists (select from pg_catalog.pg_roles where rolname = $1)")
            .bind(bridge.as_str())
            .fetch_one(connection)
            .await
            .map_err(|e| PgError::new("look for the bridge", &e))?;
        if there && left == Side::Target {
            let by_hand =
                sql!("drop server ", bridge, " cascade; drop owned by ", bridge, " cascade; drop role ", bridge);
            let message = format!(
                "what the service reads over its bridge answers no more, and stays, since the service may name it: {}",
                by_hand.as_str()
            );
            (self.listener)(Event::Warning { message });
        }
        Ok(())
    }
}

/// Removes the login with which the target came for what the service consumes.
async fn without_caller(between: &Between, project: &Project) -> Result<(), Error> {
    match start::consumed(between, Some(project)).await? {
        Some(bridge) => bridge.remove_caller().await,
        None => Ok(()),
    }
}

/// Removes everything of the split from a side, and opens it; what stays keeps nothing else from going.
async fn leave(
    connection: &mut PgConnection,
    split: &Split,
    side: Side,
    leaving: &mut Leaving<'_>,
) -> Result<(), Error> {
    // First what keeps the service from working.
    let tables = table::read(connection, &split.schema).await?;
    let by_hand: Vec<_> = tables.iter().map(|table| write_block::removal(split, table)).collect();
    let opened = write_block::remove(connection, split, &tables).await;
    leaving.note(opened, &all(&by_hand));
    let own = split.link(side);
    let gone = applier::unsubscribe(connection, split, side.other()).await;
    leaving.note(gone, &all(&applier::unsubscribing(split, side.other())));
    leaving.note(link::drop_slot(connection, &own).await, &drop_slot(&own));
    let publication = sql!("drop publication if exists ", split.publication());
    leaving.note(link::drop_publication(connection, split).await, &publication);
    let roles = link::drop_roles(connection, std::slice::from_ref(&own)).await;
    leaving.note(roles, &sql!("drop owned by ", own, " cascade; drop role ", own));
    let fence = sql!("delete from pgcleave.split_fence where split = ", Literal(&split.id));
    leaving.note(registry::split::remove_fence(connection, &split.id).await, &fence);
    Ok(())
}

/// Gives what would be left on the lost side if that came back: nobody can look.
fn lost(split: &Split, side: Side) -> Sql {
    let own = split.link(side);
    let mut parts = applier::unsubscribing(split, side.other());
    parts.push(drop_slot(&own));
    parts.push(sql!("drop publication if exists ", split.publication()));
    parts.push(sql!("drop owned by ", own, " cascade; drop role ", own));
    all(&parts)
}

fn drop_slot(name: &Ident) -> Sql {
    sql!(
        "select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where slot_name = ",
        Literal(name.as_str())
    )
}

fn all(statements: &[Sql]) -> Sql {
    let mut out = Sql::new();
    for statement in statements {
        out.push(statement);
        out.push_static("; ");
    }
    out
}
