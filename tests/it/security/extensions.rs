//! CREATE EXTENSION runs its script as the administrator: only where nobody else can put objects in its way.

use std::process::Command;

use pgcleave::archive::import as importing;
use pgcleave::error::Coded as _;
use pgcleave::interrupt::Interrupt;
use pgcleave::pg::connect::Target;

use super::import::Archive;
use crate::support::{Project, TestDb};

/// Ways to CREATE in schema `extensions`, each with what ends it; `@` is the role prefix, `#` the administrator.
const WAYS: [(&str, &str, &str); 5] = [
    (
        "grant create on schema extensions to @stranger",
        "revoke create on schema extensions from @stranger",
        "@stranger",
    ),
    (
        "grant create on schema extensions to @makers; grant @makers to @stranger",
        "revoke create on schema extensions from @makers",
        "@makers",
    ),
    ("grant create on schema extensions to public", "revoke create on schema extensions from public", "PUBLIC"),
    ("alter schema extensions owner to @stranger", "alter schema extensions owner to #", "@stranger"),
    (
        "alter schema extensions owner to @makers; grant @makers to @stranger",
        "alter schema extensions owner to #",
        "@makers",
    ),
];

/// A project of a service that wants an extension, and of one that wants none.
async fn project(db: &TestDb, managed: bool) -> (Project, String) {
    let mut project = Project::new(db);
    let mut admin = db.texts("select quote_ident(current_user)").await.remove(0);
    if managed {
        project.connect_as(db.owning_admin().await);
        admin = format!("{}admin", db.prefix());
    }
    project.manifest("plain", "migrations: ../migrations/plain\n");
    project.write("migrations/plain/V1__a.sql", "create table a (id int)");
    project.manifest("texts", "extensions: [citext]\nmigrations: ../migrations/texts\n");
    project.write("migrations/texts/V1__a.sql", "create table a (id citext)");
    (project, admin)
}

#[tokio::test]
async fn an_extension_does_not_go_where_a_stranger_may_create_and_fails_its_service_alone() {
    for managed in [false, true] {
        for (open, close, who) in WAYS {
            let db = TestDb::new().await;
            let (project, admin) = project(&db, managed).await;
            let filled = |text: &str| text.replace('@', db.prefix()).replace('#', &admin);
            let prepare = "create role @stranger; create role @makers; create schema extensions authorization #";
            db.run(&filled(&format!("{prepare}; {open}"))).await;
            let (why, fix) = (format!("{} may create objects", filled(who)), filled(close));
            let plan = project.run(&["plan"]).exits(0);
            assert!(plan.stdout.contains(&why) && plan.stdout.contains(&fix), "{open}: {}", plan.stdout);
            let applied = project.run(&["apply", "--allow", "revoke,close-database"]).exits(1);
            let said = format!("{}{}", applied.stdout, applied.stderr);
            assert!(said.contains(&why) && said.contains(&fix), "{open}: {said}");
            let made = "select coalesce(to_regclass(s || '.a')::text, 'none') from unnest(array['plain', 'texts']) s
                union all select extname::text from pg_extension where extname = 'citext'";
            assert_eq!(db.texts(made).await, ["plain.a", "none"], "{open}");
            db.run(&fix).await;
            project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
            assert_eq!(db.texts(made).await, ["plain.a", "texts.a", "citext"], "{open}");
            project.expect_no_changes();
        }
    }
}

#[tokio::test]
async fn default_privileges_of_the_administrator_open_no_new_schema_to_a_stranger() {
    for managed in [false, true] {
        let db = TestDb::new().await;
        let (project, admin) = project(&db, managed).await;
        db.run(&format!(
            "create role {0}stranger; alter default privileges for role {admin} grant create on schemas to {0}stranger",
            db.prefix()
        ))
        .await;
        let applied = project.run(&["apply", "--allow", "revoke,close-database"]).exits(1);
        let said = format!("{}{}", applied.stdout, applied.stderr);
        let fix = format!("revoke create on schema extensions from {}stranger", db.prefix());
        assert!(said.contains(&fix), "{said}");
        db.run(&fix).await;
        project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    }
}

#[tokio::test]
async fn roles_that_may_become_the_administrator_are_no_strangers() {
    let db = TestDb::new().await;
    let (project, _) = project(&db, false).await;
    db.run(&format!(
        "create role {0}helper; create schema extensions; do $$ begin execute format('grant %I to {0}helper', current_user); end $$",
        db.prefix()
    ))
    .await;
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
}

#[tokio::test]
async fn the_schema_of_a_required_extension_counts() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    let (p, t) = (source.prefix(), copy.prefix());
    source
        .run(&format!(
            "create role {p}o; create schema geo authorization {p}o; create schema ext; create schema ext2;
             create extension cube schema ext; create extension earthdistance schema ext2;
             grant usage on schema ext, ext2 to public; set role {p}o;
             create table geo.t (v ext2.earth)"
        ))
        .await;
    let archive = Archive::of(&source, "geo").await;
    copy.run(&format!(
        "create role {t}stranger; create schema ext; create schema ext2; create extension cube schema ext;
         grant create on schema ext to {t}stranger; grant usage on schema ext, ext2 to public"
    ))
    .await;
    let (mut project, wants) = (Project::new(&copy), "extensions: [earthdistance]\n");
    project.connect_as(copy.url());
    project.manifest("geography", wants);
    let applied = project.run(&["apply", "--allow", "revoke,close-database,untrusted-extension"]).exits(1);
    let said = format!("{}{}", applied.stdout, applied.stderr);
    let fix = format!("revoke create on schema ext from {t}stranger");
    assert!(said.contains("of extension cube, which it requires") && said.contains(&fix), "{said}");

    let to = Target::parse(&copy.url().into()).expect("a connection string");
    let options = importing::Options {
        jobs: 1,
        max_bytes_per_second: None,
        allow: vec![importing::Allow::SuperuserObjects],
        interrupt: Interrupt::default(),
    };
    let error = importing::import(&archive.path().into(), &to, &options, &|_| {}).await.expect_err("a stranger may");
    assert!(error.code() == "extension-schema" && error.to_string().contains(&fix), "{error}");
    assert_eq!(copy.texts("select count(*)::text from pg_namespace where nspname = 'geo'").await, ["0"], "undone");
    copy.run(&fix).await;
    importing::import(&archive.path().into(), &to, &options, &|_| {}).await.expect("an import");
}

#[tokio::test]
async fn restore_sh_creates_no_extension_where_a_stranger_may_create() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    let (p, t) = (source.prefix(), copy.prefix());
    source
        .run(&format!(
            "create role {p}o; create schema shop authorization {p}o; create schema ext; create extension citext schema ext;
             grant usage on schema ext to public; set role {p}o; create table shop.t (v ext.citext)"
        ))
        .await;
    let archive = Archive::of(&source, "shop").await;
    copy.run(&format!(
        "create role {t}restorer login password 'restorer'; create role {t}stranger; create schema ext;
         grant create on schema ext to {t}stranger; grant usage on schema ext to public;
         do $$ begin execute format('alter database %I set pgcleave.administrator = {t}stranger', current_database()); end $$"
    ))
    .await;
    let restore = || {
        let mut command = Command::new("sh");
        command.arg(archive.path().join("restore.sh")).env("ADMIN_URL", copy.url());
        command.env("OWNER_URL", copy.url_as(&format!("{t}restorer"), "restorer")).output().expect("sh starts")
    };
    let (refused, extension) = (restore(), "select count(*)::text from pg_extension where extname = 'citext'");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    let fix = format!("revoke create on schema ext from {t}stranger");
    assert!(!refused.status.success() && said.contains(&fix), "{said}");
    assert_eq!(copy.texts(extension).await, ["0"]);
    copy.run(&fix).await;
    let restored = restore();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert_eq!(copy.texts(extension).await, ["1"]);
}
