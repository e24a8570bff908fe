//! Logins that the target has already: nobody's password is replaced unawares.

use super::{Move, run, texts};

/// A verifier of no password in use.
const OTHER: &str = "SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

async fn verifier(url: &str, login: &str) -> String {
    let read = format!("select rolpassword from pg_authid where rolname = '{login}'");
    texts(url, &read).await.concat()
}

#[tokio::test]
async fn a_login_of_the_target_with_another_password_is_named_before_anything_is_made() {
    let service = Move::new().await;
    let login = format!("{}_app", service.name);
    run(&service.target, &format!("create role {login} login password '{OTHER}'")).await;
    let check = service.run(&["check"]).await.exits(3);
    assert!(check.stdout.contains(&format!("the target has a login {login} already")), "{}", check.stdout);
    let start = service.run(&["start"]).await.exits(3);
    assert!(start.stderr.contains(&login), "{}", start.stderr);
    assert_eq!(verifier(&service.target, &login).await, OTHER);
    let made = "select 'made' where to_regclass('pgcleave.split') is not null";
    assert_eq!(texts(&service.target, made).await, Vec::<String>::new());

    // With the same password it is the service's own.
    let same = verifier(&service.source, &login).await;
    run(&service.target, &format!("alter role {login} password '{same}'")).await;
    service.run(&["check"]).await.exits(0);
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    service.run(&["rollback"]).await.exits(0);
    service.run(&["abort"]).await.exits(0);
    assert_eq!(verifier(&service.target, &login).await, same, "an abort drops only what the split has made");
}

#[tokio::test]
async fn a_login_that_comes_later_and_is_anothers_on_the_target_stops_the_cutover_by_its_name() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let login = format!("{}_late", service.name);
    let make = format!("create role {login} login password 'late' in role {}_writer", service.name);
    run(&service.source, &make).await;
    run(&service.target, &format!("create role {login} login password '{OTHER}'")).await;
    let refused = service.run(&["cutover"]).await.exits(3);
    assert!(refused.stderr.contains(&login), "{}", refused.stderr);
    assert_eq!(
        (service.phase().await, verifier(&service.target, &login).await),
        ("ready".to_owned(), OTHER.to_owned())
    );
    run(&service.target, &format!("drop role {login}")).await;
    service.run(&["cutover"]).await.exits(0);
    assert_eq!(verifier(&service.target, &login).await, verifier(&service.source, &login).await);
}
