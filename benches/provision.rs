//! First apply, no-op plan and round trips, each as a ratio against psql with the same SQL in the same run.
//!
//! `cargo bench --bench provision` runs N = 50; `PGCLEAVE_BENCH_SERVICES=50,200,1000` names others,
//! `PGCLEAVE_BENCH_MEMORY=1000x100` adds the peak memory of a plan over that many services and tables.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its figures, and ends at the first trouble"
)]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "tests use more of it")]
mod support;

#[path = "figures/mod.rs"]
mod figures;

use std::path::Path;
use std::time::Duration;

use figures::{line, peak_mebibytes, psql, timed};
use support::{Project, Proxy, TestDb};

const RUNS: usize = 3;
const TABLES: usize = 10;
const DELAY: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() {
    if std::env::args().any(|a| a == "--list") {
        return;
    }
    let sizes = std::env::var("PGCLEAVE_BENCH_SERVICES").unwrap_or_else(|_| "50".to_owned());
    println!("{:<44} {:>10} {:>10} {:>7}", "median of 3, seconds", "pgcleave", "psql", "ratio");
    for n in sizes.split(',').map(|n| n.trim().parse().expect("a number of services")) {
        provision(n).await;
    }
    if let Ok(size) = std::env::var("PGCLEAVE_BENCH_MEMORY") {
        let (services, tables) = size.split_once('x').expect("services x tables");
        memory(services.parse().unwrap(), tables.parse().unwrap()).await;
    }
}

/// A database with populated schemas, from which each run gets a copy.
struct Base {
    db: TestDb,
    project: Project,
    services: usize,
}

impl Base {
    async fn new(services: usize, tables: usize) -> Self {
        let db = TestDb::new().await;
        let project = Project::new(&db);
        project.write("manifests/none.yaml", "service: none\n");
        let prefix = db.prefix();
        for chunk in (0..services).collect::<Vec<_>>().chunks(50) {
            let mut sql = String::new();
            for i in chunk {
                sql +=
                    &format!("create role {prefix}s{i}_owner; create schema s{i} authorization {prefix}s{i}_owner; ");
                sql += &format!("set role {prefix}s{i}_owner; ");
                for t in 0..tables {
                    sql += &format!("create table s{i}.t{t} (id bigint generated always as identity, body text); ");
                }
                sql += "reset role; ";
            }
            db.run(&format!("begin; {sql} commit")).await;
        }
        // the registry knows the credentials already: what is measured leaves passwords aside
        project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        project.remove("manifests/none.yaml");
        for i in 0..services {
            project.manifest(
                &format!("s{i}"),
                "credentials: { app: { access: write, settings: { statement_timeout: 5s } } }\n",
            );
        }
        db.run(&format!(
            "insert into pgcleave.service (name, schema, role_prefix) select 's'||i, 's'||i, '{prefix}' from generate_series(0, {services} - 1) i; \
             insert into pgcleave.credential (service, name, active) select 's'||i, 'app', 'a' from generate_series(0, {services} - 1) i; \
             delete from pgcleave.service where name = 'none'"
        ))
        .await;
        Self { db, project, services }
    }

    /// Makes a copy, with none of the roles that provisioning makes.
    async fn copy(&mut self, name: &str) -> String {
        self.drop().await;
        let url = self.db.url();
        let template = self.db.name().to_owned();
        let copy = url.replace(&template, &format!("{template}_{name}"));
        self.maintenance(&format!("create database {template}_{name} template {template}")).await;
        self.project.connect_as(copy.clone());
        copy
    }

    /// Drops every copy, and then the roles that provisioning made for it.
    async fn drop(&self) {
        let (database, prefix) = (self.db.name(), self.db.prefix());
        for name in ["floor", "ours", "far"] {
            self.maintenance(&format!("drop database if exists {database}_{name} with (force)")).await;
        }
        let roles = self
            .db
            .texts(&format!(
                "select rolname::text from pg_roles where rolname like '{prefix}%' \
                 and rolname not like '{prefix}none%' and (rolname like '%\\_writer' or rolname like '%\\_reader' or rolname like '%\\_app\\__')"
            ))
            .await;
        for roles in roles.chunks(500) {
            self.maintenance(&format!("drop role {}", roles.join(", "))).await;
        }
    }

    async fn maintenance(&self, sql: &str) {
        let url = self.db.url().replace(self.db.name(), "postgres");
        let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
}

async fn provision(n: usize) {
    let mut base = Base::new(n, TABLES).await;
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    let mut batch = Vec::new();
    let (mut plans, mut queries) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let url = base.copy("floor").await;
        let script = base.project.run(&["plan", "--sql"]).exits(0).stdout;
        let script = base.project.write("plan.sql", &script);
        floor.push(psql(&url, &["-f", script.to_str().unwrap()]));
        let text = std::fs::read_to_string(&script).unwrap();
        let script = base.project.write("one.sql", &one_message(&text));
        let url = base.copy("floor").await;
        batch.push(psql(&url, &["-f", script.to_str().unwrap()]));
        base.drop().await;

        base.copy("ours").await;
        ours.push(timed(base.project.command(&["apply", "--allow", "revoke,close-database"])));
        base.project.expect_no_changes();
    }
    line(&format!("first apply, N = {n}"), &mut ours, &mut floor);
    line("  against the same in one message", &mut ours, &mut batch);

    let url = base.db.url().replace(base.db.name(), &format!("{}_ours", base.db.name()));
    let catalog = catalog_queries(&base);
    let script = base.project.write("catalog.sql", &catalog);
    for _ in 0..RUNS + 2 {
        plans.push(timed(base.project.command(&["plan", "--detailed-exitcode"])));
        queries.push(psql(&url, &["-At", "-o", "/dev/null", "-f", script.to_str().unwrap()]));
    }
    line(&format!("no-op plan, N = {n}"), &mut plans, &mut queries);
    base.drop().await;
    if n == 50 {
        far(&mut base).await;
    }
}

/// With 5 ms more on each round trip: our apply against one message that holds all the SQL.
async fn far(base: &mut Base) {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    let address = base.db.url();
    let address = address.rsplit_once('@').unwrap().1.split(['/', '?']).next().unwrap().to_owned();
    let (host, port) = address.rsplit_once(':').unwrap();
    let proxy = Proxy::start(host, port.parse().unwrap(), DELAY).await;
    for _ in 0..RUNS {
        let url = base.copy("far").await;
        let script = base.project.run(&["plan", "--sql"]).exits(0).stdout;
        let script = base.project.write("one.sql", &one_message(&script));
        let far = proxy.through(&url);
        floor.push(tokio::task::block_in_place(|| psql(&far, &["-f", script.to_str().unwrap()])));
        base.drop().await;

        let url = base.copy("far").await;
        base.project.connect_as(proxy.through(&url));
        let command = base.project.command(&["apply", "--allow", "revoke,close-database"]);
        ours.push(tokio::task::block_in_place(|| timed(command)));
        base.drop().await;
    }
    line(&format!("apply, N = {}, 5 ms a round trip", base.services), &mut ours, &mut floor);
}

/// The same script as one message: psql's least.
fn one_message(script: &str) -> String {
    let lines: Vec<&str> = script.lines().filter(|l| !l.starts_with("--") && !l.starts_with('\\')).collect();
    lines.join("\n").replace(";\n", "\\;\n")
}

async fn memory(services: usize, tables: usize) {
    let base = Base::new(services, tables).await;
    let peak = peak_mebibytes(base.project.command(&["plan", "--detailed-exitcode"]));
    println!("peak memory of a plan, {services} services x {tables} tables: {peak} MiB");
}

/// Writes the queries of src/catalog/sql with their parameters filled in, in one snapshot as a plan reads them.
fn catalog_queries(base: &Base) -> String {
    let prefix = base.db.prefix();
    let mut roles = vec![format!("{prefix}pgcleave_connect"), format!("{prefix}pgcleave_temporary")];
    let mut schemas = Vec::new();
    for i in 0..base.services {
        roles.extend(["owner", "writer", "reader", "app_a", "app_b"].map(|r| format!("{prefix}s{i}_{r}")));
        schemas.push(format!("s{i}"));
    }
    let (roles, schemas) = (format!("'{{{}}}'", roles.join(",")), format!("'{{{}}}'", schemas.join(",")));
    let mut all =
        "begin transaction isolation level repeatable read, read only;\nset local search_path = '';\n".to_owned();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/sql");
    for name in [
        "administrator",
        "registry",
        "roles",
        "memberships",
        "settings",
        "other_logins",
        "extensions",
        "schemas",
        "relations",
        "columns",
        "routines",
        "types",
        "default_privileges",
        "view_calls",
    ] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.sql"))).unwrap();
        let by_role = ["roles", "memberships", "settings", "other_logins", "default_privileges"].contains(&name);
        all += &text.replace("$1", if by_role { &roles } else { &schemas }).replace("$2", "'{}'");
        all += ";\n";
    }
    all + "commit;\n"
}
