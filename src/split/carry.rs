//! What pgcleave knows of the service, and what its logins have got since the copy: it comes along, so that nobody needs a
//! new password.

use super::Between;
use super::copy;
use super::ends::{self, Ends};
use super::error::Error;
use super::state::Split;
use crate::credentials::issue::Issuer;
use crate::credentials::relocate;
use crate::credentials::secret::Place;
use crate::credentials::sink::Sink;
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::manifest::service::Project;
use crate::pg::error::Error as PgError;
use crate::pg::session::{self, SessionKind};
use crate::registry::{credential, moved, owner};
use crate::transfer::logins;

/// Gives the target the logins as they are on the source now: those that are new, and passwords that were rotated.
pub(super) async fn logins(ends: &mut Ends, between: &Between, split: &mut Split) -> Result<(), Error> {
    // On one server they are the same.
    if ends::identity(&mut ends.source).await?.system == ends::identity(&mut ends.target).await?.system {
        return Ok(());
    }
    let ours = logins::of_service(&mut ends.source, &between.schema, &between.service).await?;
    let others: Vec<_> = ours.keys().filter(|login| !split.made_roles.contains(login)).cloned().collect();
    let mut taken = logins::taken(&ours, &logins::named(&mut ends.target, &others).await?);
    taken.retain(|login| others.contains(login));
    if !taken.is_empty() {
        let told = |login: &Ident| {
            let name = login.as_str();
            format!(
                "the target has a login {name} that the split has not made, with another password: give it the source's, or drop it there"
            )
        };
        return Err(Error::Blocked { service: between.service.clone(), blockers: taken.iter().map(told).collect() });
    }
    let (new, _) = copy::missing(ends, between, &[]).await?;
    if !new.is_empty() {
        split.made_roles.extend(new);
        ends.write(split).await?;
    }
    let around = copy::read(&mut ends.source, between, &[]).await?;
    for script in [&around.roles, &around.logins, &around.grants] {
        copy::run(&mut ends.target, script).await?;
    }
    Ok(session::pin(&mut ends.target, SessionKind::Loading { owner: None, search_path: &[] }).await?)
}

/// Gives the target's registry what the source's knows of the service: its credentials, and its applied migrations.
pub(super) async fn registry(ends: &mut Ends, split: &Split) -> Result<(), Error> {
    Ok(moved::carry(&mut ends.source, &mut ends.target, &split.service, &split.schema).await?)
}

/// Lets the administrator of the source's registry look after the target, too, where another login has made the split.
pub(super) async fn administrator(ends: &mut Ends, listener: Listener<'_>) -> Result<(), Error> {
    let Some((owner, false)) = owner::owner(&mut ends.source).await? else { return Ok(()) };
    // A registry that another administrator already had there stays that one's.
    let Some((there, true)) = owner::owner(&mut ends.target).await? else { return Ok(()) };
    if there == owner {
        return Ok(());
    }
    let able: (bool, bool) = sqlx::query_as(
        "select (select rolsuper from pg_catalog.pg_roles where rolname = current_user), \
           exists (select from pg_catalog.pg_roles where rolname = $1 and rolcreaterole)",
    )
    .bind(owner.as_str())
    .fetch_one(&mut ends.target)
    .await
    .map_err(|e| PgError::new("look for the registry's administrator", &e))?;
    if able == (true, true) {
        return Ok(owner::give(&mut ends.target, &owner).await?);
    }
    let statements = owner::statements(&mut ends.target, &owner).await?;
    let statements: Vec<_> = statements.iter().map(|statement| format!("\n  {};", statement.as_str())).collect();
    listener(Event::Note {
        message: format!(
            "the registry of the target belongs to {there}. For {owner}, who looks after the shared database, to look after the \
             target, too, make it a role with CREATEROLE there and run as a superuser:{}",
            statements.concat(),
            there = there.as_str(),
            owner = owner.as_str()
        ),
    });
    Ok(())
}

/// Publishes the service's secrets once more, with the same passwords and the new place.
pub(super) async fn secrets(
    ends: &mut Ends,
    between: &Between,
    project: &Project,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let rows = credential::all(&mut ends.target).await?;
    let rows: Vec<_> = rows.into_iter().filter(|row| row.service.as_str() == between.service).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let sink = Sink::new(&project.secrets, &project.root, &project.naming);
    let label = sink.label();
    if !sink.is_readable() {
        let message = format!(
            "{label} takes secrets and does not give them back: enter {} there as the new place, with the passwords as they are",
            ends::label(&between.target)
        );
        listener(Event::Note { message });
        return Ok(());
    }
    let issuer = Issuer {
        sink,
        place: Place::of(&between.target, project.client_sslrootcert.as_deref()),
        naming: project.naming.clone(),
    };
    let published = relocate::relocate(&issuer, &rows, listener).await?;
    if !published.is_empty() {
        let (all, place) = (published.join(", "), ends::label(&between.target));
        listener(Event::Note { message: format!("{label} has {place} as the new place of {all}; no password is new") });
    }
    Ok(())
}
