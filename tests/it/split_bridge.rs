//! The bridge over real servers: consumers find what they had, under the same names, and nobody gets more.

mod advice;
mod end;
mod hostile;
mod midway;
mod two;

use std::process::{Command, Stdio};
use std::time::Duration;

use pgcleave::error::Coded as _;
use pgcleave::ident::Ident;
use pgcleave::load;
use pgcleave::manifest::service::Project as Manifests;
use pgcleave::pg::connect::Target;
use pgcleave::split::bridge::Bridge;
use pgcleave::split::bridge::contract::Direction;
use pgcleave::split::{Between, Error};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::{Answer, Dedicated, Project, TestDb, answer, pg_dump_folder};

const ORDERS: &str = "
migrations: ../migrations/orders
database: { url_env: ORDERS_URL }
credentials:
  app: { access: write }
exposes:
  - { view: order_summary, to: [shipping] }
  - { table: remarks, to: [shipping], privileges: [select, insert] }
consumes: [billing.invoice_status]
";

const BILLING: &str = "
migrations: ../migrations/billing
exposes:
  - { view: invoice_status, to: [orders] }
";

const SHIPPING: &str = "
credentials:
  app: { access: read }
consumes: [orders.order_summary, orders.remarks]
";

const ORDERS_V1: &str = "
create type status as enum ('new', 'paid', 'it''s odd');
create domain cents as numeric(12, 2) check (value >= 0);
create table orders (id bigint primary key, \"State\" status not null, total cents, tags status[], secret text);
create view order_summary as select id, \"State\", total, tags from orders;
create table remarks (id bigint primary key, text text);
insert into orders values (1, 'new', 10.5, '{new,paid}', 'x'), (2, 'it''s odd', null, null, 'y');
";

/// Three services, of which orders lives on a server of its own.
struct Shop {
    db: TestDb,
    own: Dedicated,
    project: Project,
}

impl Shop {
    async fn new() -> Self {
        let db = TestDb::new().await;
        let url = db.url();
        Self::administered(db, url).await
    }

    /// The same, with another administrator of the shared database.
    async fn administered(db: TestDb, url: String) -> Self {
        let own = Dedicated::start().await;
        run(&own.url("postgres"), "create database orders").await;
        let mut project = Project::new(&db);
        project.connect_as(url);
        project.manifest("orders", ORDERS);
        project.manifest("billing", BILLING);
        project.manifest("shipping", SHIPPING);
        project.write("migrations/orders/V1__orders.sql", ORDERS_V1);
        project.write(
            "migrations/billing/V1__invoices.sql",
            "create table invoices (id bigint primary key, paid boolean); \
             create view invoice_status as select id, paid from invoices; insert into invoices values (7, true);",
        );
        let shop = Self { db, own, project };
        shop.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        shop
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let mut command = self.project.command(arguments);
        answer(command.env("ORDERS_URL", self.own.url("orders")).output().expect("the binary runs"))
    }

    fn manifests(&self) -> Manifests {
        load::project(self.project.path(), Some("test")).expect("the manifests are valid")
    }

    async fn between(&self) -> Between {
        Between {
            service: "orders".to_owned(),
            schema: Ident::new("orders").expect("a name"),
            source: target(&self.db.url()),
            target: target(&self.own.url("orders")),
            source_from_target: None,
            target_from_source: Some(target(&self.own.url_from_servers("orders").await)),
        }
    }

    async fn bridge(&self, between: &Between, direction: Direction) -> Result<Bridge, Error> {
        let manifests = self.manifests();
        let orders = &manifests.services["orders"];
        Bridge::read(between, &manifests, orders, direction).await
    }

    /// Picks the audit's errors, and its warnings that a bridge could give, about this test's own roles; other tests' are on the same server.
    fn errors<'a>(&self, audited: &'a serde_json::Value) -> Vec<&'a serde_json::Value> {
        let is_ours = |f: &&serde_json::Value| {
            let principal = f["principal"].as_str().unwrap_or_default();
            let rule = f["rule"].as_str().unwrap_or_default();
            let counts = f["severity"] == "error" || ["CPL08", "CPL14", "FDW02", "FUT02"].contains(&rule);
            counts && (principal == "PUBLIC" || principal.starts_with(self.db.prefix()))
        };
        audited["findings"].as_array().expect("a list").iter().filter(is_ours).collect()
    }

    /// Gives shipping's own connection, in the shared database.
    async fn shipping(&self) -> PgConnection {
        let file = format!(".secrets/{}shipping_app.env", self.db.prefix());
        let secret = std::fs::read_to_string(self.project.path().join(file)).expect("a secret");
        let url = secret.lines().find_map(|line| line.strip_prefix("DATABASE_URL=")).expect("a connection string");
        PgConnection::connect(url.trim_matches(['"', '\''])).await.expect("shipping logs in")
    }

    async fn there(&self, sql: &str) -> String {
        let mut connection = PgConnection::connect(&self.own.url("orders")).await.expect("the superuser connects");
        text(&mut connection, &sql.replace('@', self.db.prefix())).await
    }

    async fn here(&self, sql: &str) -> String {
        self.db.texts(&sql.replace('@', self.db.prefix())).await.concat()
    }
}

fn target(url: &str) -> Target {
    Target::parse(&SecretString::from(url)).expect("a connection string")
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the superuser connects");
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await {
        panic!("{error}\n{sql}");
    }
}

async fn text(connection: &mut PgConnection, sql: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap_or_else(|error| panic!("{error}\n{sql}"))
}

const SUMMARY: &str = "select string_agg(s::text, ' ' order by id) from orders.order_summary s";

#[tokio::test]
async fn consumers_find_what_the_service_exposes_under_the_same_names() {
    let shop = Shop::new().await;
    let between = shop.between().await;
    shop.bridge(&between, Direction::Exposed).await.expect("it reads").build().await.expect("it builds");
    let mut shipping = shop.shipping().await;
    assert_eq!(text(&mut shipping, SUMMARY).await, r#"(1,new,10.50,"{new,paid}") (2,"it's odd",,)"#);
    assert_eq!(shop.there(SUMMARY).await, text(&mut shipping, SUMMARY).await);
    let filtered = "select count(*)::text from orders.order_summary where \"State\" = 'paid' or id = 2";
    assert_eq!(text(&mut shipping, filtered).await, "1");
    sqlx::raw_sql("insert into orders.remarks values (1, 'fragile')").execute(&mut shipping).await.expect("a contract");
    assert_eq!(shop.there("select text from orders.remarks").await, "fragile");
    // what no contract gives is neither here nor there
    let more = "select has_table_privilege('@orders_caller', 'orders.order_summary', 'select')::text \
                || has_table_privilege('@orders_caller', 'orders.orders', 'select')::text \
                || has_table_privilege('@orders_caller', 'orders.remarks', 'delete')::text";
    assert_eq!(shop.there(more).await, "truefalsefalse");
    assert!(sqlx::raw_sql("delete from orders.remarks").execute(&mut shipping).await.is_err());
    let schema = format!("select from \"{0}orders_bridge\".reach", shop.db.prefix());
    assert!(sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut shipping).await.is_err(), "the way itself is closed");

    // the plan knows the bridge, keeps it up and takes nothing away
    shop.run(&["plan", "--detailed-exitcode", "--prune", "-v"]).exits(0);
    shop.db.run(&format!("revoke select on orders.remarks from {}shipping_reader", shop.db.prefix())).await;
    shop.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    assert_eq!(text(&mut shipping, "select text from orders.remarks").await, "fragile");
    let audited = shop.run(&["audit", "--format", "json"]).json();
    let errors = shop.errors(&audited);
    assert!(errors.is_empty(), "{errors:#?}");
}

#[tokio::test]
async fn it_can_be_built_again_and_no_log_has_its_password() {
    let shop = Shop::new().await;
    shop.db.log_statements().await;
    let between = shop.between().await;
    let password = "select split_part(o, '=', 2) from pg_user_mapping m, unnest(m.umoptions) o where o like 'password=%' \
                    and m.umuser = '@orders_bridge'::regrole";
    let mut seen = Vec::new();
    for _ in 0..2 {
        shop.bridge(&between, Direction::Exposed).await.expect("it reads").build().await.expect("it builds");
        seen.push(shop.here(password).await);
        assert_eq!(text(&mut shop.shipping().await, SUMMARY).await, shop.there(SUMMARY).await);
    }
    assert_ne!(seen[0], seen[1]);
    assert_eq!(seen[0].len(), 64);
    let log = shop.db.log().await;
    assert!(log.contains("create user mapping for"), "the log is the one that would have it");
    assert!(seen.iter().all(|password| !log.contains(password)));
}

#[tokio::test]
async fn an_administrator_who_is_no_superuser_builds_it_and_keeps_no_way_in() {
    let db = TestDb::new().await;
    let url = db.owning_admin().await;
    let shop = Shop::administered(db, url.clone()).await;
    let admin = format!("{}admin", shop.db.prefix());
    // the one thing that only a superuser can do
    let prepare =
        "create extension postgres_fdw with schema pgcleave; grant usage on foreign data wrapper postgres_fdw to";
    shop.db.run(&format!("{prepare} {admin}")).await;
    let between = Between { source: target(&url), ..shop.between().await };
    let bridge = shop.bridge(&between, Direction::Exposed).await.expect("it reads");
    bridge.build().await.expect("it builds");
    bridge.build().await.expect("it builds again");
    assert_eq!(text(&mut shop.shipping().await, SUMMARY).await, shop.there(SUMMARY).await);
    let way = "select has_schema_privilege('@admin', 'orders', 'usage')::text \
               || has_table_privilege('@admin', 'orders.order_summary', 'select')::text";
    assert_eq!(shop.here(way).await, "falsefalse");
    bridge.remove().await.expect("it goes");
    let left = "select (select count(*) from pg_roles where rolname = '@orders_bridge') + (select count(*) from pg_foreign_server)";
    assert_eq!(shop.here(&format!("select ({left})::text")).await, "0");
}

#[tokio::test]
async fn taken_down_it_leaves_nothing() {
    let shop = Shop::new().await;
    let between = shop.between().await;
    let bridge = shop.bridge(&between, Direction::Exposed).await.expect("it reads");
    bridge.build().await.expect("it builds");
    bridge.remove().await.expect("it goes");
    bridge.remove().await.expect("there is nothing any more");
    let left = "select (select count(*) from pg_namespace where nspname in ('orders', '@orders_bridge')) \
                + (select count(*) from pg_roles where rolname in ('@orders_bridge', '@orders_caller')) \
                + (select count(*) from pg_foreign_server)";
    assert_eq!(shop.here(&format!("select ({left})::text")).await, "0");
    let roles = "select count(*)::text from pg_roles where rolname like '@orders\\_caller'";
    assert_eq!(shop.there(roles).await, "0");
}

#[tokio::test]
async fn what_cannot_be_bridged_is_refused_before_anything_is_made() {
    let shop = Shop::new().await;
    let more = "  - { function: \"cancel(bigint)\", to: [shipping] }\nconsumes";
    shop.project.manifest("orders", &ORDERS.replace("consumes", more));
    shop.project.manifest("shipping", &SHIPPING.replace("remarks]", "remarks, \"orders.cancel(bigint)\"]"));
    let between = shop.between().await;
    let bridge = shop.bridge(&between, Direction::Exposed).await.expect("it reads");
    let refused = bridge.build().await.expect_err("a function cannot be bridged");
    assert_eq!(refused.code(), "split-bridge");
    assert!(refused.to_string().contains("orders.cancel(bigint) cannot be bridged"), "{refused}");
    assert_eq!(shop.here("select count(*)::text from pg_roles where rolname = '@orders_bridge'").await, "0");

    shop.project.manifest("orders", ORDERS);
    shop.project.manifest("shipping", SHIPPING);
    let way = Some(target("postgresql://x@127.0.0.1:1/orders"));
    let nowhere = Between { target_from_source: way, ..shop.between().await };
    let bridge = shop.bridge(&nowhere, Direction::Exposed).await.expect("it reads");
    let refused = bridge.build().await.expect_err("nobody answers there");
    assert!(refused.to_string().contains("gets no answer from 127.0.0.1:1"), "{refused}");

    let trust =
        "do $$ begin execute format('copy (select 1) to program %L', format('sed -i ''1i host all all all trust'' %s',
                 current_setting('hba_file'))); end $$";
    run(&shop.own.url("postgres"), trust).await;
    run(&shop.own.url("postgres"), "select pg_reload_conf()").await;
    let bridge = shop.bridge(&between, Direction::Exposed).await.expect("it reads");
    let refused = bridge.build().await.expect_err("nobody is asked for a password there");
    assert!(refused.to_string().contains("no password (trust in its pg_hba.conf)"), "{refused}");
    assert_eq!(shop.here("select (to_regclass('orders.order_summary') is null)::text").await, "true");
}

#[tokio::test]
async fn what_the_service_consumes_is_brought_to_its_own_server() {
    let (mut shop, shared) = (Shop::new().await, Dedicated::start().await);
    run(&shared.url("postgres"), "create database shop").await;
    shop.project.connect_as(shared.url("shop"));
    shop.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let between = Between {
        source: target(&shared.url("shop")),
        source_from_target: Some(target(&shared.url_from_servers("shop").await)),
        ..shop.between().await
    };
    let bridge = shop.bridge(&between, Direction::Consumed).await.expect("it reads");
    bridge.build().await.expect("it builds");
    let asked = "set role @orders_reader; select string_agg(i::text, ' ') from billing.invoice_status i";
    let mut there = PgConnection::connect(&shop.own.url("orders")).await.expect("the superuser connects");
    let (role, asked) = asked.split_once("; ").expect("two statements");
    let role = role.replace('@', shop.db.prefix());
    sqlx::raw_sql(AssertSqlSafe(role)).execute(&mut there).await.expect("a role");
    assert_eq!(text(&mut there, asked).await, "(7,t)");
    shop.run(&["plan", "--detailed-exitcode", "--prune", "-v"]).exits(0);
    let audited = shop.run(&["audit", "--format", "json"]).json();
    let errors = shop.errors(&audited);
    assert!(errors.is_empty(), "{errors:#?}");
    bridge.remove().await.expect("it goes");
    assert_eq!(shop.there("select (to_regnamespace('billing') is null)::text").await, "true");
}

/// A shop whose orders has yet to move from one server of its own to another.
struct Moving {
    shop: Shop,
    shared: Dedicated,
}

/// The manifest of orders while it lives in the shared database.
fn together() -> String {
    ORDERS.replace("database: { url_env: ORDERS_URL }\n", "")
}

impl Moving {
    async fn new(orders: &str, shipping: &str) -> Self {
        Self::to(Dedicated::start().await, orders, shipping).await
    }

    /// The same, to this server.
    async fn to(own: Dedicated, orders: &str, shipping: &str) -> Self {
        let (db, shared) = (TestDb::new().await, Dedicated::start().await);
        run(&own.url("postgres"), "create database orders").await;
        run(&shared.url("postgres"), "create database shop").await;
        let mut project = Project::new(&db);
        project.connect_as(shared.url("shop"));
        project.manifest("orders", orders);
        project.manifest("billing", BILLING);
        project.manifest("shipping", shipping);
        project.write("migrations/orders/V1__orders.sql", ORDERS_V1);
        project.write(
            "migrations/billing/V1__invoices.sql",
            "create table invoices (id bigint primary key, paid boolean); \
             create view invoice_status as select id, paid from invoices; insert into invoices values (7, true);",
        );
        let moving = Self { shop: Shop { db, own, project }, shared };
        moving.shop.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        moving
    }

    async fn split(&self, arguments: &[&str]) -> Answer {
        answer(self.command(arguments).await.output().expect("the binary runs"))
    }

    /// Runs a command and kills it, later and later, until once it comes to its end.
    async fn killed_and_finished(&self, arguments: &[&str]) {
        let mut command = self.command(arguments).await;
        let mut moment = Duration::from_millis(40);
        loop {
            let mut running = command.stdout(Stdio::null()).spawn().expect("the binary starts");
            tokio::time::sleep(moment).await;
            let ended = running.try_wait().expect("it can be asked");
            let _ = running.kill();
            running.wait().expect("it ends");
            if let Some(status) = ended {
                assert!(status.success(), "{status} after kills until {moment:?}");
                return;
            }
            moment = moment * 3 / 2;
        }
    }

    async fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.shop.project.command(&["split", arguments[0], "orders"]);
        command.args(&arguments[1..]).env("TARGET_DATABASE_URL", self.shop.own.url("orders"));
        command.env("PGCLEAVE_SOURCE_FROM_TARGET", self.shared.url_from_servers("shop").await);
        command.env("PGCLEAVE_TARGET_FROM_SOURCE", self.shop.own.url_from_servers("orders").await);
        command.envs(pg_dump_folder(self.shared.major()).await.map(|folder| ("PGCLEAVE_PG_BIN", folder)));
        command
    }

    /// Fails where there is no pg_dump for the servers: a test that cannot run proves nothing.
    async fn needs_pg_dump(&self) {
        let major = self.shared.major();
        let found = pg_dump_folder(major).await.is_some();
        assert!(found, "no pg_dump of PostgreSQL {major}: install its client programs, or let the tests use Docker");
    }

    /// Asks the shared database as a consumer's reader.
    async fn as_shipping(&self, sql: &str) -> String {
        let mut connection = PgConnection::connect(&self.shared.url("shop")).await.expect("the superuser connects");
        let role = format!("set role {}shipping_reader", self.shop.db.prefix());
        sqlx::raw_sql(AssertSqlSafe(role)).execute(&mut connection).await.expect("a role");
        text(&mut connection, sql).await
    }
}

#[tokio::test]
async fn a_finished_split_leaves_the_contracts_where_they_were() {
    let together = together();
    let moving = Moving::new(&together, SHIPPING).await;
    moving.needs_pg_dump().await;
    moving.split(&["check"]).await.exits(0);
    moving.split(&["start"]).await.exits(0);
    let consumed = "select string_agg(i::text, ' ') from billing.invoice_status i";
    assert_eq!(moving.shop.there(consumed).await, "(7,t)", "before the cutover");
    moving.split(&["cutover"]).await.exits(0);
    let file = format!(".secrets/{}orders_app.env", moving.shop.db.prefix());
    let secret = || std::fs::read_to_string(moving.shop.project.path().join(&file)).expect("a secret");
    let line = |secret: String, name: &str| secret.lines().find(|l| l.starts_with(name)).expect("a line").to_owned();
    let before = line(secret(), "PGPASSWORD");
    moving.killed_and_finished(&["finish"]).await;
    assert_eq!(line(secret(), "PGPASSWORD"), before);
    assert_eq!(line(secret(), "PGDATABASE"), "PGDATABASE=orders");
    run(&moving.shop.own.url("orders"), "insert into orders.orders values (3, 'paid', 1, null, 'z')").await;
    let seen = "select string_agg(id || ' ' || \"State\", ',' order by id) from orders.order_summary";
    assert_eq!(moving.as_shipping(seen).await, "1 new,2 it's odd,3 paid");

    moving.shop.project.manifest("orders", ORDERS);
    moving.shop.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    moving.shop.run(&["plan", "--detailed-exitcode", "-v"]).exits(0);
    moving.shop.run(&["credentials", "verify"]).exits(0);
    assert_eq!(line(secret(), "PGPASSWORD"), before, "nobody needs a new password");
    assert_eq!(moving.as_shipping(seen).await, "1 new,2 it's odd,3 paid");
}

#[tokio::test]
async fn tables_of_contracts_can_be_kept_as_replicated_copies() {
    let together = together();
    let moving = Moving::new(&together, SHIPPING).await;
    moving.needs_pg_dump().await;
    moving.split(&["start"]).await.exits(0);
    moving.split(&["cutover"]).await.exits(0);
    let refused = moving.split(&["finish", "--bridge", "copy"]).await.exits(1);
    assert!(refused.stderr.contains("orders.order_summary cannot be replicated"), "{}", refused.stderr);
    let table = together.replace("  - { view: order_summary, to: [shipping] }\n", "");
    moving.shop.project.manifest("orders", &table);
    moving.shop.project.manifest("shipping", &SHIPPING.replace("orders.order_summary, ", ""));
    moving.killed_and_finished(&["finish", "--bridge", "copy"]).await;
    moving.split(&["finish", "--bridge", "copy"]).await.exits(0);
    run(&moving.shop.own.url("orders"), "insert into orders.remarks values (1, 'fragile')").await;
    let seen = "select coalesce(string_agg(text, ','), '') from orders.remarks";
    for _ in 0..200 {
        if moving.as_shipping(seen).await == "fragile" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the copy does not follow: {:?}", moving.as_shipping(seen).await);
}
