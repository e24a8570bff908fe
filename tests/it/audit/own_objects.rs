//! What pgcleave, and what an extension, has made for itself is nobody's finding.

use serde_json::Value;

use super::findings;
use crate::support::{Project, TestDb, answer};

/// Applies two services, one of which consumes from the other, under the test's own role prefix.
fn applied(db: &TestDb) -> Project {
    let project = Project::new(db);
    let p = db.prefix();
    let credentials = "credentials: { app: { access: write, connection_limit: 2 } }\n";
    project.manifest("orders", &format!("schema: {p}orders\n{credentials}consumes: [billing.totals]\n"));
    project.manifest(
        "billing",
        &format!("schema: {p}billing\n{credentials}exposes: [{{ view: totals, to: [orders] }}]\n"),
    );
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    project
}

fn audited_without_manifests(db: &TestDb) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pgcleave"));
    command.current_dir(folder.path()).env("DATABASE_URL", db.url()).env("NO_COLOR", "1");
    let told = answer(command.args(["audit", "--fail-on", "never", "--format", "json"]).output().expect("it runs"));
    assert!(told.stderr.contains("the registry"), "{}", told.stderr);
    told.exits(0).json()
}

#[tokio::test]
async fn a_managed_database_is_known_without_its_manifests() {
    let db = TestDb::new().await;
    let _project = applied(&db);
    let p = db.prefix();
    // a run that was killed leaves its login
    db.run(&format!("create role {p}pgcleave_tmp_0000abcd_00000001 login; grant {p}billing_owner to {p}pgcleave_tmp_0000abcd_00000001"))
        .await;
    let told = audited_without_manifests(&db);
    let all = told["findings"].as_array().expect("a list");
    let text = |f: &Value, key: &str| f[key].as_str().unwrap_or_default().to_owned();
    let about = |f: &&Value| text(f, "principal").starts_with(p) || text(f, "object").contains(p);
    let own: Vec<_> = all.iter().filter(about).collect();
    let services: std::collections::BTreeSet<_> =
        all.iter().flat_map(|f| [text(f, "service"), text(f, "principal_service")]).collect();
    assert!(!services.contains("pgcleave"), "{services:?}");
    let named: Vec<_> = own.iter().filter(|f| text(f, "fix").contains("pgcleave_")).collect();
    assert!(named.is_empty(), "{named:#?}");
    // the contract's grant is there, and nothing else
    let loud: Vec<_> =
        own.iter().filter(|f| f["severity"] != "info").map(|f| text(f, "message").replace(p, "")).collect();
    let unknown = "has USAGE on schema billing of service billing; without the manifests it is not known whether a contract \
                   declares it";
    assert_eq!(loud, ["orders_app_a", "orders_reader"].map(|who| format!("{who} {unknown}")));
    assert_eq!(told["looked_at"]["services"], 2, "{}", told["looked_at"]);
}

#[tokio::test]
async fn what_an_extension_keeps_in_its_own_schema_is_the_extensions() {
    let db = TestDb::new().await;
    let p = db.prefix();
    db.run(&format!(
        "create role {p}iot_owner; create schema {p}iot authorization {p}iot_owner; create schema {p}_internal; \
         create extension citext schema public; alter extension citext add schema {p}_internal; \
         create table {p}iot.points (at timestamptz, v float8); alter table {p}iot.points owner to {p}iot_owner; \
         create function {p}_internal.blocker() returns trigger language plpgsql as 'begin return new; end'; \
         alter extension citext add function {p}_internal.blocker(); \
         create table {p}_internal.chunk () inherits ({p}iot.points); alter table {p}_internal.chunk owner to {p}iot_owner; \
         create trigger block before insert on {p}iot.points for each row execute function {p}_internal.blocker()"
    ))
    .await;
    let mut connection = db.connect().await;
    let found = findings(&mut connection).await;
    let ours = found.iter().filter(|f| f.object.contains(p) && ["CPL02", "HYG01", "HYG02", "CPL14"].contains(&f.rule));
    let told: Vec<_> =
        ours.map(|f| format!("{} {}: {}", f.rule, f.object.replace(p, ""), f.fix.replace(p, ""))).collect();
    let wanted = "CPL14 iot -> extension citext in public: -- write extensions: [citext] in the manifest of iot: a move then \
                  asks for it first";
    assert_eq!(told, [wanted]);
}
