//! INF: what one database cannot keep from anybody in it. Told once.

use super::{Draft, Rule, Sink};
use crate::audit::facts::object::Object;
use crate::audit::facts::role::RoleId;
use crate::audit::finding::Severity;
use crate::audit::path::Path;
use crate::audit::scene::Scene;

/// The catalogs and statistics are everybody's.
pub(super) static INF01: Rule = Rule {
    id: "INF01",
    title: "catalogs and statistics are open",
    severity: Severity::Info,
    explanation: "Every login reads in the catalogs the names, columns, comments, sources of functions and views, roles \
                  and their memberships, sizes and settings of all services, and in the statistics views who is \
                  connected, what is locked and how much each table is read and written. No REVOKE changes that without breaking clients; only a database of one's own does.",
    fix: "Keep nothing secret in names, comments, bodies and settings; split a service that must not be seen.",
    check: |scene, out| {
        let object = "names, columns, sources, roles, settings, sizes, sessions, locks and counters of every service";
        tell(scene, out, object, "reads the catalogs and statistics views", "nothing closes this within one database");
    },
};

/// Locks and channels are everybody's.
pub(super) static INF02: Rule = Rule {
    id: "INF02",
    title: "locks and channels are shared",
    severity: Severity::Info,
    explanation: "Advisory locks have one number space for the whole database, and NOTIFY channels have one name space: \
                  any login takes a lock that another service waits for, and sends or hears on any channel. Connections, \
                  transaction numbers and the disk are shared too.",
    fix: "Take lock numbers from a hash of the service's name, name channels after it, and trust no payload.",
    check: |scene, out| {
        let object = "advisory locks and NOTIFY channels of every service";
        tell(scene, out, object, "takes locks, sends and listens", "nothing closes this within one database");
    },
};

fn tell(scene: &Scene<'_>, out: &mut Sink<'_>, object: &str, by: &str, why: &str) {
    if scene.map.names.len() < 2 {
        return;
    }
    let mut draft = Draft::new(scene, None, Object::Role(RoleId(0)));
    draft.path = Path::from("PUBLIC").then(by, object);
    draft.object = object.to_owned();
    draft.service = None;
    draft.message = format!("every login {by}: {object}; {why}");
    draft.fix = "-- split the service that must not share this".to_owned();
    out.add(draft);
}
