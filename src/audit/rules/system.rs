//! SYS: what was granted on the server's own objects.

use super::acl::sweep;
use super::{Draft, Rule};
use crate::audit::facts::object::{Object, Securable};
use crate::audit::finding::Severity;
use crate::audit::scene::Scene;
use crate::model::acl::AclKind;

/// A system function was opened beyond its initial privileges.
pub(super) static SYS01: Rule = Rule {
    id: "SYS01",
    title: "grant on a system function",
    severity: Severity::Error,
    explanation: "Functions that read files, move write-ahead log or control the server are closed by initdb. Opened to \
                  a service, pg_read_binary_file alone reads every table's data file.",
    fix: "Revoke EXECUTE on the function.",
    check: |scene, out| {
        grants(scene, out, |s| {
            is_system(s) && s.kind == AclKind::Routine && !super::foreign_data::is_dblink_connect_u(scene, s.object)
        });
    },
};

/// A system catalog was opened beyond its initial privileges.
pub(super) static SYS02: Rule = Rule {
    id: "SYS02",
    title: "grant on a system catalog",
    severity: Severity::Error,
    explanation: "Catalogs such as pg_authid, pg_statistic and pg_largeobject hold passwords, samples of every table's \
                  values, and all large objects; a write to any of them rewrites the rules themselves.",
    fix: "Revoke the privilege on the catalog.",
    check: |scene, out| grants(scene, out, |s| is_system(s) && s.kind != AclKind::Routine),
};

/// A parameter was granted.
pub(super) static SYS03: Rule = Rule {
    id: "SYS03",
    title: "parameter granted",
    severity: Severity::Error,
    explanation: "SET on a superuser's parameter, such as session_replication_role, switches triggers and foreign keys \
                  off; ALTER SYSTEM rewrites the configuration for all.",
    fix: "Revoke the privilege on the parameter.",
    check: |scene, out| grants(scene, out, |s| s.kind == AclKind::Parameter),
};

/// A tablespace was granted.
pub(super) static SYS04: Rule = Rule {
    id: "SYS04",
    title: "tablespace granted",
    severity: Severity::Warning,
    explanation: "CREATE on a tablespace lets a service fill a disk that it shares with others. Its owner grants CREATE \
                  to anybody, changes what the planner believes of the disk, and drops the tablespace once it is empty.",
    fix: "Revoke CREATE on the tablespace; give the tablespace to an administrator.",
    check: |scene, out| {
        grants(scene, out, |s| s.kind == AclKind::Tablespace);
        owners_of_tablespaces(scene, out);
    },
};

fn owners_of_tablespaces(scene: &Scene<'_>, out: &mut super::Sink<'_>) {
    for (at, tablespace) in (0..).zip(&scene.facts.tablespaces) {
        for reacher in scene.reachers(tablespace.owner, None) {
            if scene.map.of_role(reacher.principal).is_none() {
                continue;
            }
            let mut draft = Draft::new(scene, Some(&reacher), Object::Tablespace(at));
            draft.service = None;
            draft.path = draft.path.using("owner", &draft.object);
            draft.message = format!("{} owns {}, which all share", scene.name(reacher.principal), draft.object);
            draft.fix = format!("alter {} owner to {};", draft.object, super::ownership::administrator(scene));
            draft.declared = false;
            out.add(draft);
        }
    }
}

fn is_system(securable: &Securable) -> bool {
    matches!(securable.object, Object::SystemGrant(_))
}

fn grants(scene: &Scene<'_>, out: &mut super::Sink<'_>, want: impl Fn(&Securable) -> bool) {
    sweep(
        scene,
        |s| want(s),
        |hit| {
            let mut draft = hit.draft(scene, hit.privileges);
            draft.message = draft.message.replace(scene.undeclared(), "");
            out.add(draft);
        },
    );
}
