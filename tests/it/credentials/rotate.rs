//! Rotation: nobody is cut off, and a crash in any phase leaves a published secret that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pgcleave::credentials::rotate::decide::Goal;
use pgcleave::credentials::rotate::{self, Options, Rotated};
use pgcleave::error::{Coded as _, Verdict};
use pgcleave::manifest::service::SecretSink;
use pgcleave::model::naming::Slot;
use pgcleave::registry::credential;
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, PgConnection};

use super::shop::{Shop, ident, quiet};

fn at_once() -> Options {
    Options { settle: Duration::ZERO, ..Options::default() }
}

async fn rotate(shop: &Shop, options: &Options) -> Rotated {
    shop.rotate_with("orders", "app", options).await.result.expect("it rotates")
}

async fn can_log_in(shop: &Shop, slot: Slot) -> bool {
    let login = shop.login("orders", "app", slot);
    let sql = format!("select rolcanlogin::text from pg_catalog.pg_roles where rolname = '{login}'");
    shop.db.texts(&sql).await == ["true"]
}

async fn works(connection: &mut PgConnection) -> bool {
    sqlx::query("select 1").execute(connection).await.is_ok()
}

#[tokio::test]
async fn an_unused_old_login_is_closed_at_once_and_has_no_password_left() {
    let shop = Shop::new().await;
    let before = shop.secret("orders", "app").await;
    let rotated = rotate(&shop, &at_once()).await;
    assert!(rotated.published && !rotated.old_is_open && rotated.sessions.is_empty());
    let after = shop.secret("orders", "app").await;
    assert_eq!(after.role.as_str(), shop.login("orders", "app", Slot::B));
    assert!(shop.connect(&after).await.is_ok());
    assert!(shop.connect(&before).await.is_err());
    assert_eq!(shop.phase("orders", "app").await, "steady b");
    let login = shop.login("orders", "app", Slot::A);
    let sql = format!("select rolpassword from pg_catalog.pg_authid where rolname = '{login}'");
    assert_eq!(shop.db.texts(&sql).await, ["null"]);
    rotate(&shop, &at_once()).await;
    assert_eq!(shop.phase("orders", "app").await, "steady a");
    assert!(shop.connect(&shop.secret("orders", "app").await).await.is_ok());
    shop.apply().await;
    assert!(shop.connect(&shop.secret("orders", "app").await).await.is_ok(), "apply leaves it alone");
}

#[tokio::test]
async fn a_connected_client_is_left_alone_and_listed_and_blocks_the_next_rotation() {
    let shop = Shop::by_createrole_admin().await;
    let mut client = shop.connect(&shop.secret("orders", "app").await).await.expect("it logs in");
    let rotated = rotate(&shop, &at_once()).await;
    assert!(rotated.old_is_open && rotated.sessions.len() == 1, "{rotated:?}");
    assert_eq!(shop.phase("orders", "app").await, "retiring b");
    shop.apply().await;
    assert!(works(&mut client).await && can_log_in(&shop, Slot::A).await);
    let error = shop.rotate_with("orders", "app", &at_once()).await.result.expect_err("it is in use");
    let pid: i32 =
        sqlx::query_scalar("select pg_catalog.pg_backend_pid()").fetch_one(&mut client).await.expect("works");
    assert_eq!((error.code(), error.verdict()), ("old-login-in-use", Verdict::Refused));
    assert!(error.to_string().contains(&format!("pid {pid}")), "{error}");
    let finish = Options { goal: Goal::Finish, ..at_once() };
    assert!(rotate(&shop, &finish).await.old_is_open, "to finish is not to cut off");
    client.close().await.expect("it closes");
    wait_until_gone(&shop, Slot::A).await;
    let rotated = rotate(&shop, &finish).await;
    assert!(!rotated.published && !rotated.old_is_open);
    assert_eq!(shop.phase("orders", "app").await, "steady b");
    assert!(!can_log_in(&shop, Slot::A).await);
}

async fn wait_until_gone(shop: &Shop, slot: Slot) {
    let login = shop.login("orders", "app", slot);
    let sql = format!("select pid::text from pg_catalog.pg_stat_activity where usename = '{login}'");
    for _ in 0..600 {
        if shop.db.texts(&sql).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a session of {login} stays");
}

#[tokio::test]
async fn after_the_grace_the_login_is_closed_and_open_sessions_stay() {
    let shop = Shop::new().await;
    let mut client = shop.connect(&shop.secret("orders", "app").await).await.expect("it logs in");
    let options = Options { grace: Some(Duration::from_secs(1)), ..at_once() };
    let rotated = rotate(&shop, &options).await;
    assert!(!rotated.old_is_open && rotated.sessions.len() == 1 && rotated.terminated == 0, "{rotated:?}");
    assert!(works(&mut client).await);
    assert!(!can_log_in(&shop, Slot::A).await);
}

#[tokio::test]
async fn sessions_are_ended_only_where_that_is_asked_for() {
    let shop = Shop::by_createrole_admin().await;
    let mut client = shop.connect(&shop.secret("orders", "app").await).await.expect("it logs in");
    let options = Options { grace: Some(Duration::ZERO), terminate: true, ..at_once() };
    let rotated = rotate(&shop, &options).await;
    assert_eq!((rotated.old_is_open, rotated.terminated), (false, 1));
    assert!(!works(&mut client).await);
    let admin = format!("{}admin", shop.db.prefix());
    let held = format!(
        "select r.rolname::text from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.roleid
         where m.member = '{admin}'::regrole and not m.admin_option"
    );
    assert_eq!(shop.db.texts(&held).await, Vec::<String>::new(), "the administrator keeps no membership");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_reconnect_are_never_refused() {
    let shop = Arc::new(Shop::new().await);
    let (stop, logins) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut stayed = shop.connect(&shop.secret("orders", "app").await).await.expect("it logs in");
    let client = {
        let (shop, stop, logins) = (shop.clone(), stop.clone(), logins.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let secret = shop.secret("orders", "app").await;
                let mut connection = shop.connect(&secret).await.unwrap_or_else(|e| panic!("refused: {e}"));
                assert!(works(&mut connection).await);
                let _ = connection.close().await;
                logins.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let options = Options { settle: Duration::from_millis(1500), ..Options::default() };
    for _ in 0..3 {
        shop.rotate_with("orders", "app", &options).await.result.expect("it rotates");
        assert!(works(&mut stayed).await);
        // the client that stayed reconnects, as the next rotation asks for
        stayed.close().await.expect("it closes");
        stayed = shop.connect(&shop.secret("orders", "app").await).await.expect("it logs in");
        let before = logins.load(Ordering::Relaxed);
        while logins.load(Ordering::Relaxed) < before + 3 && !client.is_finished() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let old = if shop.phase("orders", "app").await.ends_with('b') { Slot::A } else { Slot::B };
        wait_until_gone(&shop, old).await;
    }
    stop.store(true, Ordering::Relaxed);
    client.await.expect("the client was never refused");
}

/// Brings the registry to a phase as a kill would have left it, and gives what was published then.
async fn announce(shop: &Shop) {
    let mut connection = shop.admin().await;
    credential::begin_publishing(&mut connection, &ident("orders"), "app").await.expect("it is announced");
}

#[tokio::test]
async fn a_kill_after_the_announcement_heals() {
    let shop = Shop::new().await;
    announce(&shop).await;
    shop.apply().await;
    assert!(shop.connect(&shop.secret("orders", "app").await).await.is_ok());
    let rotated = rotate(&shop, &at_once()).await;
    assert!(rotated.published && !rotated.old_is_open);
    assert_eq!(shop.phase("orders", "app").await, "steady b");
}

#[tokio::test]
async fn a_kill_after_the_new_password_and_before_the_sink_heals() {
    let shop = Shop::new().await;
    announce(&shop).await;
    let verifier = pgcleave::pg::password::verifier(&"unknown".to_owned().into());
    let login = shop.login("orders", "app", Slot::B);
    shop.db.run(&format!("alter role {login} login password '{}'", verifier.expose_secret())).await;
    assert!(shop.connect(&shop.secret("orders", "app").await).await.is_ok(), "the published one still works");
    rotate(&shop, &at_once()).await;
    let after = shop.secret("orders", "app").await;
    assert_eq!(after.role.as_str(), login);
    assert!(shop.connect(&after).await.is_ok());
}

#[tokio::test]
async fn a_kill_after_the_sink_goes_on_with_what_is_published() {
    let shop = Shop::new().await;
    announce(&shop).await;
    // what a rotation does up to the sink, and no further
    let mut secret = shop.secret("orders", "app").await;
    secret.role = ident(&shop.login("orders", "app", Slot::B));
    secret.password = pgcleave::pg::password::generate().expect("random");
    let verifier = pgcleave::pg::password::verifier(&secret.password);
    shop.db.run(&format!("alter role {} login password '{}'", secret.role.quoted(), verifier.expose_secret())).await;
    shop.sink().publish(&secret, &quiet).await.expect("it takes it");
    shop.apply().await;
    assert!(shop.connect(&shop.secret("orders", "app").await).await.is_ok(), "apply leaves it alone");
    rotate(&shop, &at_once()).await;
    let after = shop.secret("orders", "app").await;
    assert_eq!(after.password.expose_secret(), secret.password.expose_secret(), "published once, kept");
    assert_eq!(shop.phase("orders", "app").await, "steady b");
}

#[tokio::test]
async fn a_kill_while_retiring_heals() {
    let shop = Shop::new().await;
    let mut client = shop.connect(&shop.secret("orders", "app").await).await.expect("it logs in");
    rotate(&shop, &at_once()).await;
    assert!(works(&mut client).await);
    client.close().await.expect("it closes");
    wait_until_gone(&shop, Slot::A).await;
    let rotated = rotate(&shop, &at_once()).await;
    assert!(rotated.published, "the unfinished one is finished, then a new one is made");
    assert_eq!(shop.phase("orders", "app").await, "steady a");
    assert!(shop.connect(&shop.secret("orders", "app").await).await.is_ok());
}

#[tokio::test]
async fn a_sink_that_cannot_be_read_back_is_never_left_with_a_password_that_fails() {
    let command = "cat > got.json.new && if test -e fail; then exit 1; fi && mv got.json.new got.json";
    let argv = ["sh", "-c", command].map(str::to_owned).to_vec();
    let shop = Shop::with_sink(SecretSink::Command(argv)).await;
    // the sink holds the credential that was published last: only one may be in play
    let publish_app = async || shop.rotate_with("orders", "app", &at_once()).await;
    publish_app().await.result.expect("it rotates");
    let published = || -> (String, String) {
        let text = std::fs::read_to_string(shop.folder.path().join("got.json")).expect("text");
        let got: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        (got["role"].as_str().expect("text").to_owned(), got["password"].as_str().expect("text").to_owned())
    };
    let (role, password) = published();
    assert_eq!(role, shop.login("orders", "app", Slot::B));
    assert!(shop.db.connect_as(&role, &password).await.is_ok());
    // killed after the sink took a's password and before the registry knew
    announce(&shop).await;
    let verifier = pgcleave::pg::password::verifier(&"published".to_owned().into());
    let login = shop.login("orders", "app", Slot::A);
    shop.db.run(&format!("alter role {login} login password '{}'", verifier.expose_secret())).await;
    std::fs::write(shop.folder.path().join("fail"), "").expect("written");
    assert!(publish_app().await.result.is_err(), "the sink refuses");
    assert!(shop.db.connect_as(&login, "published").await.is_ok(), "what may be published still logs in");
    std::fs::remove_file(shop.folder.path().join("fail")).expect("removed");
    publish_app().await.result.expect("it rotates");
    let (role, password) = published();
    assert_eq!(role, login);
    assert!(shop.db.connect_as(&role, &password).await.is_ok());
    assert_eq!(shop.phase("orders", "app").await, "steady a");
}

#[tokio::test]
async fn a_login_without_its_membership_is_never_published() {
    let shop = Shop::new().await;
    let (login, writer) = (shop.login("orders", "app", Slot::B), format!("{}orders_writer", shop.db.prefix()));
    shop.db.run(&format!("revoke {writer} from {login}")).await;
    let error = shop.rotate_with("orders", "app", &at_once()).await.result.expect_err("it is not ready");
    assert_eq!(error.code(), "login-not-ready");
    let published = shop.secret("orders", "app").await;
    assert_eq!(published.role.as_str(), shop.login("orders", "app", Slot::A));
    assert!(shop.connect(&published).await.is_ok());
    shop.apply().await;
    rotate(&shop, &at_once()).await;
    assert_eq!(shop.phase("orders", "app").await, "steady b");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rotations_at_once_take_turns() {
    let shop = Shop::new().await;
    let options = at_once();
    let run = || shop.rotate_with("orders", "app", &options);
    let (one, two, three, four) = tokio::join!(run(), run(), run(), run());
    for outcome in [one, two, three, four] {
        assert!(outcome.result.expect("it rotates").published);
    }
    assert_eq!(shop.phase("orders", "app").await, "steady a", "four turns");
    assert!(shop.connect(&shop.secret("orders", "app").await).await.is_ok());
}

#[tokio::test]
async fn a_held_lock_is_told_with_its_holder() {
    let shop = Shop::new().await;
    let mut holder = shop.admin().await;
    assert!(pgcleave::pg::lock::try_take(&mut holder, "credential orders/app").await.expect("asked"));
    let options = Options { lock_wait_seconds: 0, ..at_once() };
    let error = shop.rotate_with("orders", "app", &options).await.result.expect_err("held");
    assert_eq!((error.code(), error.verdict()), ("lock-held", Verdict::Refused));
}

#[tokio::test]
async fn one_that_fails_does_not_keep_the_others_from_rotating() {
    let shop = Shop::new().await;
    shop.db.run("delete from pgcleave.credential where service = 'billing' and name = 'app'").await;
    let chosen = [shop.declared("orders", "app"), shop.declared("billing", "app"), shop.declared("orders", "migrator")];
    let mut connection = shop.admin().await;
    let options = at_once();
    let outcomes = rotate::rotate(&mut connection, &shop.target, &shop.issuer(), &chosen, &options, &quiet).await;
    let told: Vec<_> = outcomes
        .iter()
        .map(|o| (o.service.as_str(), o.credential.as_str(), o.result.as_ref().err().map(|e| e.code())))
        .collect();
    assert_eq!(
        told,
        [("billing", "app", Some("credential-not-issued")), ("orders", "app", None), ("orders", "migrator", None)]
    );
}
