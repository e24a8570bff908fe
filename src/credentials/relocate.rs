//! Publishes credentials for a database that has moved: the passwords stay as they are.

use super::Error;
use super::issue::Issuer;
use crate::event::{Event, Listener};
use crate::registry::credential::CredentialRow;

/// Publishes those of the credentials again that are published with another place; gives their names.
///
/// One whose secret is missing, or is not of its active login, is told of and left.
///
/// # Errors
/// The sink cannot be read back, or did not take a secret.
pub async fn relocate(issuer: &Issuer, rows: &[CredentialRow], listener: Listener<'_>) -> Result<Vec<String>, Error> {
    let mut secrets = Vec::new();
    for row in rows {
        let (service, name) = (row.service.as_str(), row.name.as_str());
        let secret = issuer.sink.read(service, name).await?;
        let active = issuer.naming.login(service, name, row.active)?;
        let Some(mut secret) = secret.filter(|secret| secret.role == active) else {
            let label = issuer.sink.label();
            let message = format!("{label} does not hold the secret of {service}/{name}: nothing is published of it");
            listener(Event::Warning { message });
            continue;
        };
        if secret.place != issuer.place {
            secret.place = issuer.place.clone();
            secrets.push(secret);
        }
    }
    // That the secret was for another place is no news here.
    issuer.sink.publish_all(&secrets, &|_| {}).await?;
    Ok(secrets.iter().map(|secret| format!("{}/{}", secret.service, secret.credential)).collect())
}
