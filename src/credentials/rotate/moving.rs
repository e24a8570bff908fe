//! Rotation beside a split of the same service: never both at once, and only where the service is written.

use sqlx::postgres::PgConnection;

use crate::catalog;
use crate::credentials::Error;
use crate::event::Listener;
use crate::ident::Ident;
use crate::model::moving::Moving;
use crate::pg::lock;
use crate::registry::split::lock_name;

/// Keeps a split that is under way from changing sides for as long as this session rotates; tells whether there is one.
///
/// What is rotated before the cutover comes along with it, and a password that was new while it ran would be lost.
pub(super) async fn hold(
    connection: &mut PgConnection,
    service: &Ident,
    wait_seconds: u64,
    listener: Listener<'_>,
) -> Result<bool, Error> {
    let Some(split) = under_way(connection, service).await? else { return Ok(false) };
    refuse(&split)?;
    if !split.is_leaving() {
        return Ok(false);
    }
    let what = lock_name(service.as_str());
    lock::take(connection, &what, wait_seconds, listener).await?;
    let now = under_way(connection, service).await;
    let checked = now.and_then(|now| now.as_ref().map_or(Ok(()), refuse));
    if checked.is_err() {
        lock::release(connection, &what).await?;
    }
    checked.map(|()| true)
}

async fn under_way(connection: &mut PgConnection, service: &Ident) -> Result<Option<Moving>, Error> {
    let splits = catalog::splits(connection).await?;
    Ok(splits.into_iter().find(|split| split.service == *service))
}

fn refuse(split: &Moving) -> Result<(), Error> {
    split.refusal().map_or(Ok(()), |why| Err(Error::Moving(why)))
}
