//! Plans and applies on real servers; after every apply the next plan is empty.

mod close_database;
mod concurrency;
mod drift;
mod foreign_arguments;
mod identity;
mod neighbours;
mod own_roles;
mod provision;
mod removed;
mod saved;

use crate::support::{Answer, Project, TestDb};

/// Two services with a contract between them, in a database of their own.
struct Shop {
    db: TestDb,
    project: Project,
}

const ORDERS: &str = "
migrations: ../migrations/orders
credentials:
  app: { access: write, connection_limit: 7, settings: { statement_timeout: 5s } }
  reports: { access: read }
  migrator: { access: owner }
consumes: [billing.invoice_status]
";

const BILLING: &str = "
migrations: ../migrations/billing
credentials:
  app: { access: write }
exposes:
  - { view: invoice_status, to: [orders] }
";

const ORDERS_V1: &str = "
create type status as enum ('new', 'paid');
create domain cents as bigint check (value >= 0);
create type span as range (subtype = date);
create table orders (id bigint generated always as identity primary key, state status not null default 'new', total cents);
create table lines (id serial primary key, order_id bigint references orders);
create view open_orders as select id from orders where state = 'new';
create function total(bigint) returns bigint language sql stable as 'select count(*) from lines where order_id = $1';
create function touch() returns int language sql volatile as 'select 1';
create procedure tidy() language sql as 'delete from lines where false';
";

const BILLING_V1: &str = "
create table invoices (id bigint primary key, order_id bigint not null, paid boolean not null default false);
create view invoice_status as select order_id, paid from invoices;
insert into invoices values (1, 1, true);
";

impl Shop {
    async fn new() -> Self {
        let db = TestDb::new().await;
        let project = Project::new(&db);
        project.manifest("orders", ORDERS);
        project.manifest("billing", BILLING);
        project.write("migrations/orders/V1__orders.sql", ORDERS_V1);
        project.write("migrations/billing/V1__invoices.sql", BILLING_V1);
        Self { db, project }
    }

    /// Makes it and applies it once.
    async fn applied() -> Self {
        let shop = Self::new().await;
        shop.apply(&[]).exits(0);
        shop
    }

    /// Applies; other tests' logins on the same server make the closing of the database a hazard.
    fn apply(&self, more: &[&str]) -> Answer {
        self.project.run(&[&["apply", "--allow", "revoke,close-database"], more].concat())
    }

    /// Replaces `@` by the role prefix, and runs it as the superuser.
    async fn sql(&self, sql: &str) {
        self.db.run(&sql.replace('@', self.db.prefix())).await;
    }

    /// Asks one question whose answer is yes or no; `@` is the role prefix.
    async fn holds(&self, sql: &str) -> bool {
        self.db.texts(&format!("select ({})::text", sql.replace('@', self.db.prefix()))).await == ["true"]
    }

    #[track_caller]
    fn converged(&self) {
        self.project.expect_no_changes();
    }
}
