//! Migrations: each service as its owner, and whatever goes wrong with one leaves the others alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use pgcleave::event::Event;
use pgcleave::ident::Ident;
use pgcleave::manifest::service::{AuditPolicy, Position, Project, SecretSink, Service};
use pgcleave::migrate::{self, Error, Options, Outcome};
use pgcleave::model::naming::Naming;
use pgcleave::pg::connect::Target;
use pgcleave::{pg, registry};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::TestDb;

const NO_LOGIN_LEFT: &str =
    "select count(*)::text from pg_roles where rolname like '%pgcleave_migrate_%' and rolname like ";

/// A database with the roles and schemas of some services, and a folder of migrations for each.
struct Shop {
    db: TestDb,
    folder: tempfile::TempDir,
    project: Project,
    admin: String,
}

impl Shop {
    /// Provisions as the superuser.
    async fn new(services: &[&str]) -> Self {
        let db = TestDb::new().await;
        let admin = db.url();
        Self::as_administrator(db, admin, services).await
    }

    /// Provisions as an administrator that is no superuser.
    async fn managed(services: &[&str]) -> Self {
        let db = TestDb::new().await;
        let admin = db.createrole_admin().await;
        Self::as_administrator(db, admin, services).await
    }

    async fn as_administrator(db: TestDb, admin: String, services: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let naming = Naming { prefix: db.prefix().to_owned() };
        let mut connection = PgConnection::connect(&admin).await.expect("the administrator can log in");
        let mut project = project(folder.path(), naming, services);
        for name in services {
            provision(&mut connection, &db, name).await;
        }
        project.root = folder.path().to_owned();
        Self { db, folder, project, admin }
    }

    fn write(&self, service: &str, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(service).join(file), text).expect("a file");
    }

    fn remove(&self, service: &str, file: &str) {
        std::fs::remove_file(self.folder.path().join(service).join(file)).expect("a file less");
    }

    fn target(&self) -> Target {
        Target::parse(&SecretString::from(self.admin.clone())).expect("a connection string")
    }

    async fn migrate(&self) -> BTreeMap<String, Outcome> {
        self.migrate_telling(&|_| ()).await
    }

    async fn migrate_telling(&self, listener: &(dyn Fn(Event) + Send + Sync)) -> BTreeMap<String, Outcome> {
        let outcomes = migrate::run(&self.target(), &self.project, &BTreeSet::new(), &Options::default(), listener)
            .await
            .expect("the run as a whole works");
        outcomes.into_iter().map(|o| (o.service.as_str().to_owned(), o)).collect()
    }

    /// Migrates one service, and gives what was applied or the error's text.
    async fn result(&self, service: &str) -> Result<Vec<String>, String> {
        let outcome = self.migrate().await.remove(service).expect("the service has migrations");
        outcome.error.map_or(Ok(outcome.applied), |error| Err(error.to_string()))
    }

    async fn history(&self, service: &str) -> Vec<String> {
        self.db
            .texts(&format!("select version || ' ' || name from {service}.refinery_schema_history order by version"))
            .await
    }

    async fn assert_no_login_left(&self) {
        let left = self.db.texts(&format!("{NO_LOGIN_LEFT} '{}%'", self.db.prefix())).await;
        assert_eq!(left, ["0"], "temporary logins are left");
    }

    fn owner(&self, service: &str) -> String {
        format!("{}{service}_owner", self.db.prefix())
    }
}

fn project(folder: &Path, naming: Naming, services: &[&str]) -> Project {
    let ident = |name: &str| Ident::new(name).expect("a name");
    let service = |name: &str| {
        let migrations = folder.join(name);
        std::fs::create_dir(&migrations).expect("a folder");
        let service = Service {
            name: ident(name),
            description: None,
            team: None,
            schema: ident(name),
            migrations: Some(migrations),
            database_url_env: None,
            extensions: Vec::new(),
            credentials: BTreeMap::new(),
            exposes: Vec::new(),
            consumes: Vec::new(),
            read_models: Vec::new(),
            event_log: None,
            outbox: None,
            at: Position::default(),
        };
        (ident(name), service)
    };
    Project {
        root: folder.to_owned(),
        naming,
        database_url_env: None,
        secrets: SecretSink::Directory(folder.join(".secrets")),
        audit: AuditPolicy::default(),
        services: services.iter().map(|name| service(name)).collect(),
    }
}

/// Does by hand what apply does before migrations, in the way that works without superuser.
async fn provision(connection: &mut PgConnection, db: &TestDb, service: &str) {
    let p = db.prefix();
    let (options, back) =
        if db.major() >= 16 { ("with inherit false, set true", "granted by current_user") } else { ("", "") };
    let sql = format!(
        "begin; create role {p}{service}_owner; create role {p}{service}_writer;
         grant {p}{service}_owner to current_user {options};
         create schema {service} authorization {p}{service}_owner;
         set local role {p}{service}_owner;
         grant usage on schema {service} to {p}{service}_writer;
         alter default privileges in schema {service} grant select, insert, update, delete on tables to {p}{service}_writer;
         reset role;
         revoke {p}{service}_owner from current_user {back}; commit"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("provisioned");
}

#[tokio::test]
async fn runs_as_the_owner_and_leaves_no_login() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__tables.sql", "create table line (id int);\ninsert into line values (1)");
    shop.write("orders", "V2__who.sql", "create table who as select current_user::text as c, session_user::text as s");
    assert_eq!(shop.result("orders").await, Ok(vec!["V1__tables.sql".to_owned(), "V2__who.sql".to_owned()]));
    let owner = shop.owner("orders");
    let owners = "select distinct tableowner::text from pg_tables where schemaname = 'orders'";
    assert_eq!(shop.db.texts(owners).await, [owner.clone()]);
    assert_eq!(shop.db.texts("select c from orders.who").await, [owner]);
    assert_eq!(shop.history("orders").await, ["1 tables", "2 who"]);
    shop.assert_no_login_left().await;
}

#[tokio::test]
async fn an_administrator_without_superuser_migrates_and_reads_nothing() {
    let shop = Shop::managed(&["orders"]).await;
    shop.write("orders", "V1__tables.sql", "create table line (id int)");
    assert_eq!(shop.result("orders").await, Ok(vec!["V1__tables.sql".to_owned()]));
    shop.write("orders", "V2__more.sql", "create table more (id int)");
    assert_eq!(shop.result("orders").await, Ok(vec!["V2__more.sql".to_owned()]));
    shop.assert_no_login_left().await;
    let mut admin = PgConnection::connect(&shop.admin).await.expect("a login");
    let read = sqlx::query("select * from orders.line").execute(&mut admin).await;
    let code = read.expect_err("not readable").as_database_error().and_then(|e| e.code()).map(String::from);
    assert_eq!(code.as_deref(), Some("42501"));
}

#[tokio::test]
async fn nothing_pending_means_nothing_written() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__tables.sql", "create table line (id int)");
    shop.result("orders").await.expect("migrates");
    let before = shop.db.texts("select pg_current_xact_id()::text").await;
    let said = Mutex::new(Vec::new());
    let outcomes = shop.migrate_telling(&|event| said.lock().expect("no panic").push(event)).await;
    assert!(outcomes["orders"].applied.is_empty() && outcomes["orders"].error.is_none());
    assert!(said.lock().expect("no panic").is_empty(), "no login was made, so nothing was started");
    assert_eq!(before.len(), 1);
    assert_eq!(shop.db.texts("select count(*)::text from pgcleave.migration").await, ["1"]);
}

#[tokio::test]
async fn a_script_that_touches_another_schema_is_stopped_and_the_others_go_on() {
    let shop = Shop::new(&["billing", "orders"]).await;
    shop.write("billing", "V1__tables.sql", "create table invoice (id int)");
    shop.write("orders", "V1__tables.sql", "create table line (id int)");
    shop.migrate().await;
    shop.write("billing", "V2__more.sql", "create table more (id int)");
    shop.write("orders", "V2__steal.sql", "create table half (id int);\n\ninsert into billing.invoice values (1)");
    shop.write("orders", "V3__later.sql", "create table later (id int)");
    let outcomes = shop.migrate().await;
    assert!(outcomes["billing"].error.is_none(), "{:?}", outcomes["billing"]);
    assert_eq!(outcomes["billing"].applied, ["V2__more.sql"]);
    let error = outcomes["orders"].error.as_ref().expect("stopped");
    assert_eq!(error.to_string(), "V2__steal.sql, line 3: permission denied for schema billing (42501)");
    assert_eq!(shop.history("orders").await, ["1 tables"]);
    assert_eq!(shop.db.texts("select to_regclass('orders.half')::text").await, ["null"], "the file is rolled back");
    shop.assert_no_login_left().await;
}

#[tokio::test]
async fn an_error_without_a_position_is_found_by_the_statements_before_it() {
    let shop = Shop::new(&["orders"]).await;
    shop.write(
        "orders",
        "V1__twice.sql",
        "create table line (id int primary key);\n\ninsert into line values (1);\nselect 1; -- ;\ninsert into line\nvalues (1);\nselect 2",
    );
    let error = shop.result("orders").await.expect_err("a duplicate key");
    assert!(error.starts_with("V1__twice.sql, line 5: duplicate key value"), "{error}");
}

#[tokio::test]
async fn a_constraint_that_fails_at_commit_leaves_no_history_row() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__ok.sql", "create table a (id int primary key)");
    shop.write(
        "orders",
        "V2__late.sql",
        "create table b (a int references a deferrable initially deferred);\ninsert into b values (7)",
    );
    let error = shop.result("orders").await.expect_err("a missing key");
    assert!(error.starts_with("V2__late.sql: insert or update on table \"b\""), "{error}");
    assert_eq!(shop.history("orders").await, ["1 ok"]);
}

#[tokio::test]
async fn leaving_the_role_or_the_transaction_is_refused_before_anything_runs() {
    for (bad, line) in [
        ("reset role", 2),
        ("set session authorization postgres", 2),
        ("commit", 2),
        ("do $$ begin\ncommit; end $$", 3),
        ("select set_config('role', 'none', false)", 2),
        ("create index concurrently on line (id)", 2),
        ("\\i other.sql", 2),
    ] {
        let shop = Shop::new(&["orders"]).await;
        shop.write("orders", "V1__ok.sql", "create table line (id int)");
        shop.write("orders", "V2__bad.sql", &format!("create table x (id int);\n{bad};"));
        let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
        assert!(outcome.applied.is_empty(), "{bad}: not even the first file ran");
        let error = outcome.error.expect("refused");
        assert!(matches!(error, Error::Refused(_)), "{bad}: {error}");
        assert!(error.to_string().starts_with(&format!("V2__bad.sql, line {line}: ")), "{error}");
        assert_eq!(shop.db.texts("select to_regclass('orders.line')::text").await, ["null"]);
        shop.assert_no_login_left().await;
    }
}

#[tokio::test]
async fn what_slips_through_the_reading_is_harmless() {
    let shop = Shop::new(&["billing", "orders"]).await;
    shop.write("billing", "V1__tables.sql", "create table invoice (id int)");
    shop.write("orders", "V1__ok.sql", "create table line (id int)");
    shop.migrate().await;
    let owner = shop.owner("orders");
    for (i, (sneaky, expected)) in [
        // Back to the owner, whom the login became when it connected.
        ("do $$ begin execute 'reset role'; end $$; create table x2 (id int)", None),
        (
            "do $$ begin execute 'res' || 'et role'; insert into billing.invoice values (1); end $$",
            Some("permission denied for schema billing"),
        ),
        ("do $$ begin execute 'set ro' || 'le none'; end $$; create table orders.x4 (id int)", Some("left the role")),
        ("do $$ begin execute 'set session auth' || 'orization default'; end $$; select 1", None),
        ("do $$ begin execute 'com' || 'mit'; end $$", Some("EXECUTE of transaction commands is not implemented")),
        (
            "create procedure p() language plpgsql as $$ begin commit; end $$; call p()",
            Some("invalid transaction termination"),
        ),
        (
            "do $$ begin execute 'set session auth' || 'orization postgres'; end $$",
            Some("permission denied to set session authorization"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let file = format!("V{}__sneaky.sql", i + 2);
        shop.write("orders", &file, sneaky);
        let outcome = shop.migrate().await.remove("orders").expect("it has migrations");
        match (expected, &outcome.error) {
            (None, None) => {}
            (Some(expected), Some(error)) => {
                assert!(error.to_string().contains(expected), "{sneaky}: {error}");
                shop.remove("orders", &file);
            }
            (_, error) => panic!("{sneaky}: {error:?}"),
        }
        shop.assert_no_login_left().await;
    }
    let owners = "select distinct tableowner::text from pg_tables where schemaname = 'orders'";
    assert_eq!(shop.db.texts(owners).await, [owner]);
    assert_eq!(shop.db.texts("select count(*)::text from billing.invoice").await, ["0"]);
}

#[tokio::test]
async fn a_script_cannot_change_how_the_next_one_runs() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__path.sql", "set search_path = pg_catalog; set lock_timeout = '1ms'");
    shop.write("orders", "V2__table.sql", "create table line as select current_setting('lock_timeout') as t");
    shop.result("orders").await.expect("migrates");
    assert_eq!(shop.db.texts("select t from orders.line").await, ["0"]);
}

#[tokio::test]
async fn divergent_missing_and_out_of_order_files_are_named_before_anything_runs() {
    let shop = Shop::new(&["billing", "orders"]).await;
    for (version, name) in [(1, "a"), (2, "b"), (4, "d")] {
        shop.write("orders", &format!("V{version}__{name}.sql"), &format!("create table {name} (id int)"));
    }
    shop.write("billing", "V1__a.sql", "create table a (id int)");
    shop.result("orders").await.expect("migrates");
    shop.write("orders", "V1__a.sql", "create table a (id bigint)");
    shop.remove("orders", "V2__b.sql");
    shop.write("orders", "V3__late.sql", "create table late (id int)");
    shop.write("orders", "V5__new.sql", "create table new (id int)");
    shop.write("billing", "V2__b.sql", "create table b (id int)");
    let outcomes = shop.migrate().await;
    let error = outcomes["orders"].error.as_ref().expect("stopped").to_string();
    let lines: Vec<&str> = error.lines().map(|line| line.split(" on 2").next().expect("a first part")).collect();
    assert_eq!(
        lines,
        [
            "V1__a.sql has changed since it was applied as V1__a.sql",
            "V2__b.sql was applied",
            "V3__late.sql has not been applied, but the newer V4__d.sql has"
        ]
    );
    assert_eq!(shop.history("orders").await, ["1 a", "2 b", "4 d"]);
    assert_eq!(outcomes["billing"].applied, ["V2__b.sql"]);
    shop.assert_no_login_left().await;
}

#[tokio::test]
async fn bad_files_stop_one_service_only() {
    let shop = Shop::new(&["billing", "orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.write("orders", "V01__b.sql", "create table b (id int)");
    shop.write("orders", "2_c.sql", "create table c (id int)");
    shop.write("billing", "V1__a.sql", "create table a (id int)");
    let outcomes = shop.migrate().await;
    let error = outcomes["orders"].error.as_ref().expect("stopped").to_string();
    assert!(error.contains("2_c.sql") && error.contains("V1__a.sql: has the same version as V01__b.sql"), "{error}");
    assert_eq!(outcomes["billing"].applied, ["V1__a.sql"]);
}

#[tokio::test]
async fn no_transaction_runs_one_statement_at_a_time() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__table.sql", "create table line (id int, n int)");
    shop.write(
        "orders",
        "V2__indexes.sql",
        "-- pgcleave: no-transaction\ncreate index concurrently if not exists line_id on line (id);\nvacuum line;\ncreate unique index concurrently if not exists line_n on missing (n);",
    );
    let error = shop.result("orders").await.expect_err("there is no such table");
    assert_eq!(
        error,
        "V2__indexes.sql, line 4: relation \"missing\" does not exist (42P01); the 2 statements before it stay done, and the next run starts the file again"
    );
    assert_eq!(shop.history("orders").await, ["1 table"]);
    shop.write(
        "orders",
        "V2__indexes.sql",
        "-- pgcleave: no-transaction\ncreate index concurrently if not exists line_id on line (id);\ncreate unique index concurrently if not exists line_n on line (n)",
    );
    assert_eq!(shop.result("orders").await, Ok(vec!["V2__indexes.sql".to_owned()]));
    let indexes = "select indexrelid::regclass::text from pg_index where indrelid = 'orders.line'::regclass and indisvalid order by 1";
    assert_eq!(shop.db.texts(indexes).await, ["orders.line_id", "orders.line_n"]);
    assert_eq!(shop.history("orders").await, ["1 table", "2 indexes"]);
}

#[tokio::test]
async fn what_a_script_without_a_transaction_made_as_the_login_goes_to_the_owner() {
    for shop in [Shop::new(&["orders"]).await, Shop::managed(&["orders"]).await] {
        shop.write(
            "orders",
            "V1__sneaky.sql",
            "-- pgcleave: no-transaction\ndo $$ begin execute 'set ro' || 'le none'; execute 'create table orders.x (id int)'; end $$;",
        );
        let error = shop.result("orders").await.expect_err("it left the role");
        assert!(error.contains("left the role"), "{error}");
        shop.assert_no_login_left().await;
        let owners = "select distinct tableowner::text from pg_tables where schemaname = 'orders'";
        assert_eq!(shop.db.texts(owners).await, [shop.owner("orders")]);
    }
}

#[tokio::test]
async fn two_runs_at_once_apply_each_file_once() {
    let shop = Shop::new(&["billing", "orders"]).await;
    for service in ["billing", "orders"] {
        shop.write(service, "V1__a.sql", "create table a (id int); select pg_sleep(0.2)");
        shop.write(service, "V2__b.sql", "create table b (id int)");
    }
    let (one, two) = tokio::join!(shop.migrate(), shop.migrate());
    for service in ["billing", "orders"] {
        assert!(one[service].error.is_none() && two[service].error.is_none(), "{one:?} {two:?}");
        assert_eq!(one[service].applied.len() + two[service].applied.len(), 2, "{one:?} {two:?}");
        assert_eq!(shop.history(service).await, ["1 a", "2 b"]);
    }
    shop.assert_no_login_left().await;
}

#[tokio::test]
async fn services_do_not_wait_for_each_other() {
    let shop = Shop::new(&["billing", "orders"]).await;
    shop.write("billing", "V1__a.sql", "create table a (id int)");
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    let mut other = shop.db.connect().await;
    pg::lock::take(&mut other, "the migrations of schema orders", 0, &|_| ()).await.expect("nobody holds it");
    let options = Options { lock_wait_seconds: 0, ..Options::default() };
    let outcomes =
        migrate::run(&shop.target(), &shop.project, &BTreeSet::new(), &options, &|_| ()).await.expect("runs");
    assert_eq!(outcomes[0].applied, ["V1__a.sql"]);
    assert!(matches!(outcomes[1].error, Some(Error::Lock(_))), "{outcomes:?}");
}

#[tokio::test]
async fn a_killed_runs_login_and_its_session_are_swept() {
    for shop in [Shop::new(&["orders"]).await, Shop::managed(&["orders"]).await] {
        shop.write("orders", "V1__a.sql", "create table a (id int)");
        shop.result("orders").await.expect("migrates");
        // The name of a login that a run on this schema makes, taken from the run itself.
        shop.write("orders", "V2__name.sql", "create table name as select session_user::text as n");
        shop.result("orders").await.expect("migrates");
        let name = shop.db.texts("select n from orders.name").await.remove(0);
        let left = format!("{}{}", &name[..name.len() - 8], "0badc0de");
        let mut admin = PgConnection::connect(&shop.admin).await.expect("a login");
        let make = format!(
            "create role {left} login password 'x'; alter role {left} in database {} set role = '{}'; grant {} to {left}",
            shop.db.name(),
            shop.owner("orders"),
            shop.owner("orders")
        );
        sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut admin).await.expect("a leftover");
        let mut session = shop.db.connect_as(&left, "x").await.expect("it can log in");
        sqlx::raw_sql("begin; lock table orders.a").execute(&mut session).await.expect("a lock that stands in the way");
        shop.write("orders", "V3__b.sql", "alter table a add b int");
        assert_eq!(shop.result("orders").await, Ok(vec!["V3__b.sql".to_owned()]));
        assert!(sqlx::query("select 1").execute(&mut session).await.is_err(), "its session was ended");
        shop.assert_no_login_left().await;
    }
}

#[tokio::test]
async fn an_interrupt_cancels_the_statement_and_drops_the_login() {
    let shop = Shop::managed(&["orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.write("orders", "V2__slow.sql", "create table b (id int); select pg_sleep(60)");
    let options = Options::default();
    let interrupt = options.interrupt.clone();
    let (target, services) = (shop.target(), BTreeSet::new());
    let run = migrate::run(&target, &shop.project, &services, &options, &|_| ());
    let pull = async {
        while shop.db.texts("select count(*)::text from pg_stat_activity where query like '%pg_sleep(60)%' and usename like '%migrate%' and state = 'active'").await != ["1"] {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        interrupt.request();
    };
    let (outcomes, ()) = tokio::join!(run, pull);
    let outcomes = outcomes.expect("the run as a whole ends");
    assert!(matches!(outcomes[0].error, Some(Error::Interrupted)), "{outcomes:?}");
    assert_eq!(outcomes[0].applied, ["V1__a.sql"]);
    assert_eq!(shop.history("orders").await, ["1 a"]);
    shop.assert_no_login_left().await;
}

#[tokio::test]
async fn pending_is_told_without_reading_the_services_tables() {
    let shop = Shop::managed(&["billing", "orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.write("billing", "V1__a.sql", "create table a (id int)");
    let mut admin = PgConnection::connect(&shop.admin).await.expect("a login");
    let names = |pending: migrate::Pending| -> Vec<String> {
        assert!(pending.problems.is_empty(), "{pending:?}");
        pending.migrations.iter().map(|p| format!("{}/{}", p.service.as_str(), p.file)).collect()
    };
    let pending = migrate::pending(&mut admin, &shop.project).await.expect("works without a registry");
    assert_eq!(names(pending), ["billing/V1__a.sql", "orders/V1__a.sql"]);
    shop.migrate().await;
    shop.write("orders", "V2__b.sql", "create table b (id int)");
    assert_eq!(names(migrate::pending(&mut admin, &shop.project).await.expect("works")), ["orders/V2__b.sql"]);
    // A copy that lags behind, as a kill leaves it, heals with the next run.
    shop.db.run("delete from pgcleave.migration").await;
    assert_eq!(names(migrate::pending(&mut admin, &shop.project).await.expect("works")).len(), 3);
    assert_eq!(shop.result("orders").await, Ok(vec!["V2__b.sql".to_owned()]));
    assert!(names(migrate::pending(&mut admin, &shop.project).await.expect("works")).is_empty());
    // A schema that was dropped and made anew is migrated anew.
    shop.db.run("drop table orders.refinery_schema_history, orders.a, orders.b").await;
    assert_eq!(names(migrate::pending(&mut admin, &shop.project).await.expect("works")).len(), 2);
    assert_eq!(shop.result("orders").await.map(|files| files.len()), Ok(2));
}

#[tokio::test]
async fn pending_tells_what_cannot_run() {
    let shop = Shop::new(&["billing", "orders"]).await;
    shop.write("orders", "V1__a.sql", "commit");
    shop.write("billing", "V1__a.sql", "create table a (id int)");
    let pending = migrate::pending(&mut shop.db.connect().await, &shop.project).await.expect("works");
    assert_eq!(pending.migrations.len(), 1);
    assert!(matches!(pending.problems.as_slice(), [(service, Error::Refused(_))] if service.as_str() == "orders"));
}

#[tokio::test]
async fn the_writer_cannot_change_the_history() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.result("orders").await.expect("migrates");
    let may = |table: &str, privilege: &str| {
        format!(
            "select has_table_privilege('{}orders_writer', 'orders.{table}', '{privilege}')::text",
            shop.db.prefix()
        )
    };
    for privilege in ["insert", "update", "delete", "truncate"] {
        assert_eq!(shop.db.texts(&may("refinery_schema_history", privilege)).await, ["false"], "{privilege}");
    }
    assert_eq!(shop.db.texts(&may("a", "insert")).await, ["true"]);
}

#[tokio::test]
async fn a_service_that_is_not_provisioned_is_told_so() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.db.run("drop schema orders").await;
    assert_eq!(
        shop.result("orders").await,
        Err(format!("the schema orders of {} is not there yet", shop.owner("orders")))
    );
    shop.assert_no_login_left().await;
}

#[tokio::test]
async fn no_password_reaches_the_server() {
    let shop = Shop::new(&["orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a as select session_user::text as n");
    shop.result("orders").await.expect("migrates");
    let name = shop.db.texts("select n from orders.a").await.remove(0);
    let log = crate::support::server_log().await;
    let creation = log.lines().find(|line| line.contains(&format!("create role \"{name}\""))).expect("it is logged");
    assert!(creation.contains("password 'SCRAM-SHA-256$4096:"), "{creation}");
}

#[tokio::test]
async fn a_registry_of_a_newer_pgcleave_is_refused() {
    let db = TestDb::new().await;
    let mut connection = db.connect().await;
    assert!(!registry::exists(&mut connection).await.expect("works"));
    registry::ensure(&mut connection).await.expect("made");
    registry::ensure(&mut connection).await.expect("nothing to do");
    assert!(registry::exists(&mut connection).await.expect("works"));
    db.run("insert into pgcleave.refinery_schema_history values (999, 'later', '2030-01-01T00:00:00Z', '1')").await;
    let error = registry::ensure(&mut connection).await.expect_err("newer");
    assert!(error.to_string().starts_with("the registry has version 999"), "{error}");
}

#[tokio::test]
async fn the_registry_is_made_once_by_many_and_by_an_administrator_without_superuser() {
    let db = TestDb::new().await;
    let url = db.createrole_admin().await;
    let make = || async {
        let mut connection = PgConnection::connect(&url).await.expect("a login");
        registry::ensure(&mut connection).await
    };
    let (a, b, c) = tokio::join!(make(), make(), make());
    a.and(b).and(c).expect("all three end well");
    assert_eq!(db.texts("select count(*)::text from pgcleave.refinery_schema_history").await, ["2"]);
    let service = registry::Registered {
        name: Ident::new("orders").expect("a name"),
        schema: Ident::new("orders").expect("a name"),
        role_prefix: "x_".to_owned(),
    };
    let mut connection = PgConnection::connect(&url).await.expect("a login");
    registry::record_service(&mut connection, &service).await.expect("recorded");
    registry::record_service(&mut connection, &service).await.expect("recorded again");
    assert_eq!(registry::services(&mut connection).await.expect("listed"), [service]);
    assert_eq!(registry::record_plan(&mut connection, "abc", 3, "{\"a\": 1}").await.expect("recorded"), 1);
}
