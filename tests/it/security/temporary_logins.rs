//! What a temporary login may do, how long it lives, and what removes it.

use pgcleave::ident::Ident;
use pgcleave::pg::connect::Target;
use pgcleave::pg::lock;
use pgcleave::pg::session::SessionKind;
use pgcleave::temporary_login::{self, Error, Readable, Server, Wanted};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::{Dedicated, TestDb};

/// A session that stays the login itself.
const AS_MEMBER: SessionKind<'static> = SessionKind::Loading { owner: None, search_path: &[] };

/// A database with an owner, and the two kinds of administrator.
async fn beds() -> [(TestDb, String); 2] {
    let (one, two) = (TestDb::new().await, TestDb::new().await);
    let (superuser, admin) = (one.url(), two.createrole_admin().await);
    for (db, url) in [(&one, &superuser), (&two, &admin)] {
        run(url, &format!("create role {}owner nologin", db.prefix())).await;
    }
    [(one, superuser), (two, admin)]
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("a login");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_or_else(|e| panic!("{e}\n{sql}"));
    let _ = connection.close().await;
}

fn ident(text: &str) -> Ident {
    Ident::new(text).expect("a name")
}

async fn logins(db: &TestDb) -> Vec<String> {
    db.texts(&format!(
        "select rolname::text from pg_roles where rolname like '%pgcleave_tmp_%' and rolname like '{}%' order by 1",
        db.prefix()
    ))
    .await
}

#[tokio::test]
async fn login_expires_within_a_day_and_is_known_by_a_verifier_only() {
    for (db, url) in beds().await {
        let target = Target::parse(&url.clone().into()).expect("a connection string");
        let mut admin = target.connect(SessionKind::Administrator, "test").await.expect("a login");
        let server = Server::read(&mut admin).await.expect("the server answers");
        let owner = [ident(&format!("{}owner", db.prefix()))];
        let path = [ident("one"), ident("Two, \"three\"")];
        let wanted = Wanted { prefix: db.prefix(), member_of: &owner, connection_limit: 2, ..Wanted::default() };
        let kind = SessionKind::Migration { owner: &owner[0], search_path: &path };
        let made = temporary_login::create(&mut admin, &server, &wanted, &target, kind, "test").await;
        let (login, mut session) = made.expect("it is made");
        let name = login.name.as_str().to_owned();
        assert!(name.starts_with(&format!("{}pgcleave_tmp_", db.prefix())), "{name}");
        let facts = format!(
            "select format('%s %s %s %s %s %s', rolsuper, rolcreaterole, rolbypassrls, rolconnlimit, \
               rolvaliduntil > now() and rolvaliduntil <= now() + interval '1 day', rolpassword like 'SCRAM-SHA-256$%') \
             from pg_authid where rolname = '{name}'"
        );
        assert_eq!(db.texts(&facts).await, ["f f f 2 t t"]);
        let became: (String, String) = sqlx::query_as("select current_user::text, current_setting('search_path')")
            .fetch_one(&mut session)
            .await
            .expect("it reads");
        assert_eq!(became, (owner[0].as_str().to_owned(), "\"one\", \"Two, \"\"three\"\"\"".to_owned()));
        // Alive: no sweep touches it, also another administrator's.
        let mut other = db.connect().await;
        temporary_login::sweep(&mut other, &|_| ()).await.expect("it sweeps");
        assert_eq!(logins(&db).await, [name.as_str()]);
        temporary_login::remove(&mut admin, &server, &login.name).await.expect("it is dropped");
        assert_eq!(logins(&db).await, [""; 0]);
        assert!(sqlx::query("select 1").execute(&mut session).await.is_err(), "its session was ended");
        let (members, left) =
            ("select count(*)::text from pg_auth_members m join pg_roles r on r.oid = m.member", db.prefix());
        let left = format!(
            "{members} where r.rolname like '{left}%' and m.roleid = '{}'::regrole and m.inherit_option",
            owner[0].as_str()
        );
        if db.major() >= 16 {
            assert_eq!(db.texts(&left).await, ["0"], "the administrator is no member of the owner");
        }
    }
}

#[tokio::test]
async fn sweep_removes_dead_logins_with_their_grants_and_objects() {
    for (db, url) in beds().await {
        let target = Target::parse(&url.clone().into()).expect("a connection string");
        let mut admin = target.connect(SessionKind::Administrator, "test").await.expect("a login");
        let server = Server::read(&mut admin).await.expect("the server answers");
        let owner = [ident(&format!("{}owner", db.prefix()))];
        db.run(&format!(
            "create schema s; create table s.t (i int); create sequence s.q; create schema o authorization {0}; \
             grant usage on schema s to {0}; revoke connect, temporary on database {1} from public",
            owner[0].as_str(),
            db.name()
        ))
        .await;
        if !server.superuser {
            db.run(&format!("grant connect on database {} to {}admin, {}owner", db.name(), db.prefix(), db.prefix()))
                .await;
        }
        let (tables, sequences) = ([ident("t")], [ident("q")]);
        let schema = ident("s");
        let reads = server.superuser.then_some((&schema, Readable { tables: &tables, sequences: &sequences }));
        let wanted = Wanted { prefix: db.prefix(), member_of: &owner, reads, connection_limit: 2, ..Wanted::default() };
        let made = temporary_login::create(&mut admin, &server, &wanted, &target, AS_MEMBER, "test").await;
        let (login, mut session) = made.expect("it is made, where nobody but the administrator may connect");
        if server.superuser {
            sqlx::raw_sql("select * from s.t; select last_value from s.q")
                .execute(&mut session)
                .await
                .expect("it reads");
        }
        sqlx::raw_sql("create table o.made (i int)").execute(&mut session).await.expect("it makes a table");
        // What a kill leaves: no lock, an open session, grants, an object.
        admin.close().await.expect("it closes");
        // The lock of a login that cannot make roles means nothing.
        db.run(&format!(
            "create role {0}eve login password 'x'; grant connect on database {1} to {0}eve",
            db.prefix(),
            db.name()
        ))
        .await;
        let mut eve = db.connect_as(&format!("{}eve", db.prefix()), "x").await.expect("a login");
        assert!(lock::try_take(&mut eve, login.name.as_str()).await.expect("it locks"));
        let mut admin = target.connect(SessionKind::Administrator, "test").await.expect("a login");
        let said = std::sync::Mutex::new(Vec::new());
        let left =
            temporary_login::sweep(&mut admin, &|event| said.lock().expect("no panic").push(format!("{event:?}")))
                .await;
        assert!(left.expect("it sweeps").is_empty());
        let said = said.into_inner().expect("no panic");
        assert!(said.iter().any(|event| event.starts_with("Note") && event.contains(login.name.as_str())), "{said:?}");
        assert_eq!(logins(&db).await, [""; 0]);
        assert!(sqlx::query("select 1").execute(&mut session).await.is_err(), "its session was ended");
        let heir = "select tableowner::text from pg_tables where tablename = 'made'";
        assert_eq!(db.texts(heir).await, [owner[0].as_str()]);
        let grants = "select count(*)::text from pg_class, aclexplode(relacl) where relnamespace = 's'::regnamespace and grantee <> relowner";
        assert_eq!(db.texts(grants).await, ["0"]);
    }
}

#[tokio::test]
async fn logins_of_other_databases_and_similar_names_stay() {
    let db = TestDb::new().await;
    let mut admin = db.connect().await;
    let here = db
        .texts("select lpad(to_hex(oid::int8), 8, '0') from pg_database where datname = current_database()")
        .await
        .remove(0);
    let other =
        db.texts("select lpad(to_hex(oid::int8), 8, '0') from pg_database where datname = 'template1'").await.remove(0);
    let prefix = db.prefix();
    for name in [
        format!("{prefix}pgcleave_tmp_{other}_00000001"),
        format!("{prefix}pgcleave_tmp_{here}_0000000g"),
        format!("{prefix}pgcleave_tmp_{here}_00000001_app"),
        format!("{prefix}pgcleave_tmp_{here}_00000001"),
        format!("{prefix}pgcleave_tmp_fffffffe_00000001"),
    ] {
        db.run(&format!("create role {name} login")).await;
    }
    temporary_login::sweep(&mut admin, &|_| ()).await.expect("it sweeps");
    let mut stay = [
        format!("{prefix}pgcleave_tmp_{other}_00000001"),
        format!("{prefix}pgcleave_tmp_{here}_0000000g"),
        format!("{prefix}pgcleave_tmp_{here}_00000001_app"),
    ];
    stay.sort();
    assert_eq!(logins(&db).await, stay, "those of this database and of one that is gone were dropped");
}

#[tokio::test]
async fn refusal_comes_before_anything_is_changed() {
    let db = TestDb::new().await;
    let url = db.createrole_admin().await;
    let prefix = db.prefix();
    run(&url, &format!("create role {prefix}owner nologin")).await;
    db.run(&format!(
        "revoke connect on database {0} from public; grant connect on database {0} to {prefix}admin",
        db.name()
    ))
    .await;
    let target = Target::parse(&url.into()).expect("a connection string");
    let mut admin = target.connect(SessionKind::Administrator, "test").await.expect("a login");
    let server = Server::read(&mut admin).await.expect("the server answers");
    let owner = [ident(&format!("{prefix}owner"))];
    let wanted = Wanted { prefix, member_of: &owner, connection_limit: 2, ..Wanted::default() };
    let refused = temporary_login::create(&mut admin, &server, &wanted, &target, AS_MEMBER, "test").await;
    let Err(Error::Refused { message, .. }) = refused else { panic!("{refused:?}") };
    assert!(message.contains("permission denied for database"), "{message}");
    assert_eq!(logins(&db).await, [""; 0]);
    // Positive control: with CONNECT it is made.
    db.run(&format!("grant connect on database {} to {prefix}owner", db.name())).await;
    let made = temporary_login::create(&mut admin, &server, &wanted, &target, AS_MEMBER, "test").await;
    let (login, _) = made.expect("it is made");
    temporary_login::remove(&mut admin, &server, &login.name).await.expect("it is dropped");
}

#[tokio::test]
async fn server_that_admits_listed_roles_only_refuses_before_anything_is_changed() {
    let own = Dedicated::start().await;
    let url = own.url("postgres");
    run(
        &url,
        "do $$ begin execute format('copy (select %L) to %L', 'host all postgres all trust', current_setting('hba_file')); end $$; \
         select pg_reload_conf()",
    )
    .await;
    let target = Target::parse(&url.clone().into()).expect("a connection string");
    let mut admin = loop {
        // The postmaster reads the file when it gets to it.
        let mut admin = target.connect(SessionKind::Administrator, "test").await.expect("a login");
        let rules: i64 =
            sqlx::query_scalar("select count(*) from pg_hba_file_rules").fetch_one(&mut admin).await.expect("rules");
        assert_eq!(rules, 1);
        let other = target
            .with_login(&ident("nobody_there"), &"x".to_owned().into())
            .connect(SessionKind::Tested, "test")
            .await;
        let other = other.expect_err("no such role").to_string();
        if other.contains("pg_hba.conf") {
            break admin;
        }
    };
    let server = Server::read(&mut admin).await.expect("the server answers");
    let wanted = Wanted { connection_limit: 2, ..Wanted::default() };
    let refused = temporary_login::create(&mut admin, &server, &wanted, &target, AS_MEMBER, "test").await;
    let Err(Error::Refused { message, .. }) = refused else { panic!("{refused:?}") };
    assert!(message.contains("pg_hba.conf"), "{message}");
    let left: i64 = sqlx::query_scalar("select count(*) from pg_roles where rolname like '%pgcleave_tmp%'")
        .fetch_one(&mut admin)
        .await
        .expect("a count");
    assert_eq!(left, 0);
}
