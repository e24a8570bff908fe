//! Services that consume from each other move one after the other, and in the midst of each other's moves.

use sqlx::{Connection as _, PgConnection};

use super::{run, text};
use crate::support::{Answer, Dedicated, answer, pg_dump_folder};

const USERS: &str = "
service: users
migrations: ../migrations/users
credentials:
  app: { access: write }
exposes:
  - { view: directory, to: [orders, billing] }
  - { table: countries, to: [orders] }
consumes: [orders.summary]
";

const ORDERS: &str = "
service: orders
migrations: ../migrations/orders
credentials:
  app: { access: write }
  ro: { access: read }
exposes:
  - { view: summary, to: [billing, users] }
consumes: [users.directory, users.countries]
";

const BILLING: &str = "
service: billing
credentials:
  app: { access: write }
consumes: [users.directory, orders.summary]
";

const USERS_V1: &str = "create table person (id int primary key, name text, secret text); \
    create view directory as select id, name from person; create table countries (id int primary key, name text); \
    insert into person values (1, 'Ann', 'x'); insert into countries values (7, 'Chile');";

const ORDERS_V1: &str = "create table item (id int primary key, person int); \
    create view summary as select person, count(*) as n from item group by person; insert into item values (1, 1), (2, 1);";

/// Two servers: the shared one, and one with a database for each service that moves.
struct Neighbours {
    shared: Dedicated,
    own: Dedicated,
    folder: tempfile::TempDir,
    programs: Option<std::path::PathBuf>,
}

impl Neighbours {
    async fn new() -> Self {
        let (shared, own) = (Dedicated::start().await, Dedicated::start().await);
        run(&shared.url("postgres"), "create database shop").await;
        for service in ["users", "orders"] {
            run(&own.url("postgres"), &format!("create database {service}")).await;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("it can be written");
        };
        let environment = "manifests: manifests\nenvironments: { e: { database_url_env: SHOP_URL, role_prefix: n_ } }\n\
                           secrets: { directory: .secrets }\n";
        write("pgcleave.yaml", environment);
        for (service, manifest) in [("users", USERS), ("orders", ORDERS), ("billing", BILLING)] {
            write(&format!("manifests/{service}.yaml"), manifest);
        }
        write("migrations/users/V1__users.sql", USERS_V1);
        write("migrations/orders/V1__orders.sql", ORDERS_V1);
        let programs = pg_dump_folder(shared.major()).await;
        let this = Self { shared, own, folder, programs };
        this.run(&["apply", "--allow", "revoke,close-database"]).await.exits(0);
        this
    }

    async fn run(&self, arguments: &[&str]) -> Answer {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pgcleave"));
        command.current_dir(self.folder.path()).env("NO_COLOR", "1").stdin(std::process::Stdio::null());
        command.env("SHOP_URL", self.shared.url("shop"));
        command.envs(self.programs.iter().map(|folder| ("PGCLEAVE_PG_BIN", folder)));
        command.env("PGCLEAVE_SOURCE_FROM_TARGET", self.shared.url_from_servers("shop").await).args(arguments);
        if let ["split", _, service, ..] = arguments {
            command.args(["--to", &self.own.url(service)]);
            command.env("PGCLEAVE_TARGET_FROM_SOURCE", self.own.url_from_servers(service).await);
        }
        answer(tokio::task::spawn_blocking(move || command.output().expect("the binary runs")).await.expect("it ends"))
    }

    async fn as_role(&self, url: &str, role: &str, sql: &str) -> String {
        let mut connection = PgConnection::connect(url).await.expect("the superuser connects");
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("set role n_{role}")))
            .execute(&mut connection)
            .await
            .expect("a role");
        text(&mut connection, sql).await
    }

    /// Reads every contract as its consumer, where the consumer is now.
    async fn expect_all_contracts(&self, moved: bool) {
        let shop = self.shared.url("shop");
        let at = |service: &str| if moved { self.own.url(service) } else { shop.clone() };
        let directory = "select string_agg(name, ',') from users.directory";
        let summary = "select string_agg(n::text, ',') from orders.summary";
        assert_eq!(self.as_role(&shop, "billing_reader", directory).await, "Ann");
        assert_eq!(self.as_role(&shop, "billing_reader", summary).await, "2");
        assert_eq!(self.as_role(&at("orders"), "orders_reader", directory).await, "Ann");
        assert_eq!(self.as_role(&at("orders"), "orders_reader", "select name from users.countries").await, "Chile");
        assert_eq!(self.as_role(&at("users"), "users_reader", summary).await, "2");
    }
}

async fn both_move(cutover: [&str; 2], finish: [&str; 2]) {
    let shop = Neighbours::new().await;
    shop.expect_all_contracts(false).await;
    for service in ["users", "orders"] {
        shop.run(&["split", "start", service]).await.exits(0);
    }
    for service in cutover {
        shop.run(&["split", "cutover", service, "--on-cutover", "true"]).await.exits(0);
    }
    for service in finish {
        shop.run(&["split", "finish", service]).await.exits(0);
    }
    shop.expect_all_contracts(true).await;
    // What is written afterwards is seen.
    run(&shop.own.url("users"), "update users.person set name = 'Bea'").await;
    let directory = "select string_agg(name, ',') from users.directory";
    assert_eq!(shop.as_role(&shop.own.url("orders"), "orders_reader", directory).await, "Bea");
}

#[tokio::test]
async fn two_services_that_consume_from_each_other_move_and_finish_in_the_order_of_their_start() {
    both_move(["users", "orders"], ["users", "orders"]).await;
}

#[tokio::test]
async fn two_services_that_consume_from_each_other_move_and_finish_the_other_way_round() {
    both_move(["orders", "users"], ["orders", "users"]).await;
}
