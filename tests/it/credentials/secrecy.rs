//! No password in the server's log, in pg_stat_activity, or in what the library tells and shows.

use std::sync::Mutex;
use std::time::Duration;

use pgcleave::credentials::rotate::{self, Options};
use pgcleave::credentials::{list, verify};
use pgcleave::report;
use secrecy::ExposeSecret as _;

use super::shop::Shop;

#[tokio::test]
async fn no_password_is_ever_seen_outside_the_sink() {
    let shop = Shop::new().await.with_objects().await;
    shop.db.log_statements().await;
    let mut passwords = Vec::new();
    let collect = async |passwords: &mut Vec<String>| {
        for (service, credential) in
            [("orders", "app"), ("orders", "reports"), ("billing", "app"), ("billing", "migrator")]
        {
            let secret = shop.secret(service, credential).await;
            passwords.push(secret.password.expose_secret().to_owned());
        }
    };
    collect(&mut passwords).await;
    let told = Mutex::new(String::new());
    let tell = |event| told.lock().expect("alone").push_str(&format!("{event:?}\n"));
    let options = Options { settle: Duration::ZERO, ..Options::default() };
    let chosen = [shop.declared("orders", "app"), shop.declared("orders", "reports"), shop.declared("billing", "app")];
    let mut connection = shop.admin().await;
    let issuer = shop.issuer();
    let rotated = rotate::rotate(&mut connection, &shop.target, &issuer, &chosen, &options, &tell).await;
    collect(&mut passwords).await;
    // a statement that fails is logged too: the login's role is gone for this one
    let login = shop.login("orders", "reports", pgcleave::model::naming::Slot::A);
    shop.db.run(&format!("alter role {login} rename to {login}x")).await;
    let failed = shop.rotate_with("orders", "reports", &options).await;
    assert!(failed.result.is_err());
    shop.db.run(&format!("alter role {login}x rename to {login}")).await;
    let matrix = verify::verify(&mut connection, &shop.target, &shop.project, &shop.sink()).await.expect("it verifies");
    let listed = list::list(&mut connection, &shop.project).await.expect("it lists");
    let activity = shop.db.texts("select query from pg_catalog.pg_stat_activity").await.join("\n");
    let seen = [
        told.into_inner().expect("alone"),
        activity,
        format!("{rotated:?} {failed:?} {matrix:?} {listed:?} {issuer:?} {:?}", shop.secret("orders", "app").await),
        report::credentials::rotation::json(&rotated) + &report::credentials::rotation::human(&[failed]),
        report::credentials::matrix::json(&matrix) + &report::credentials::list::json(&listed),
        shop.db.log().await,
    ];
    assert!(seen[5].contains("alter role"), "the server logs statements");
    for password in &passwords {
        for text in &seen {
            assert!(!text.contains(password.as_str()));
        }
    }
    assert_eq!(passwords.len(), 8);
}
