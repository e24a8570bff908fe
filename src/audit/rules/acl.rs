//! Goes through access lists and tells each entry that is open to a foreign principal.

use crate::audit::facts::acl::Entry;
use crate::audit::facts::object::{Object, Securable};
use crate::audit::finding::Severity;
use crate::audit::remedy::Takes;
use crate::audit::scene::{Reacher, Scene};
use crate::model::acl::AclKind;
use crate::model::privilege::Privileges;

use super::Draft;

/// One entry of an access list that a foreign principal can use.
pub(super) struct Hit<'s> {
    pub(super) securable: &'s Securable,
    pub(super) entry: &'s Entry,
    /// Who; nothing for everybody at once.
    pub(super) reacher: Option<Reacher>,
    /// What of the entry no contract declares.
    pub(super) privileges: Privileges,
}

/// Finds what PUBLIC, and what roles were granted; `want` chooses the objects.
pub(super) fn sweep(scene: &Scene<'_>, want: impl Fn(&Securable) -> bool, mut tell: impl FnMut(Hit<'_>)) {
    for securable in scene.facts.securables().filter(|s| want(s)) {
        let entries = scene.facts.acls[securable.acl].entries.iter();
        if !entries.into_iter().any(|e| is_suspect(scene, &securable, e))
            || scene.facts.is_extension_member(securable.object)
        {
            continue;
        }
        for entry in &scene.facts.acls[securable.acl].entries {
            if !is_suspect(scene, &securable, entry) {
                continue;
            }
            for reacher in openings(scene, &securable, entry) {
                let declared = reacher.as_ref().map(|r| scene.declared(r.principal, securable.object));
                let privileges = entry.privileges.without(declared.unwrap_or_default());
                if !privileges.is_empty() {
                    tell(Hit { securable: &securable, entry, reacher, privileges });
                }
            }
        }
    }
}

/// Tells whether an entry can matter at all: it is not the service's own, a superuser's, or a leftover.
pub(super) fn is_suspect(scene: &Scene<'_>, securable: &Securable, entry: &Entry) -> bool {
    let service = scene.service_of(securable.object);
    let Some(grantee) = entry.grantee else { return true };
    let role = scene.role(grantee);
    let owner = grantee == securable.owner && service.is_some();
    let own = service.is_some() && scene.map.of_role(grantee) == service && !scene.is_global(securable.object);
    // the groups hold CONNECT, and USAGE of extensions' schemas; what a service has in theirs is told
    let of_group = scene.map.is_own_group(grantee) && service.is_none() && securable.kind == AclKind::Schema;
    let nobodys = role.superuser || role.dangling || role.is_bootstrap() || of_group;
    !(nobodys || owner || own)
}

/// Gives the foreign principals that can use an entry.
pub(super) fn openings(scene: &Scene<'_>, securable: &Securable, entry: &Entry) -> Vec<Option<Reacher>> {
    match entry.grantee {
        None => scene.public_reachers(securable.object, securable.schema),
        Some(grantee) => {
            let mut reachers = scene.reachers(grantee, securable.schema);
            reachers.retain(|r| scene.is_foreign(r.principal, securable.object));
            reachers.into_iter().map(Some).collect()
        }
    }
}

impl Hit<'_> {
    /// Tells whether everybody holds it.
    pub(super) fn is_public(&self) -> bool {
        self.entry.grantee.is_none()
    }

    /// Makes the finding; `privileges` are those to tell.
    pub(super) fn draft(&self, scene: &Scene<'_>, privileges: Privileges) -> Draft {
        let mut draft = Draft::new(scene, self.reacher.as_ref(), self.securable.object);
        if self.is_public() && self.reacher.is_some() {
            draft.path = draft.path.then("public", "PUBLIC");
        }
        draft.path = draft.path.using(privileges, &draft.object);
        draft.message = self.message(scene, privileges, &draft);
        draft.fix = revoke(scene, self.securable, self.entry, privileges);
        draft.takes = taken(self.securable, self.entry, privileges);
        if draft.service.is_none() && !scene.is_global(self.securable.object) {
            draft.severity = Some(Severity::Warning);
        }
        draft
    }

    fn message(&self, scene: &Scene<'_>, privileges: Privileges, draft: &Draft) -> String {
        let who = scene.who(self.reacher.as_ref());
        let whose = match scene.service_name(draft.service) {
            Some(service) => format!(" of service {service}"),
            None => String::new(),
        };
        format!("{who} has {privileges} on {}{whose}{}", draft.object, scene.undeclared())
    }
}

/// Says from whom the REVOKE of an entry takes access.
pub(super) fn taken(securable: &Securable, entry: &Entry, privileges: Privileges) -> Takes {
    match entry.grantee {
        Some(role) => Takes::Holder(role),
        None => Takes::Public { acl: securable.acl, kind: securable.kind, privileges },
    }
}

/// Gives the REVOKE that takes an entry away; one that another role granted must be taken back as that role.
pub(super) fn revoke(scene: &Scene<'_>, securable: &Securable, entry: &Entry, privileges: Privileges) -> String {
    let facts = scene.facts;
    let words: Vec<_> = privileges.iter().map(|p| p.keyword()).collect();
    let words = match securable.object {
        Object::Column(at) => {
            let column = crate::audit::name::shown(&facts.columns[at as usize].name);
            words.iter().map(|w| format!("{w} ({column})")).collect::<Vec<_>>().join(", ")
        }
        Object::SystemGrant(at) if securable.kind == AclKind::Column => {
            let column = facts.system_grants[at as usize].column.clone().unwrap_or_default();
            words.iter().map(|w| format!("{w} ({column})")).collect::<Vec<_>>().join(", ")
        }
        _ => words.join(", "),
    };
    let from = entry.grantee.map_or_else(|| "public".to_owned(), |g| scene.name(g));
    let sql = format!("revoke {words} on {} from {from};", facts.sql_name(securable.object));
    if entry.grantor == securable.owner || scene.role(entry.grantor).dangling {
        return sql;
    }
    format!(
        "set role {grantor}; {sql} reset role; -- only its grantor can take it back",
        grantor = scene.name(entry.grantor)
    )
}
