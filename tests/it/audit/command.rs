//! The commands themselves: exit codes, formats, the answer to why.

use std::process::{Command, Stdio};

use crate::support::{Answer, Project, TestDb, answer};

/// Runs the command line in a folder without manifests.
fn run(db: &TestDb, arguments: &[&str]) -> Answer {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgcleave"));
    command.current_dir(folder.path()).env("DATABASE_URL", db.url()).env("NO_COLOR", "1").stdin(Stdio::null());
    answer(command.args(arguments).output().expect("the binary runs"))
}

/// Makes two services, one of which may read a table of the other through a group.
async fn leak(db: &TestDb) {
    let p = db.prefix();
    db.run(&format!(
        "create role {p}a_owner; create role {p}b_owner; create role {p}a_app login connection limit 5; create role {p}team; \
         create schema {p}a authorization {p}a_owner; create schema {p}b authorization {p}b_owner; \
         set role {p}b_owner; create table {p}b.t (x int); grant usage on schema {p}b to {p}team; \
         grant select on {p}b.t to {p}team; reset role; grant {p}team to {p}a_app"
    ))
    .await;
}

#[tokio::test]
async fn audit_ends_with_4_and_tells_the_path() {
    let db = TestDb::new().await;
    leak(&db).await;
    let p = db.prefix();
    let told = run(&db, &["audit", "--rule", "ACC01", "--format", "json"]).exits(4).json();
    assert_eq!(told["format"], "pgcleave.audit/1");
    let all = told["findings"].as_array().expect("a list");
    let finding = all.iter().find(|f| f["principal"] == format!("{p}a_app")).expect("the login is told");
    assert_eq!(finding["path"], format!("{p}a_app -inherit-> {p}team =SELECT=> {p}b.t"));
    // nothing says that the login does without: no manifests are here
    let fix = finding["fix"].as_str().expect("a fix");
    assert!(fix.starts_with(&format!("-- {p}a_app loses access by this")), "{fix}");
    assert!(fix.ends_with(&format!("\n-- revoke select on table {p}b.t from {p}team;")), "{fix}");
    assert_eq!(
        (&finding["fix_class"], &finding["fix_hits"]),
        (&"after".into(), &serde_json::json!([format!("{p}a_app")]))
    );
    run(&db, &["audit", "--rule", "ACC01", "--fail-on", "never"]).exits(0);
    run(&db, &["audit", "--rule", "ACC99"]).exits(2);
}

#[tokio::test]
async fn the_administrator_may_own_the_extensions_that_services_use() {
    let db = TestDb::new().await;
    db.createrole_admin().await;
    let p = db.prefix();
    db.run(&format!(
        "create role {p}b_owner; create schema {p}b authorization {p}b_owner; grant create on schema public to {p}admin; \
         set role {p}admin; create extension citext schema public; reset role; \
         create table {p}b.t (x public.citext); alter table {p}b.t owner to {p}b_owner"
    ))
    .await;
    let told = || run(&db, &["audit", "--rule", "OWN01", "--format", "json", "--fail-on", "never"]).exits(0).json();
    let severity = || {
        let all = told();
        let all = all["findings"].as_array().expect("a list").clone();
        let of_admin = all.iter().find(|f| f["principal"] == format!("{p}admin"));
        of_admin.expect("the owner is told")["severity"].clone()
    };
    assert_eq!(severity(), "info");
    db.run(&format!("alter role {p}admin nocreaterole")).await;
    assert_eq!(severity(), "error");
}

#[tokio::test]
async fn a_baseline_leaves_only_what_is_new() {
    let db = TestDb::new().await;
    leak(&db).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("baseline.json");
    let path = file.to_str().expect("a path in UTF-8");
    let rules = ["audit", "--rule", "ACC01"];
    let before = run(&db, &[&rules[..], &["--format", "json"]].concat()).exits(4);
    std::fs::write(&file, &before.stdout).expect("the file is written");
    let told = run(&db, &[&rules[..], &["--baseline", path, "--format", "json"]].concat()).exits(0).json();
    assert_eq!(told["findings"][0]["known"], true);
    db.run(&format!(
        "set role {p}b_owner; grant insert on {p}b.t to public; grant usage on schema {p}b to {p}a_app; \
         grant insert (x) on {p}b.t to {p}a_app; reset role; create role {p}z_app login; grant {p}team to {p}z_app",
        p = db.prefix()
    ))
    .await;
    run(&db, &[&rules[..], &["--baseline", path]].concat()).exits(4);
    std::fs::write(&file, "{}").expect("the file is written");
    run(&db, &[&rules[..], &["--baseline", path]].concat()).exits(2);
}

#[tokio::test]
async fn why_gives_the_path_or_says_that_there_is_none() {
    let db = TestDb::new().await;
    leak(&db).await;
    let p = db.prefix();
    let (role, object) = (format!("{p}a_app"), format!("{p}b.t"));
    let told = run(&db, &["why", &role, &object, "--format", "json"]).exits(0).json();
    assert_eq!(told["reachable"], true);
    assert_eq!(told["paths"][0]["text"], format!("{p}a_app -inherit-> {p}team =SELECT=> {p}b.t"));
    let none = run(&db, &["why", &role, &object, "delete"]).exits(0);
    assert!(none.stdout.contains("no path"), "{}", none.stdout);
    run(&db, &["why", &role, "no.such"]).exits(2);
    run(&db, &["why", &role, &object, "execute"]).exits(2);
}

#[tokio::test]
async fn what_could_not_be_read_is_told_by_the_exit_code() {
    let db = TestDb::new().await;
    let url = db.createrole_admin().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let audit = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgcleave"));
        command.current_dir(folder.path()).env("DATABASE_URL", &url).env("NO_COLOR", "1").stdin(Stdio::null());
        answer(command.arg("audit").args(arguments).output().expect("the binary runs"))
    };
    // HYG04 needs no more than the access lists; ATT06 would tell of passwords
    let told = audit(&["--rule", "ATT06", "--strict", "--format", "json"]).exits(1).json();
    assert!(told["not_readable"].as_array().is_some_and(|all| !all.is_empty()), "{told:#}");
    let told = audit(&["--rule", "ATT06"]).exits(0);
    assert!(told.stdout.contains("Not readable by this login"), "{}", told.stdout);
    audit(&["--rule", "ATT06", "--accept-unreadable"]).exits(0);
    audit(&["--rule", "HYG04", "--strict"]).exits(0);
}

#[tokio::test]
async fn why_sees_columns_and_definer_routines() {
    let db = TestDb::new().await;
    leak(&db).await;
    let p = db.prefix();
    db.run(&format!(
        "create role {p}c_app login; grant usage on schema {p}b to {p}c_app; \
         create function {p}b.peek() returns bigint language sql security definer set search_path = pg_catalog, pg_temp \
         as 'select count(*) from {p}b.t'; alter function {p}b.peek() owner to {p}b_owner; \
         revoke all on function {p}b.peek() from public"
    ))
    .await;
    let (role, object) = (format!("{p}c_app"), format!("{p}b.t"));
    let ask = || run(&db, &["why", &role, &object, "--format", "json"]).exits(0).json();
    assert_eq!(ask()["reachable"], false);
    db.run(&format!("grant execute on function {p}b.peek() to {p}c_app")).await;
    let path = format!("{p}c_app =EXECUTE=> {p}b.peek() -definer-> {p}b_owner =SELECT=> {p}b.t");
    assert_eq!(ask()["paths"][0]["text"], path);
    db.run(&format!("grant select (x) on {p}b.t to {p}c_app")).await;
    assert_eq!(ask()["paths"][0]["text"], format!("{p}c_app =SELECT=> {p}b.t.x"));
}

#[tokio::test]
async fn why_follows_rules_keys_triggers_and_foreign_tables() {
    let db = TestDb::new().await;
    leak(&db).await;
    let p = db.prefix();
    // a key, a rule and a trigger lead from one table of a to one of b, the last through a view and another table
    db.run(&format!(
        "create role {p}d_app login; grant usage on schema {p}b to {p}a_owner; \
         set role {p}b_owner; alter table {p}b.t add primary key (x); create table {p}b.log (x int); \
         create table {p}b.seen (x int); grant references on {p}b.t to {p}a_owner; \
         create function {p}b.note() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp \
         as $$ begin insert into {p}b.seen values (1); return new; end $$; grant insert, select on {p}b.log to {p}a_owner; \
         reset role; create schema if not exists {p}a authorization {p}a_owner; grant usage on schema {p}a to {p}d_app; \
         create table {p}a.target (x int primary key); alter table {p}a.target owner to {p}a_owner; \
         create table {p}a.front (x int); alter table {p}a.front owner to {p}a_owner; \
         create view {p}a.door as select * from {p}a.front; alter view {p}a.door owner to {p}a_owner; \
         alter table {p}b.t add constraint k foreign key (x) references {p}a.target on delete cascade; \
         create rule r as on insert to {p}a.front do also insert into {p}b.log values (1); \
         create trigger n after insert on {p}b.log for each row execute function {p}b.note(); \
         grant insert on {p}a.door to {p}d_app; grant delete on {p}a.target to {p}d_app"
    ))
    .await;
    let role = format!("{p}d_app");
    let ask = |object: &str, privilege: &str| {
        run(&db, &["why", &role, &format!("{p}{object}"), privilege, "--format", "json"]).exits(0).json()
    };
    let text = |told: &serde_json::Value| told["paths"][0]["text"].as_str().unwrap_or_default().replace(p, "");
    let key = ask("b.t", "delete");
    assert_eq!(text(&key), "d_app =DELETE=> a.target -foreign key, CASCADE-> k =DELETE=> b.t");
    let rule = ask("b.log", "insert");
    assert_eq!(
        text(&rule),
        "d_app =INSERT=> a.door -view owner-> a_owner =INSERT=> a.front -rule, as table owner-> a_owner =INSERT=> b.log"
    );
    assert_eq!(ask("b.log", "select")["reachable"], false, "the rule only inserts");
    let trigger = ask("b.seen", "insert");
    let end = "=INSERT=> b.log -trigger-> b.note() -definer-> b_owner =INSERT=> b.seen";
    assert!(text(&trigger).ends_with(end), "{trigger:#}");
    db.run(&format!(
        "alter table {p}a.front disable rule r; alter table {p}b.t drop constraint k; revoke delete on {p}a.target from {p}d_app"
    ))
    .await;
    for (object, privilege) in [("b.t", "delete"), ("b.log", "insert"), ("b.seen", "insert")] {
        assert_eq!(ask(object, privilege)["reachable"], false, "{object}");
    }
}

#[test]
fn every_rule_can_be_explained_without_a_database() {
    let told = Command::new(env!("CARGO_BIN_EXE_pgcleave")).args(["audit", "--list-rules"]).output().expect("it runs");
    let listed = String::from_utf8(told.stdout).expect("text");
    assert_eq!(listed.lines().count(), pgcleave::audit::rules::ALL.len());
    let told =
        Command::new(env!("CARGO_BIN_EXE_pgcleave")).args(["audit", "--explain", "mem02"]).output().expect("it runs");
    assert!(String::from_utf8(told.stdout).expect("text").contains("SET ROLE"));
}

#[tokio::test]
async fn what_apply_has_made_has_no_findings() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    let logins = "credentials:\n  app: { access: write, connection_limit: 5 }\n  migrator: { access: owner, connection_limit: 2 }\n";
    let p = db.prefix();
    project.manifest("orders", &format!("schema: {p}orders\n{logins}consumes: [billing.totals]\n"));
    project.manifest("billing", &format!("schema: {p}billing\n{logins}exposes: [{{ view: totals, to: [orders] }}]\n"));
    // other tests' logins on the same server make the closing of the database a hazard
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    db.run(&format!(
        "set role {p}billing_owner; create table {p}billing.t (x int); \
         create view {p}billing.totals with (security_barrier = true) as select count(*) from {p}billing.t; reset role"
    ))
    .await;
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let told = project.run(&["audit", "--format", "json", "--fail-on", "never"]).exits(0).json();
    let all = told["findings"].as_array().expect("a list");
    // the other databases of the test server are none of its business
    let wrong = |f: &&serde_json::Value| {
        f["severity"] != "info" && f["rule"] != "DB04" && f["principal"].as_str().is_some_and(|w| w.starts_with(p))
    };
    let wrong: Vec<_> = all.iter().filter(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(told["looked_at"]["services"] == 2, "{told:#}");
}
