//! What demo and dev share: the database on a server of one's own, and stopping when asked to.

use pgcleave::ident::Ident;
use pgcleave::migrate;
use pgcleave::pg::connect::Target;
use pgcleave::pg::exec;
use pgcleave::pg::session::SessionKind;
use pgcleave::sql;

use super::context::Context;
use super::failure::Failure;

/// Makes the database, unless it is there.
pub(crate) async fn make_database(admin: &Target, name: &str) -> Result<(), Failure> {
    let mut connection = admin.connect(SessionKind::Administrator, "pgcleave").await?;
    let name = Ident::new(name).expect("our own names are names");
    match exec::batch(&mut connection, "create the database", &sql!("create database ", name)).await {
        Err(error) if error.sqlstate() == Some("42P04") => Ok(()),
        made => Ok(made?),
    }
}

/// Ends the command when a person asked for that.
pub(crate) fn interrupted(context: &Context) -> Result<(), Failure> {
    if context.interrupt.requested() { Err(migrate::Error::Interrupted.into()) } else { Ok(()) }
}
