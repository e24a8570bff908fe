//! The service's memberships on the target, as its manifest wants them.
//!
//! A server before 16 lets every member SET ROLE, and says nothing of it: what comes from there would be more than the
//! manifest gives.

use sqlx::postgres::PgConnection;

use super::error::Error;
use super::{Between, ends::Ends};
use crate::ident::Ident;
use crate::manifest::service::{Project, Service};
use crate::model::naming::{Access, Naming, Slot};
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;

/// Takes SET from the memberships that are to be used by inheritance; a server before 16 has none to take.
pub(super) async fn settle(ends: &mut Ends, between: &Between, project: Option<&Project>) -> Result<(), Error> {
    let Some(project) = project else { return Ok(()) };
    let Some(service) = project.services.get(between.service.as_str()) else { return Ok(()) };
    let (members, roles) = inheriting(&project.naming, service);
    let found = too_much(&mut ends.target, &members, &roles).await?;
    for (role, member, grantor) in found {
        let [role, member, grantor] = [role, member, grantor].map(|name| Ident::from_server(&name));
        let revoke = sql!("revoke set option for ", role, " from ", member, " granted by ", grantor, " cascade");
        exec::batch(&mut ends.target, "settle the service's memberships", &revoke).await?;
    }
    Ok(())
}

/// Gives the members that inherit and need no SET, and the roles that they are in: only who logs in as the owner becomes it.
fn inheriting(naming: &Naming, service: &Service) -> (Vec<Ident>, Vec<Ident>) {
    let name = service.name.as_str();
    let access: Vec<Ident> = [naming.writer(name), naming.reader(name)].into_iter().flatten().collect();
    let inherits = service.credentials.iter().filter(|(_, credential)| credential.access != Access::Owner);
    let logins = inherits.flat_map(|(c, _)| Slot::BOTH.map(|slot| naming.login(name, c, slot).ok())).flatten();
    let members = access.iter().cloned().chain(naming.owner(name)).chain(logins).collect();
    let groups = [naming.connect_group(), naming.temporary_group()].into_iter().flatten();
    (members, access.into_iter().chain(groups).collect())
}

async fn too_much(
    target: &mut PgConnection,
    members: &[Ident],
    roles: &[Ident],
) -> Result<Vec<(String, String, String)>, PgError> {
    let names = |all: &[Ident]| all.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    sqlx::query_as(
        "select r.rolname::pg_catalog.text, m.rolname::pg_catalog.text, g.rolname::pg_catalog.text \
         from pg_catalog.pg_auth_members a join pg_catalog.pg_roles r on r.oid = a.roleid \
         join pg_catalog.pg_roles m on m.oid = a.member join pg_catalog.pg_roles g on g.oid = a.grantor \
         where m.rolname = any ($1) and r.rolname = any ($2) \
           and (pg_catalog.to_jsonb(a) ->> 'set_option')::pg_catalog.bool \
         order by 1, 2, 3",
    )
    .bind(names(members))
    .bind(names(roles))
    .fetch_all(target)
    .await
    .map_err(|e| PgError::new("look at the service's memberships", &e))
}
