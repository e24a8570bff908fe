//! TLS with a real server.

use pgcleave::error::Coded as _;
use pgcleave::pg::connect::Target;
use pgcleave::pg::error::Error;
use pgcleave::pg::session::SessionKind;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::OnceCell;

use crate::support::Dedicated;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/data/tls");

/// A server with TLS, and where it is reached by an address that is no loopback.
struct Encrypted {
    _server: Dedicated,
    host: String,
    port: u16,
}

impl Encrypted {
    /// Starts one with the named certificate.
    async fn start(certificate: &str) -> Self {
        let server = Dedicated::start().await;
        let mut admin = PgConnection::connect(&server.url("postgres")).await.expect("the superuser can connect");
        for (file, name) in [("server.crt", format!("{certificate}.crt")), ("server.key", format!("{certificate}.key"))]
        {
            let text = std::fs::read_to_string(format!("{DATA}/{name}")).expect("a test file");
            write(&mut admin, &format!("umask 077; cat > {file}"), &text).await;
        }
        let ca = std::fs::read_to_string(format!("{DATA}/ca.crt")).expect("a test file");
        write(&mut admin, "umask 077; cat > ca.crt", &ca).await;
        // what a login needs: by its name
        let hba = "local all all trust\n\
            hostssl all client all cert\n\
            hostnossl all only_tls all reject\n\
            hostssl all only_clear all reject\n\
            host all by_md5 all md5\n\
            host all in_clear all password\n\
            host all all all scram-sha-256\n";
        write(&mut admin, "cat > pg_hba.conf", hba).await;
        for sql in [
            "alter system set ssl = on",
            "alter system set ssl_ca_file = 'ca.crt'",
            "alter system set password_encryption = 'scram-sha-256'",
            "create role only_tls login password 'x'",
            "create role only_clear login password 'x'",
            "create role in_clear login password 'x'",
            "create role client login",
            "set password_encryption = 'md5'",
            "create role by_md5 login password 'x'",
            "select pg_reload_conf()",
        ] {
            sqlx::raw_sql(sql).execute(&mut admin).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let elsewhere = url::Url::parse(&server.url_from_servers("postgres").await).expect("a connection string");
        let this = Self {
            host: elsewhere.host_str().expect("a host").to_owned(),
            port: elsewhere.port().unwrap_or(5432),
            _server: server,
        };
        for _ in 0..200 {
            if this.connect("only_tls:x", "sslmode=require").await.is_ok() {
                return this;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let error = this.connect("only_tls:x", "sslmode=require").await.expect_err("TLS does not come");
        panic!("{error}")
    }

    /// Connects from another machine's place, and tells whether that was encrypted.
    async fn connect(&self, login: &str, parameters: &str) -> Result<bool, Error> {
        let (address, port) = (&self.host, self.port);
        // the name in the certificate, at the address of the container
        let url = format!("postgresql://{login}@db.test:{port}/postgres?hostaddr={address}&{parameters}");
        let target = Target::parse(&url.into())?;
        let mut connection = target.connect(SessionKind::Administrator, "test").await?;
        let encrypted = sqlx::query_scalar("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| Error::new("ask", &error))?;
        let _ = connection.close().await;
        Ok(encrypted)
    }

    #[track_caller]
    fn encrypted(answer: Result<bool, Error>) {
        assert!(answer.expect("it connects"), "it is in clear");
    }
}

/// Writes a file on the server.
async fn write(admin: &mut PgConnection, program: &str, text: &str) {
    let copy = format!(
        "copy (select unnest(string_to_array(rtrim($text${text}$text$, E'\\n'), E'\\n'))) to program '{program}'"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(copy)).execute(admin).await.expect("the superuser writes a file");
}

async fn good() -> &'static Encrypted {
    static SERVER: OnceCell<Encrypted> = OnceCell::const_new();
    SERVER.get_or_init(|| Encrypted::start("server")).await
}

fn root() -> String {
    format!("sslrootcert={DATA}/ca.crt")
}

#[track_caller]
fn failed(answer: Result<bool, Error>, code: &str, words: &str) {
    let error = answer.expect_err("it is refused");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn every_mode_means_what_it_says() {
    let (server, root) = (good().await, root());
    for mode in ["prefer", "require"] {
        Encrypted::encrypted(server.connect("only_tls:x", &format!("sslmode={mode}")).await);
    }
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        Encrypted::encrypted(server.connect("only_tls:x", &format!("sslmode={mode}&{root}")).await);
    }
    // what pg_hba.conf refuses one way is tried the other way
    Encrypted::encrypted(server.connect("only_tls:x", "sslmode=allow").await);
    for mode in ["prefer", "allow", "disable"] {
        let answer = server.connect("only_clear:x", &format!("sslmode={mode}")).await;
        assert!(!answer.expect("it connects"), "{mode}");
    }
    failed(server.connect("only_clear:x", "sslmode=require").await, "connect", "only_clear");
    failed(server.connect("only_tls:x", "sslmode=disable").await, "connect", "only_tls");
    // a wrong password is not tried twice
    failed(server.connect("only_tls:y", "").await, "connect", "only_tls");
}

#[tokio::test]
async fn a_certificate_is_verified_where_that_is_asked_for() {
    let (server, root) = (good().await, root());
    let v1 = format!("sslrootcert={DATA}/v1.crt");
    for mode in ["verify-ca", "verify-full"] {
        failed(server.connect("only_tls:x", &format!("sslmode={mode}")).await, "tls-failed", "TLS");
        failed(server.connect("only_tls:x", &format!("sslmode={mode}&{v1}")).await, "tls-failed", "TLS");
        let missing = format!("sslmode={mode}&sslrootcert=/nowhere/ca.crt");
        failed(server.connect("only_tls:x", &missing).await, "tls-failed", "/nowhere/ca.crt");
    }
    // as in libpq, a root certificate that was given counts with require too
    failed(
        server.connect("only_tls:x", &format!("sslmode=require&sslrootcert={DATA}/client.crt")).await,
        "tls-failed",
        "",
    );
    // the name counts with verify-full only
    let (address, port) = (&server.host, server.port);
    for (mode, is_good) in [("verify-ca", true), ("verify-full", false)] {
        let url = format!("postgresql://only_tls:x@{address}:{port}/postgres?sslmode={mode}&{root}");
        let answer =
            Target::parse(&url.into()).expect("a connection string").connect(SessionKind::Administrator, "test").await;
        assert_eq!(answer.is_ok(), is_good, "{mode}");
    }
}

#[tokio::test]
async fn revoked_certificates_are_refused() {
    let (server, root) = (good().await, root());
    let with = |list: &str| format!("sslmode=verify-full&{root}&sslcrl={DATA}/{list}");
    Encrypted::encrypted(server.connect("only_tls:x", &with("none.crl")).await);
    failed(server.connect("only_tls:x", &with("revoked.crl")).await, "tls-failed", "evoked");
    failed(server.connect("only_tls:x", &with("missing.crl")).await, "tls-failed", "missing.crl");
    failed(server.connect("only_tls:x", &with("ca.crt")).await, "tls-failed", "sslcrl");
}

#[tokio::test]
async fn a_password_in_clear_needs_verified_tls() {
    let (server, root) = (good().await, root());
    for (login, method) in [("in_clear:x", "password"), ("by_md5:x", "md5")] {
        for parameters in ["", "sslmode=require", "sslmode=disable"] {
            failed(server.connect(login, parameters).await, "password-not-sent", method);
        }
        for parameters in [
            format!("sslmode=verify-ca&{root}"),
            format!("sslmode=verify-full&{root}"),
            format!("require_auth={method}"),
            format!("sslmode=disable&require_auth=scram-sha-256,{method}"),
        ] {
            server.connect(login, &parameters).await.unwrap_or_else(|error| panic!("{login} {parameters}: {error}"));
        }
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let (server, root) = (good().await, root());
    let own = format!("sslmode=verify-full&{root}&sslcert={DATA}/client.crt&sslkey={DATA}/client.key");
    Encrypted::encrypted(server.connect("client", &own).await);
    Encrypted::encrypted(server.connect("only_tls:x", &own).await);
    for without in [format!("sslmode=verify-full&{root}"), format!("{own}&sslcertmode=disable")] {
        failed(server.connect("client", &without).await, "connect", "certificate");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_of_version_1_will_do_where_nothing_is_verified() {
    let server = Encrypted::start("v1").await;
    for mode in ["prefer", "require", "allow"] {
        Encrypted::encrypted(server.connect("only_tls:x", &format!("sslmode={mode}")).await);
    }
    for version in ["TLSv1.2", "TLSv1.3"] {
        let only = format!("sslmode=require&ssl_min_protocol_version={version}&ssl_max_protocol_version={version}");
        Encrypted::encrypted(server.connect("only_tls:x", &only).await);
    }
    for mode in ["verify-ca", "verify-full"] {
        let parameters = format!("sslmode={mode}&sslrootcert={DATA}/v1.crt");
        failed(server.connect("only_tls:x", &parameters).await, "tls-failed", "version");
    }
}
