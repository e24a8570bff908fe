//! First passwords: verifiers that log in, and crashes that heal.

use std::path::PathBuf;

use pgcleave::credentials::issue::{self, Declared};
use pgcleave::manifest::service::SecretSink;
use pgcleave::model::naming::Slot;
use pgcleave::pg::password;
use pgcleave::registry::credential;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::Connection as _;

use super::shop::{Shop, ident, quiet};
use crate::support::TestDb;

#[tokio::test]
async fn a_verifier_made_here_lets_the_password_in_and_no_other() {
    let db = TestDb::new().await;
    let role = format!("{}app", db.prefix());
    // non-ASCII spaces, a ligature, a soft hyphen and a full-width letter: SASLprep changes each of them
    for text in ["plain", "it's \\ \"odd\" $x", "no\u{a0}break", "\u{fb01}sh", "so\u{ad}ft", "\u{ff21}bc", "größe 漢"]
    {
        let verifier = password::verifier(&SecretString::from(text));
        let verifier = verifier.expose_secret();
        db.run(&format!("drop role if exists {role}; create role {role} login password '{verifier}'")).await;
        assert!(db.connect_as(&role, text).await.is_ok(), "{text:?}");
        assert!(db.connect_as(&role, &format!("{text}x")).await.is_err(), "{text:?}");
    }
    let stored = db.texts(&format!("select rolpassword from pg_catalog.pg_authid where rolname = '{role}'")).await;
    assert!(stored[0].starts_with("SCRAM-SHA-256$4096:"), "{stored:?}");
}

#[tokio::test]
async fn apply_issues_each_credential_once_and_publishes_what_logs_in() {
    let shop = Shop::new().await;
    let before = shop.secret("orders", "app").await;
    assert_eq!(before.role.as_str(), shop.login("orders", "app", Slot::A));
    assert!(shop.connect(&before).await.is_ok());
    assert_eq!(shop.phase("orders", "app").await, "steady a");
    shop.apply().await;
    let after = shop.secret("orders", "app").await;
    assert_eq!(before.password.expose_secret(), after.password.expose_secret(), "a second apply changes nothing");
}

#[tokio::test]
async fn a_crash_before_the_commit_heals_on_the_next_run() {
    let shop = Shop::new().await;
    shop.db.run("delete from pgcleave.credential where service = 'orders' and name = 'app'").await;
    let mut connection = shop.admin().await;
    let declared: [Declared; 1] = [shop.declared("orders", "app")];
    let mut transaction = connection.begin().await.expect("it begins");
    let issued = issue::issue(&mut transaction, &shop.issuer(), &declared, &quiet).await.expect("it issues");
    assert_eq!(issued[0].login.as_str(), shop.login("orders", "app", Slot::A));
    transaction.rollback().await.expect("as a kill would");
    let lost = shop.secret("orders", "app").await;
    assert!(shop.connect(&lost).await.is_err(), "the server never learnt of it");
    assert_eq!(shop.phase("orders", "app").await, "");
    let mut transaction = connection.begin().await.expect("it begins");
    issue::issue(&mut transaction, &shop.issuer(), &declared, &quiet).await.expect("it issues again");
    transaction.commit().await.expect("it commits");
    assert!(shop.connect(&shop.secret("orders", "app").await).await.is_ok());
    assert_eq!(shop.phase("orders", "app").await, "steady a");
}

#[tokio::test]
async fn a_sink_that_refuses_leaves_nothing_behind() {
    let mut shop = Shop::new().await;
    shop.db.run("delete from pgcleave.credential where service = 'orders' and name = 'app'").await;
    shop.project.secrets = SecretSink::Command(vec!["false".to_owned()]);
    let mut connection = shop.admin().await;
    let mut transaction = connection.begin().await.expect("it begins");
    let declared = [shop.declared("orders", "app")];
    let error = issue::issue(&mut transaction, &shop.issuer(), &declared, &quiet).await.expect_err("refused");
    assert!(error.to_string().contains("exit status: 1"), "{error}");
    transaction.rollback().await.expect("it rolls back");
    shop.project.secrets = SecretSink::Directory(PathBuf::from("secrets"));
    assert!(shop.connect(&shop.secret("orders", "app").await).await.is_ok(), "the old one is still good");
}

#[tokio::test]
async fn a_secret_that_is_missing_is_told_of_and_never_replaced() {
    let shop = Shop::new().await;
    let file = shop.secrets_folder().join(format!("{}orders_app.env", shop.db.prefix()));
    std::fs::remove_file(&file).expect("it was there");
    let rows = credential::all(&mut shop.admin().await).await.expect("readable");
    let missing = issue::missing_from_sink(&shop.sink(), &rows).await.expect("readable");
    assert_eq!(missing, [(ident("orders"), "app".to_owned())]);
    shop.apply().await;
    assert!(!file.exists());
}

#[tokio::test]
async fn libpq_logs_in_with_the_published_file() {
    let shop = Shop::new().await;
    let file = shop.secrets_folder().join(format!("{}orders_app.env", shop.db.prefix()));
    let script =
        "set -a; . \"$0\"; psql -XAtc 'select current_user' && psql -XAtc 'select current_user' \"$DATABASE_URL\"";
    let said = std::process::Command::new("sh").args(["-c", script]).arg(file).output().expect("a shell");
    let login = shop.login("orders", "app", Slot::A);
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert_eq!(out, format!("{login}\n{login}\n"), "{err}");
}
