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

#[tokio::test]
async fn roles_that_somebody_else_makes_meanwhile_are_not_the_splits() {
    let service = Move::new().await;
    let (target, name) = (service.target.clone(), service.name.clone());
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let others = tokio::spawn(async move {
        let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&target).await.expect("a connection");
        let mut made = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            made += 1;
            let make = format!("create role {name}z_{made}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut connection).await.expect("a role");
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
        made
    });
    service.run(&["start"]).await.exits(0);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let made: usize = others.await.expect("no panic");
    let own =
        "select n from pgcleave.split, jsonb_array_elements_text(record->'made_roles') n where n not like '{s}\\_%'";
    assert_eq!(texts(&service.target, &own.replace("{s}", &service.name)).await, Vec::<String>::new());
    service.run(&["abort"]).await.exits(0);
    let left = format!("select count(*)::text from pg_roles where rolname like '{}z\\_%'", service.name);
    assert_eq!(texts(&service.target, &left).await, [made.to_string()]);
    let drop = "do $$ declare r name; begin for r in select rolname from pg_roles where rolname like '{s}z\\_%' loop \
                execute format('drop role %I', r); end loop; end $$";
    run(&service.target, &drop.replace("{s}", &service.name)).await;
}
