//! The end of a split one of whose servers is gone for good: what the other has of it goes.

use sqlx::postgres::PgConnection;

use super::ends::{self, identity};
use super::error::Error;
use super::state::{Phase, Side, Split};
use super::{Between, gate, link, start};
use crate::event::{Event, Listener};
use crate::manifest::service::Project;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::registry;
use crate::transfer::{session, table};

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
    let mut connection = session::open(between.target(left), "pgcleave split").await?;
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
    leave(&mut connection, &split, left).await?;
    if left == Side::Source {
        if let Some(bridge) = start::consumed(between, project).await? {
            bridge.remove_caller().await?;
        }
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
    match session::open(target, "pgcleave split").await {
        Ok(mut connection) => {
            let (found, known) = (identity(&mut connection).await?, split.place(side));
            Ok(found.system == known.system && found.database == known.database)
        }
        Err(error) if error.sqlstate().is_some_and(|code| code != NO_DATABASE) => Err(error.into()),
        Err(PgError::Connect { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Removes everything of the split from a side, and opens it.
async fn leave(connection: &mut PgConnection, split: &Split, side: Side) -> Result<(), Error> {
    link::unsubscribe(connection, &split.link(side.other())).await?;
    link::unpublish(connection, split, side).await?;
    let tables = table::read(connection, &split.schema).await?;
    gate::remove(connection, split, &tables).await?;
    Ok(registry::split::remove_fence(connection, &split.id).await?)
}
