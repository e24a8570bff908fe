//! What a database's owner may set, and what it must not change about our sessions.

use pgcleave::ident::Ident;
use pgcleave::pg::connect::Target;
use pgcleave::pg::session::{self, SessionKind};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::{Project, TestDb};

/// Settings that a database's owner may choose, each away from its default; the version from which it exists.
const HOSTILE: &[(&str, &str, u32)] = &[
    ("search_path", "public, pg_catalog", 15),
    ("standard_conforming_strings", "off", 15),
    ("quote_all_identifiers", "on", 15),
    ("transform_null_equals", "on", 15),
    ("array_nulls", "off", 15),
    ("default_transaction_read_only", "on", 15),
    ("default_transaction_isolation", "serializable", 15),
    ("default_transaction_deferrable", "on", 15),
    ("statement_timeout", "900", 15),
    ("lock_timeout", "900", 15),
    ("idle_in_transaction_session_timeout", "900", 15),
    ("idle_session_timeout", "900", 15),
    ("transaction_timeout", "900", 17),
    ("synchronous_commit", "off", 15),
    ("exit_on_error", "on", 15),
    ("createrole_self_grant", "set, inherit", 16),
    ("default_tablespace", "nowhere", 15),
    ("default_table_access_method", "nosuch", 15),
    ("check_function_bodies", "off", 15),
    ("client_min_messages", "debug5", 15),
    ("bytea_output", "escape", 15),
    ("extra_float_digits", "-15", 15),
    ("datestyle", "German, DMY", 15),
    ("intervalstyle", "sql_standard", 15),
    ("timezone", "Asia/Kathmandu", 15),
    ("lc_monetary", "nosuch", 15),
    ("xmloption", "document", 15),
    ("jit", "on", 15),
    ("row_security", "on", 15),
    ("max_parallel_workers_per_gather", "8", 15),
    ("pgcleave.administrator", "mallory", 15),
];

fn target(url: &str) -> Target {
    Target::parse(&url.into()).expect("a connection string")
}

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    let found = sqlx::query_scalar("select pg_catalog.current_setting($1)").bind(name).fetch_one(connection).await;
    found.expect("a setting")
}

/// A database whose owner has set everything, with a role to be reset to; gives the name of a role `x`.
async fn hostile() -> (TestDb, String) {
    let db = TestDb::new().await;
    let (name, owner, x) = (db.name(), format!("{}dbown", db.prefix()), format!("{}x", db.prefix()));
    db.run(&format!("create role {owner} login password 'p'; create role {x}; alter database {name} owner to {owner}"))
        .await;
    let mut connection = db.connect_as(&owner, "p").await.expect("the owner logs in");
    for (setting, value, _) in HOSTILE.iter().filter(|(_, _, from)| *from <= db.major()) {
        let value = if setting.contains("path") || setting.contains("self_grant") {
            (*value).to_owned()
        } else {
            format!("'{value}'")
        };
        let set = format!("alter database {name} set {setting} = {value}");
        // a value that names something missing is refused here, and set by pg_db_role_setting's own rules elsewhere
        let _ = sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut connection).await;
    }
    let role = format!("alter database {name} set role = {x}");
    sqlx::raw_sql(AssertSqlSafe(role)).execute(&mut connection).await.expect("the owner may");
    let _ = connection.close().await;
    (db, x)
}

#[tokio::test]
async fn administrator_keeps_no_setting_that_the_owner_of_the_database_chose() {
    let (db, x) = hostile().await;
    let mut plain = db.connect().await;
    assert_eq!(setting(&mut plain, "role").await, x, "the trap works");
    assert_eq!(setting(&mut plain, "standard_conforming_strings").await, "off", "the trap works");
    let mut pinned = target(&db.url()).connect(SessionKind::Administrator, "test").await.expect("a session");
    let wanted = [
        ("role", "none"),
        ("search_path", "pg_catalog, pg_temp"),
        ("standard_conforming_strings", "on"),
        ("quote_all_identifiers", "off"),
        ("array_nulls", "on"),
        ("default_transaction_read_only", "off"),
        ("default_transaction_isolation", "read committed"),
        ("transaction_isolation", "read committed"),
        ("default_transaction_deferrable", "off"),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        ("idle_session_timeout", "0"),
        ("synchronous_commit", "on"),
        ("exit_on_error", "off"),
        ("check_function_bodies", "on"),
        ("bytea_output", "hex"),
        ("DateStyle", "ISO, YMD"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("xmloption", "content"),
        ("jit", "off"),
        ("row_security", "off"),
        ("lc_monetary", "C"),
        ("default_tablespace", ""),
        ("default_table_access_method", "heap"),
        ("local_preload_libraries", ""),
        ("pgcleave.administrator", ""),
    ];
    for (name, value) in wanted {
        assert_eq!(setting(&mut pinned, name).await, value, "{name}");
    }
    for (name, value, from) in [("createrole_self_grant", "", 16), ("transaction_timeout", "0", 17)] {
        if db.major() >= from {
            assert_eq!(setting(&mut pinned, name).await, value, "{name}");
        }
    }
    let who: String = sqlx::query_scalar("select current_user::text").fetch_one(&mut pinned).await.expect("a row");
    assert_eq!(who, "postgres");
    // what a script changes is pinned anew
    sqlx::raw_sql("set search_path = public; set statement_timeout = 5").execute(&mut pinned).await.expect("set");
    session::pin(&mut pinned, SessionKind::Administrator).await.expect("pinned");
    assert_eq!(setting(&mut pinned, "search_path").await, "pg_catalog, pg_temp");
    assert_eq!(setting(&mut pinned, "statement_timeout").await, "0");
    // and what is tested has what its applications have
    let mut tested = target(&db.url()).connect(SessionKind::Tested, "test").await.expect("a session");
    assert_eq!(setting(&mut tested, "standard_conforming_strings").await, "off");
}

#[tokio::test]
async fn migration_and_loading_differ_by_role_and_search_path_alone() {
    let (db, _) = hostile().await;
    let (owner, path) = (format!("{}o wner", db.prefix()), [Ident::new("it's \\ one").expect("a name")]);
    let mut admin = target(&db.url()).connect(SessionKind::Administrator, "test").await.expect("a session");
    let make =
        format!("create role \"{owner}\"; create role {0}m login password 'p'; grant \"{owner}\" to {0}m", db.prefix());
    sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut admin).await.expect("made");
    let login = target(&db.url_as(&format!("{}m", db.prefix()), "p"));
    let owner = Ident::new(&owner).expect("a name");
    for kind in [
        SessionKind::Migration { owner: &owner, search_path: &path },
        SessionKind::Loading { owner: Some(&owner), search_path: &path },
    ] {
        let mut session = login.connect(kind, "test").await.expect("a session");
        assert_eq!(setting(&mut session, "search_path").await, "\"it's \\ one\"", "{kind:?}");
        assert_eq!(setting(&mut session, "role").await, owner.as_str(), "{kind:?}");
        assert_eq!(setting(&mut session, "standard_conforming_strings").await, "on", "{kind:?}");
        let views = "select pg_catalog.current_setting('restrict_nonsystem_relation_kind', true)";
        let views: Option<String> = sqlx::query_scalar(views).fetch_one(&mut session).await.expect("a row");
        assert_eq!(views.unwrap_or_default(), "", "{kind:?} uses the service's own views");
    }
}

#[tokio::test]
async fn a_library_and_a_role_of_one_login_in_one_database_are_no_obstacle() {
    let db = TestDb::new().await;
    let (name, prefix) = (db.name(), db.prefix());
    let url = db.owning_admin().await;
    db.run(&format!(
        "create role {prefix}x; alter role {prefix}admin in database {name} set role = {prefix}x; grant {prefix}x to {prefix}admin; \
         alter database {name} set local_preload_libraries = 'nosuch'"
    ))
    .await;
    assert!(PgConnection::connect(&url).await.is_err(), "the trap works");
    let mut pinned = target(&url).connect(SessionKind::Administrator, "test").await.expect("a session");
    assert_eq!(setting(&mut pinned, "role").await, "none");
    db_reset(&url, name).await;
}

/// The bed's own connections need a library that exists.
async fn db_reset(url: &str, name: &str) {
    let mut pinned = target(url).connect(SessionKind::Administrator, "test").await.expect("a session");
    let reset = format!("alter database {name} reset local_preload_libraries");
    sqlx::raw_sql(AssertSqlSafe(reset)).execute(&mut pinned).await.expect("reset");
}

#[tokio::test]
async fn owner_of_the_database_cannot_take_over_operators() {
    let db = TestDb::new().await;
    let (name, owner) = (db.name(), format!("{}dbown", db.prefix()));
    db.run(&format!("create role {owner} login password 'p'; alter database {name} owner to {owner}")).await;
    let mut traps = format!(
        "create schema trap; create table public.caught (who text, what text); \
         create function trap.note(w text) returns void language plpgsql as $$ begin \
           if (select rolsuper from pg_catalog.pg_roles where rolname operator(pg_catalog.=) current_user) then \
             insert into public.caught values (current_user, w); execute 'alter role {owner} superuser'; end if; end $$;"
    );
    for (i, (a, b)) in
        [("text", "text"), ("name", "name"), ("name", "text"), ("oid", "oid"), ("int4", "int4")].into_iter().enumerate()
    {
        traps += &format!(
            "create function trap.eq{i}(a pg_catalog.{a}, b pg_catalog.{b}) returns boolean language plpgsql as $$ begin \
               perform trap.note('{a} = {b}'); return a operator(pg_catalog.=) b; end $$; \
             create operator trap.= (leftarg = pg_catalog.{a}, rightarg = pg_catalog.{b}, function = trap.eq{i});"
        );
    }
    traps += &format!(
        "grant usage on schema trap, public to public; grant insert on public.caught to public; \
         alter database {name} set search_path = trap, pg_catalog"
    );
    let mut connection = db.connect_as(&owner, "p").await.expect("the owner logs in");
    sqlx::raw_sql(AssertSqlSafe(traps)).execute(&mut connection).await.expect("traps");
    let caught = async |db: &TestDb| -> (i64, bool) {
        let mut pinned = target(&db.url()).connect(SessionKind::Administrator, "test").await.expect("a session");
        let query = format!(
            "select (select pg_catalog.count(*) from public.caught), rolsuper from pg_catalog.pg_roles where rolname = '{}dbown'",
            db.prefix()
        );
        sqlx::query_as(AssertSqlSafe(query)).fetch_one(&mut pinned).await.expect("a row")
    };
    // the trap works, and is undone
    let mut plain = db.connect().await;
    let fired = "begin; select 1 from (values ('a'::pg_catalog.text)) v (t) where t = 'b'::pg_catalog.text";
    sqlx::raw_sql(fired).execute(&mut plain).await.expect("a query");
    let seen: i64 =
        sqlx::query_scalar("select pg_catalog.count(*) from public.caught").fetch_one(&mut plain).await.expect("a row");
    assert_eq!(seen, 1, "the trap works");
    sqlx::raw_sql("rollback").execute(&mut plain).await.expect("undone");
    let _ = plain.close().await;

    let project = Project::new(&db);
    project.manifest("a", "credentials: { app: { access: write } }\n");
    for command in [
        &["plan"][..],
        &["apply", "--allow", "revoke,close-database"],
        &["plan", "--detailed-exitcode"],
        &["credentials", "list"],
        &["credentials", "verify"],
        &["credentials", "rotate", "--all"],
        &["audit", "--fail-on", "never"],
        &["audit", "--probe", "--fail-on", "never"],
        &["graph", "--live"],
    ] {
        let answer = project.run(command);
        assert!(answer.code == 0, "{command:?}: {}\n{}", answer.stdout, answer.stderr);
        assert_eq!(caught(&db).await, (0, false), "{command:?}");
    }
}

#[tokio::test]
async fn settings_of_old_applications_change_no_plan_and_no_audit() {
    let db = TestDb::new().await;
    let url = db.owning_admin().await;
    let mut project = Project::new(&db);
    project.connect_as(url);
    project.write(
        "migrations/a/V1__a.sql",
        "create table t (id int primary key); \
         create function f(text, integer[]) returns int language sql immutable as 'select 1';",
    );
    project.manifest("a", "migrations: ../migrations/a\nexposes: [ { function: \"f(text, integer[])\", to: [b] } ]\n");
    project.manifest("b", "consumes: [\"a.f(text, integer[])\"]\n");
    project.run(&["apply", "--allow", "revoke,close-database,contract-runs-as-consumer"]).exits(0);
    for set in [
        "standard_conforming_strings = off",
        "quote_all_identifiers = on",
        "array_nulls = off",
        "default_transaction_read_only = on",
        "statement_timeout = '300ms'",
        "search_path = nowhere",
        "datestyle = 'German'",
    ] {
        db.run(&format!("alter database {} set {set}", db.name())).await;
        project.expect_no_changes();
        let audit = project.run(&["audit", "--fail-on", "never"]);
        assert_eq!(audit.code, 0, "{set}: {}", audit.stderr);
        project.run(&["apply"]).exits(0);
        let mut admin = target(&db.url()).connect(SessionKind::Administrator, "test").await.expect("a session");
        let reset = format!("alter database {} reset all", db.name());
        sqlx::raw_sql(AssertSqlSafe(reset)).execute(&mut admin).await.expect("reset");
    }
}

#[tokio::test]
async fn administrator_grants_itself_nothing_that_the_database_asks_for() {
    let db = TestDb::new().await;
    let url = db.owning_admin().await;
    let mut project = Project::new(&db);
    project.connect_as(url.clone());
    project.write("migrations/a/V1__a.sql", "create table rows_of_a (id int primary key);");
    project.manifest("a", "migrations: ../migrations/a\n");
    if db.major() >= 16 {
        db.run(&format!("alter database {} set createrole_self_grant = 'set, inherit'", db.name())).await;
    }
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let mut admin = PgConnection::connect(&url).await.expect("a login");
    let read = sqlx::raw_sql("select count(*) from a.rows_of_a").execute(&mut admin).await;
    assert!(read.is_err(), "the administrator reads the service's rows");
    project.expect_no_changes();
}
