//! A server that is frozen, and one that works for long.

use std::time::Duration;

use futures_util::StreamExt as _;
use pgcleave::error::Coded as _;
use pgcleave::pg::connect::Target;
use pgcleave::pg::error::Error;
use pgcleave::pg::session::SessionKind;

use crate::support::{Dedicated, Proxy, TestDb};

/// A frozen server is given up after two of these.
const SHORT: Duration = Duration::from_secs(1);

fn target(url: &str) -> Target {
    Target::parse(&url.into()).expect("a connection string").with_patience(SHORT, SHORT)
}

#[tokio::test]
async fn a_frozen_server_ends_the_command() {
    let server = Dedicated::start().await;
    let mut busy =
        target(&server.url("postgres")).connect(SessionKind::Administrator, "test").await.expect("it connects");
    let mut copying =
        target(&server.url("postgres")).connect(SessionKind::Administrator, "test").await.expect("it connects");
    sqlx::raw_sql("create table public.t as select i, repeat('x', 500) as x from generate_series(1, 200000) i")
        .execute(&mut busy)
        .await
        .expect("a table");
    let mut rows = copying.copy_out_raw("copy public.t to stdout").await.expect("it begins");
    let asked = tokio::spawn(async move {
        let answer = sqlx::raw_sql("select pg_sleep(600)").execute(&mut busy).await;
        answer.map(|_| ()).expect_err("it never ends")
    });
    // the statement is under way, and the copy in the middle of its rows
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.pause();
    let error = Error::new("wait", &asked.await.expect("no panic"));
    let copied = loop {
        match rows.next().await.expect("most rows never come") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    server.resume();
    assert_eq!(error.code(), "server-not-answering", "{error}");
    let copied = Error::new("copy", &copied);
    assert_eq!(copied.code(), "server-not-answering", "{copied}");
    target(&server.url("postgres")).connect(SessionKind::Administrator, "test").await.expect("it answers again");
}

#[tokio::test]
async fn a_cable_that_was_pulled_ends_the_command() {
    let db = TestDb::new().await;
    let url = url::Url::parse(&db.url()).expect("the test bed's own connection string");
    let proxy = Proxy::start(url.host_str().expect("a host"), url.port().unwrap_or(5432), Duration::ZERO).await;
    let mut connection =
        target(&proxy.through(&db.url())).connect(SessionKind::Administrator, "test").await.expect("it connects");
    proxy.silence();
    let error = sqlx::raw_sql("select 1").execute(&mut connection).await.expect_err("no answer comes");
    let error = Error::new("wait", &error);
    assert_eq!(error.code(), "server-not-answering", "{error}");
}

#[tokio::test]
async fn a_long_statement_is_waited_for() {
    let db = TestDb::new().await;
    let mut connection = target(&db.url()).connect(SessionKind::Administrator, "test").await.expect("it connects");
    sqlx::raw_sql("select pg_sleep(7)").execute(&mut connection).await.expect("the server answers a second connection");
    // and one that nobody uses is left alone
    tokio::time::sleep(SHORT * 4).await;
    sqlx::raw_sql("select 1").execute(&mut connection).await.expect("it is still there");
}

#[tokio::test]
async fn a_server_that_takes_no_more_logins_still_answers() {
    let db = TestDb::new().await;
    let role = format!("{}one", db.prefix());
    db.run(&format!("create role {role} login connection limit 1 password 'x'")).await;
    let mut connection =
        target(&db.url_as(&role, "x")).connect(SessionKind::Administrator, "test").await.expect("it connects");
    sqlx::raw_sql("select pg_sleep(4)").execute(&mut connection).await.expect("a second login is not needed");
}
