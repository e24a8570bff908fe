//! Materialized views after a change of sides: replication carries no rows of them.

use crate::event::{Event, Listener};
use crate::pg::session::SessionKind;
use crate::split::error::Error;
use crate::split::state::Split;
use crate::split::{Between, copy};
use crate::transfer::loader::Owners;
use crate::transfer::{statement, surroundings};

/// Refreshes the materialized views that are filled on the side that has the writes, as their owners, or says that they hold
/// what they were last filled with. Nothing of it makes the change of sides fail.
pub(super) async fn settle(between: &Between, split: &Split, refresh: bool, listener: Listener<'_>) {
    if let Err(error) = try_settle(between, split, refresh, listener).await {
        listener(Event::Warning { message: format!("materialized views could not be refreshed: {error}") });
    }
}

async fn try_settle(between: &Between, split: &Split, refresh: bool, listener: Listener<'_>) -> Result<(), Error> {
    let target = between.target(split.writable);
    let mut admin = target.connect(SessionKind::Administrator, "pgcleave split").await?;
    let around = surroundings::read(&mut admin, &split.schema, &split.service, &[], false).await?;
    let statements = statement::split(&around.refreshes);
    if statements.is_empty() {
        return Ok(());
    }
    if refresh {
        let owners = Owners {
            schema: &split.schema,
            owner: around.owner.as_ref(),
            all: &around.owners,
            superusers: false,
            jobs: 1,
        };
        return copy::fill_views(&mut admin, target, &owners, &around.refreshes, listener).await;
    }
    let message = format!(
        "materialized views hold what they were last filled with on the {}, at first when the copy was made; run this command \
         again with --refresh, or: {}",
        split.writable.as_str(),
        statements.join("; ")
    );
    listener(Event::Note { message });
    Ok(())
}
