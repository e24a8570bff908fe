//! The test bed itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::support::{Reaper, TestDb};

#[tokio::test]
async fn each_test_has_a_database_and_a_prefix_of_its_own() {
    let (one, two) = (TestDb::new().await, TestDb::new().await);
    assert_ne!(one.name(), two.name());
    assert_ne!(one.prefix(), two.prefix());
    assert_eq!(one.texts("select pg_catalog.current_database()::text").await, [one.name()]);
    assert_eq!(one.texts("select null::text").await, ["null"]);
    assert!(one.prefix().len() <= 8 && one.prefix().ends_with('_'));
}

#[tokio::test]
async fn passwords_are_really_asked_for() {
    let db = TestDb::new().await;
    let role = format!("{}app", db.prefix());
    db.run(&format!("create role {role} login password 'right'")).await;
    assert!(db.connect_as(&role, "right").await.is_ok());
    let refused = db.connect_as(&role, "wrong").await.expect_err("a wrong password");
    assert_eq!(refused.as_database_error().and_then(|e| e.code()).as_deref(), Some("28P01"));
}

#[tokio::test]
async fn an_administrator_without_superuser_makes_roles_and_schemas_only() {
    let db = TestDb::new().await;
    let mut admin = PgConnection::connect(&db.createrole_admin().await).await.expect("it can log in");
    let facts = "select concat_ws(' ', rolsuper, rolcreaterole, pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create'),
        (select datdba = r.oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
        from pg_catalog.pg_roles r where rolname = current_user";
    let told: String = sqlx::query_scalar(facts).fetch_one(&mut admin).await.expect("a select works");
    assert_eq!(told, "f t t f");
}

#[tokio::test]
async fn an_owning_administrator_owns_the_database() {
    let db = TestDb::new().await;
    let mut admin = PgConnection::connect(&db.owning_admin().await).await.expect("it can log in");
    let told: String = sqlx::query_scalar("select pg_catalog.pg_get_userbyid(datdba)::text from pg_catalog.pg_database where datname = pg_catalog.current_database()")
        .fetch_one(&mut admin)
        .await
        .expect("a select works");
    assert_eq!(told, format!("{}admin", db.prefix()));
}

#[tokio::test]
async fn the_log_holds_every_statement_of_a_test_that_asks_for_it() {
    let db = TestDb::new().await;
    db.log_statements().await;
    let mut connection = db.connect().await;
    let mark = format!("{}mark", db.prefix());
    sqlx::query("select $1::text").bind(&mark).execute(&mut connection).await.expect("a select works");
    let failed = db.connect_as(&format!("{}nobody", db.prefix()), "x").await;
    assert!(failed.is_err());
    let log = db.log().await;
    assert!(log.contains(&mark), "a bound value shows");
    assert!(log.contains(&format!("{}nobody", db.prefix())), "a login that fails shows");
    assert!(!log.contains(&format!("{}never said", db.prefix())));
}

#[tokio::test]
async fn a_dropped_database_takes_its_roles_along() {
    let other = TestDb::new().await;
    let db = TestDb::new().await;
    let (name, prefix) = (db.name().to_owned(), db.prefix().to_owned());
    let admin = db.createrole_admin().await;
    let mut admin = PgConnection::connect(&admin).await.expect("it can log in");
    let made = format!("create role {prefix}owner; create role {prefix}reader; grant {prefix}reader to {prefix}owner");
    sqlx::raw_sql(sqlx::AssertSqlSafe(made)).execute(&mut admin).await.expect("it may make roles");
    drop(db);
    let left = format!(
        "select rolname::text from pg_catalog.pg_roles where pg_catalog.starts_with(rolname, '{prefix}')
         union all select datname::text from pg_catalog.pg_database where datname = '{name}'"
    );
    for _ in 0..400 {
        if other.texts(&left).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("left behind: {:?}", other.texts(&left).await);
}

#[tokio::test]
async fn the_server_is_one_of_the_supported_majors() {
    let db = TestDb::new().await;
    assert!((15..=18).contains(&db.major()), "{}", db.major());
    if let Some(asked) = std::env::var("PGCLEAVE_TEST_SERVER").ok().and_then(|major| major.parse::<u32>().ok()) {
        assert_eq!(db.major(), asked);
    }
    let settings = "select pg_catalog.current_setting('wal_level')";
    if std::env::var_os("PGCLEAVE_TEST_DATABASE_URL").is_none() {
        assert_eq!(db.texts(settings).await, ["logical"]);
    }
}

#[test]
fn a_killed_run_leaves_nothing_behind() {
    const FOLDER: &str = "PGCLEAVE_TEST_BED_FOLDER";
    if let Ok(folder) = std::env::var(FOLDER) {
        hold_until_killed(&folder);
    }
    let folder = tempfile::tempdir().expect("there is room for a folder");
    // The test itself, as the run that will be killed.
    let mut run = Command::new(std::env::current_exe().expect("a process has a program"))
        .args(["--exact", "bed::a_killed_run_leaves_nothing_behind"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tests' own program can be run");
    let mut told = BufReader::new(run.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
    assert!(told.any(|line| line == "held"), "it got to hold the folder");
    assert!(folder.path().exists(), "nothing is removed while it lives");
    run.kill().and_then(|()| run.wait()).expect("it can be killed");
    for _ in 0..400 {
        if !folder.path().exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{} is still there", folder.path().display());
}

fn hold_until_killed(folder: &str) -> ! {
    let _reaper = Reaper::start("rm -rf \"$1\"", &[folder]).expect("there is a shell");
    let _ = std::io::stderr().write_all(b"held\n");
    std::thread::sleep(Duration::from_secs(60));
    panic!("nobody has killed this process");
}
