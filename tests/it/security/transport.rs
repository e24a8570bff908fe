//! What is said to a server that has not proved who it is.

use std::net::UdpSocket;
use std::time::Duration;

use pgcleave::error::Coded as _;
use pgcleave::pg::connect::Target;
use pgcleave::pg::error::Error;
use pgcleave::pg::session::SessionKind;

use super::fake::{Fake, Play};
use crate::support::{Project, TestDb};

/// An address of this machine that is no loopback. Nothing is sent.
fn address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a free port");
    for elsewhere in ["192.0.2.1:9", "198.51.100.1:9", "172.17.0.2:9"] {
        if socket.connect(elsewhere).is_ok() {
            return socket.local_addr().expect("it is bound").ip().to_string();
        }
    }
    panic!("this machine has no address but loopback ones")
}

fn target(url: &str) -> Target {
    match Target::parse(&url.into()) {
        Ok(target) => target,
        Err(error) => panic!("{url}: {error}"),
    }
}

/// Connects to a fake server, and gives the error and what the server heard.
async fn play(play: Play, host: &str, parameters: &str) -> (Error, String) {
    let fake = Fake::start(play).await;
    let url = format!("postgresql://ann:the-password@{host}:{}/shop?connect_timeout=3&{parameters}", fake.port);
    let error = target(&url).connect(SessionKind::Tested, "test").await.expect_err("no server answers there");
    (error, fake.said())
}

#[tokio::test]
async fn a_server_that_has_proved_nothing_gets_no_password() {
    let elsewhere = address();
    for (asks, words) in [(Play::ClearText, "require_auth=password"), (Play::Md5, "require_auth=md5")] {
        for parameters in ["", "sslmode=disable", "sslmode=allow", "sslmode=prefer"] {
            let (error, said) = play(asks, &elsewhere, parameters).await;
            assert_eq!(error.code(), "password-not-sent", "{asks:?} {parameters}: {error}");
            assert!(said.contains("ann") && !said.contains("the-password") && !said.contains("md5"), "{said}");
            // both ways out are named
            let told = error.to_string();
            assert!(told.contains("sslmode=verify-full") && told.contains(words), "{told}");
        }
    }
}

#[tokio::test]
async fn a_server_of_this_machine_or_one_that_the_url_allows_gets_it() {
    let elsewhere = address();
    for (host, parameters) in [("127.0.0.1", ""), (elsewhere.as_str(), "require_auth=password,scram-sha-256")] {
        let fake = Fake::start(Play::ClearText).await;
        let url = format!("postgresql://ann:the-password@{host}:{}/shop?{parameters}", fake.port);
        target(&url).connect(SessionKind::Tested, "test").await.expect("it lets everybody in");
        assert!(fake.said().contains("the-password"), "{host} {parameters}");
    }
}

#[tokio::test]
async fn require_auth_is_obeyed_on_this_machine_too() {
    for (asks, parameters, method) in [
        (Play::ClearText, "require_auth=scram-sha-256", "password"),
        (Play::ClearText, "require_auth=!password", "password"),
        (Play::Md5, "require_auth=scram-sha-256", "md5"),
        (Play::Trust, "require_auth=scram-sha-256", "none"),
        (Play::Trust, "require_auth=!none", "none"),
        (Play::Downgrade, "require_auth=scram-sha-256", "password"),
    ] {
        let (error, said) = play(asks, "127.0.0.1", parameters).await;
        assert_eq!(error.code(), "login-method-not-allowed", "{asks:?} {parameters}: {error}");
        assert!(error.to_string().contains(method), "{error}");
        assert!(!said.contains("the-password"), "{said}");
    }
    let fake = Fake::start(Play::Trust).await;
    let url = format!("postgresql://ann@127.0.0.1:{}/shop?require_auth=none", fake.port);
    target(&url).connect(SessionKind::Tested, "test").await.expect("none is what it asks for");
}

#[tokio::test]
async fn a_login_that_turns_into_another_one_is_refused() {
    let (error, said) = play(Play::Downgrade, &address(), "").await;
    assert_eq!(error.code(), "password-not-sent", "{error}");
    assert!(said.contains("SCRAM-SHA-256") && !said.contains("the-password"), "{said}");
    let (_, said) = play(Play::Unproved, "127.0.0.1", "").await;
    assert!(!said.contains("the-password"), "{said}");
    let fake = Fake::start(Play::Later).await;
    let url = format!("postgresql://ann:the-password@127.0.0.1:{}/shop", fake.port);
    let mut connection = target(&url).connect(SessionKind::Tested, "test").await.expect("it lets everybody in");
    let answer = sqlx::raw_sql("select 1").execute(&mut connection).await;
    assert!(answer.is_err());
    assert!(!fake.said().contains("the-password"));
}

#[tokio::test]
async fn tls_that_is_insisted_on_is_never_given_up() {
    for (asks, parameters) in [
        (Play::ClearText, "sslmode=require"),
        (Play::ClearText, "sslmode=verify-full&require_auth=password"),
        (Play::NoTls, "sslmode=require"),
    ] {
        let (error, said) = play(asks, "127.0.0.1", parameters).await;
        assert_eq!(error.code(), "tls-failed", "{asks:?} {parameters}: {error}");
        assert_eq!(said, "", "{asks:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let (error, _) = play(Play::Silent, "127.0.0.1", "").await;
    assert_eq!(error.code(), "connect");
    assert!(error.to_string().contains("no answer within 3 s"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_refuse_what_they_cannot_obey_and_send_nothing() {
    let db = TestDb::new().await;
    let mut project = Project::new(&db);
    project.manifest("orders", "schema: orders\n");
    let fake = Fake::start(Play::ClearText).await;
    let at = format!("postgresql://ann:the-password@127.0.0.1:{}/shop", fake.port);
    for (parameters, code) in [
        ("sslmod=require", "unknown-connection-parameter"),
        ("channel_binding=require", "unsupported-connection-parameter"),
        ("sslmode=verify", "bad-connection-parameter"),
    ] {
        project.connect_as(format!("{at}?{parameters}"));
        let answer = project.run(&["audit"]);
        assert_eq!(answer.code, 2, "{}", answer.stderr);
        assert!(answer.stderr.contains(code), "{}", answer.stderr);
        assert!(!answer.stderr.contains("the-password"), "{}", answer.stderr);
    }
    project.connect_as(format!("{at}?require_auth=scram-sha-256"));
    let answer = project.run(&["audit"]);
    assert!(answer.stderr.contains("login-method-not-allowed"), "{}", answer.stderr);
    assert!(!fake.said().contains("the-password"));
}

#[tokio::test]
async fn sockets_several_hosts_and_pairs_reach_the_server() {
    let db = TestDb::new().await;
    let url = url::Url::parse(&db.url()).expect("the test bed's own connection string");
    let (host, port) = (url.host_str().expect("a host"), url.port().unwrap_or(5432));
    let pairs = format!(
        "host=127.0.0.1,{host} port=1,{port} user={} password={} dbname={} application_name='of the string'",
        url.username(),
        url.password().expect("a password"),
        db.name()
    );
    let target = target(&pairs);
    let mut connection = target.connect(SessionKind::Administrator, "test").await.expect("the second one answers");
    let name: String = sqlx::query_scalar("select current_setting('application_name')")
        .fetch_one(&mut connection)
        .await
        .expect("a setting");
    assert_eq!(name, "of the string");
    assert_eq!((target.host(), target.port()), (host.to_owned(), port));
}

#[tokio::test]
async fn the_kind_of_server_that_is_wanted_is_obeyed() {
    let db = TestDb::new().await;
    let url = |wanted: &str| {
        let url = db.url();
        let sign = if url.contains('?') { '&' } else { '?' };
        format!("{url}{sign}target_session_attrs={wanted}")
    };
    for wanted in ["any", "read-write", "primary", "prefer-standby"] {
        target(&url(wanted)).connect(SessionKind::Administrator, "test").await.expect("it is a primary");
    }
    for wanted in ["read-only", "standby"] {
        let error =
            target(&url(wanted)).connect(SessionKind::Administrator, "test").await.expect_err("it is a primary");
        assert!(error.to_string().contains("target_session_attrs"), "{error}");
    }
}

#[tokio::test]
async fn an_ipv6_literal_reaches_the_server() {
    let db = TestDb::new().await;
    let url = url::Url::parse(&db.url()).expect("the test bed's own connection string");
    let there = format!("{}:{}", url.host_str().expect("a host"), url.port().unwrap_or(5432));
    let listener = tokio::net::TcpListener::bind("[::1]:0").await.expect("this machine has IPv6");
    let port = listener.local_addr().expect("it listens").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let there = there.clone();
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(there).await.expect("the server is there");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let login = format!("{}:{}", url.username(), url.password().expect("a password"));
    let target = target(&format!("postgresql://{login}@[::1]:{port}/{}", db.name()));
    let mut connection = target.connect(SessionKind::Administrator, "test").await.expect("it is the same server");
    let one: i32 = sqlx::query_scalar("select 1").fetch_one(&mut connection).await.expect("it answers");
    assert_eq!((one, target.host(), target.port()), (1, "::1".to_owned(), port));
}

#[tokio::test]
async fn what_passes_the_relay_is_whole() {
    let db = TestDb::new().await;
    let mut connection = target(&db.url()).connect(SessionKind::Administrator, "test").await.expect("it connects");
    // small and large messages, whole and in parts
    for bytes in [0_usize, 1, 4_000, 131_000, 131_072, 132_000, 3_000_000] {
        let text: String = sqlx::query_scalar("select repeat('x', $1) || $1::text")
            .bind(i32::try_from(bytes).expect("small"))
            .fetch_one(&mut connection)
            .await
            .expect("it answers");
        assert_eq!(text, format!("{}{bytes}", "x".repeat(bytes)));
    }
    let rows: Vec<String> =
        sqlx::query_scalar("select repeat(chr(97 + i % 26), i * 37 % 9000) from generate_series(1, 3000) i")
            .fetch_all(&mut connection)
            .await
            .expect("it answers");
    for (number, row) in (1_usize..).zip(&rows) {
        let letter = char::from(b'a' + u8::try_from(number % 26).expect("small"));
        assert_eq!(*row, String::from(letter).repeat(number * 37 % 9000));
    }
    // an idle connection that the server ends says so
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await.expect("it answers");
    db.run(&format!("select pg_terminate_backend({pid})")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let error = sqlx::raw_sql("select 1").execute(&mut connection).await.expect_err("it was ended");
    assert_eq!(Error::new("ask", &error).sqlstate(), Some("57P01"), "{error}");
}
