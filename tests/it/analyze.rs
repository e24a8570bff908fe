//! `check` on the services' SQL: what refers to another service's schema, and whether a contract covers it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use expect_test::{Expect, expect};

fn check(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pgcleave"))
        .current_dir(folder)
        .arg("check")
        .args(arguments)
        .env_remove("DATABASE_URL")
        .output()
        .expect("the binary runs")
}

const BILLING: &str = "service: billing
migrations: ../migrations/billing
exposes:
  - { view: invoice_status, to: [orders] }
  - { table: notes, to: [orders], privileges: [insert] }
  - { function: \"invoice_total(uuid)\", to: [orders] }
  - { sequence: numbers, to: [orders] }
  - { type: currency, to: [orders] }
";

const ORDERS: &str = "service: orders
migrations: ../migrations/orders
consumes: [billing.invoice_status, billing.notes, billing.invoice_total, billing.numbers, billing.currency]
";

/// Makes a project of two services, where orders has the given migrations.
fn project(migrations: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, text).expect("written");
    };
    write("pgcleave.yaml", "secrets: { directory: .secrets }\n");
    write("manifests/billing.yaml", BILLING);
    write("manifests/orders.yaml", ORDERS);
    write("migrations/billing/V1__start.sql", "create table invoices (id uuid primary key);\n");
    for (name, text) in migrations {
        write(&format!("migrations/orders/{name}"), text);
    }
    folder
}

/// Gives what `check --format json` tells, a line each, warnings last.
fn told(folder: &Path, exit_code: i32) -> String {
    let output = check(folder, &["--format", "json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(exit_code), "{text}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut told = String::new();
    for list in ["problems", "warnings"] {
        for problem in answer[list].as_array().expect("a list") {
            let text = |key: &str| problem[key].as_str().expect("a text").to_owned();
            let place = format!("{}:{}:{}", text("file"), problem["line"], problem["column"]);
            let (file, code, message) = (place.replace("migrations/orders/", ""), text("code"), text("message"));
            let mark = if list == "warnings" { "warning " } else { "" };
            told += &format!("{mark}{file} {code}: {message}\n");
        }
    }
    told
}

fn finds(migration: &str, exit_code: i32, expected: &Expect) {
    let folder = project(&[("V1__start.sql", migration)]);
    expected.assert_eq(&told(folder.path(), exit_code));
}

#[test]
fn each_kind_of_uncovered_reference_is_found_at_its_place() {
    finds(
        "create table o (
  id uuid references billing.invoices (id),
  no bigint default nextval('billing.secret_numbers'),
  kind billing.kind
);
create view v as select * from billing.invoices;
create function f() returns void language plpgsql as $$
declare r billing.payments%rowtype;
begin
  update billing.payments set paid = true;
  execute 'delete from billing.dunning';
end
$$;
create trigger t before insert on o for each row execute function billing.touch();
create table p () inherits (billing.invoices);
create index on billing.invoices (id);
set search_path = billing;
grant select on o to billing_reader;
select 1 from o where id operator(billing.=) id;
",
        2,
        &expect![[r#"
            V1__start.sql:2:22 foreign-key-across: orders has a foreign key to billing.invoices, which belongs to billing
            V1__start.sql:3:29 foreign-reference: orders takes numbers of billing.secret_numbers, which billing does not expose to it
            V1__start.sql:4:8 foreign-reference: orders uses the type billing.kind, which billing does not expose to it
            V1__start.sql:6:32 foreign-reference: orders reads billing.invoices, which billing does not expose to it
            V1__start.sql:8:11 foreign-reference: orders uses the row type of billing.payments, which billing does not expose to it
            V1__start.sql:10:10 foreign-reference: orders updates billing.payments, which billing does not expose to it
            V1__start.sql:11:24 foreign-reference: orders deletes from billing.dunning, which billing does not expose to it
            V1__start.sql:14:67 foreign-reference: orders calls billing.touch, which billing does not expose to it
            V1__start.sql:15:29 foreign-reference: orders inherits or partitions billing.invoices, which belongs to billing
            V1__start.sql:16:17 foreign-reference: orders creates, changes or drops billing.invoices, which belongs to billing
            V1__start.sql:17:19 foreign-reference: orders looks up names in the schema billing, which belongs to billing
            V1__start.sql:18:22 grant-by-hand: orders gives something to billing_reader, a role of billing
            V1__start.sql:19:35 foreign-reference: orders uses the operator billing.=, which belongs to billing
        "#]],
    );
}

#[test]
fn what_a_contract_covers_is_no_finding() {
    finds(
        "create table o (c billing.currency, no bigint default nextval('billing.numbers'), s billing.invoice_status);
create view v as select s.*, billing.invoice_total(s.id), now() from billing.invoice_status s, pg_catalog.pg_class,
  information_schema.tables;
insert into billing.notes values (1);
select 'billing.invoices', 'select * from billing.invoices' as text; -- billing.invoices
create table orders.own (id int references orders.o); create temp table billing_x (a int);
",
        0,
        &expect![[""]],
    );
}

#[test]
fn a_contract_covers_only_the_privileges_it_grants() {
    finds(
        "update billing.notes set a = 1;\ninsert into billing.notes values (1) on conflict (a) do update set a = 2;\n\
         insert into billing.invoice_status values (1);\nselect * from billing.notes;\n",
        2,
        &expect![[r#"
            V1__start.sql:1:8 foreign-reference: orders updates billing.notes, which billing exposes to it for INSERT only
            V1__start.sql:2:13 foreign-reference: orders inserts into billing.notes, which billing exposes to it for INSERT only
            V1__start.sql:3:13 foreign-reference: orders inserts into billing.invoice_status, which billing exposes to it for SELECT only
            V1__start.sql:4:15 foreign-reference: orders reads billing.notes, which billing exposes to it for INSERT only
        "#]],
    );
}

#[test]
fn warnings_do_not_fail() {
    finds(
        "create table public.countries (code text);\ngrant select on o to public;\n\
         do $$ begin execute 'select * from ' || t; end $$;\n",
        0,
        &expect![[r#"
            warning V1__start.sql:1:14 unknown-schema: orders creates, changes or drops public.countries, and no service owns that schema
            warning V1__start.sql:2:22 grant-by-hand: orders grants something to everybody
            warning V1__start.sql:3:41 dynamic-sql: orders runs something here that nobody can know before it runs
        "#]],
    );
}

#[test]
fn what_cannot_run_or_be_read_is_a_problem() {
    finds(
        "create table a (b int);\n  commit;\nselect * frm x y z;\n",
        2,
        &expect![[r#"
        V1__start.sql:2:3 migration-obstacle: COMMIT would break the file's transaction
        V1__start.sql:3:9 sql-syntax: this is not understood as SQL: missing comma
    "#]],
    );
    let folder = project(&[("V1__start.sql", "select 1"), ("V2-wrong.sql", "select 1")]);
    expect![[r#"
        V2-wrong.sql:1:1 bad-migrations: is not named V<number>__<name>.sql, as V1__create_orders.sql is
    "#]]
    .assert_eq(&told(folder.path(), 2));
}

#[test]
fn people_see_the_line_and_what_to_write() {
    let folder = project(&[("V1__start.sql", "create view v as\n  select * from billing.invoices;\n")]);
    let output = check(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    // Long lines are wrapped.
    let text = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "migrations/orders/V1__start.sql:2:17",
        "select * from billing.invoices;",
        "orders reads billing.invoices, which billing does not expose to it",
        "{ view: invoices, to: [orders] }",
        "`consumes: [billing.invoices]`",
        "the services' SQL has 1 problem",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn read_models_are_looked_through() {
    let folder = project(&[("V1__start.sql", "select 1")]);
    let models = folder.path().join("manifests/read_models");
    fs::create_dir(&models).expect("a folder");
    fs::write(models.join("sales.sql"), "select day\nfrom billing.sales\n").expect("written");
    let manifest = format!(
        "{ORDERS}read_models:\n  - {{ name: sales, query: read_models/sales.sql, key: [day], refresh: {{ every: 1h }} }}\n"
    );
    fs::write(folder.path().join("manifests/orders.yaml"), manifest).expect("written");
    expect![[r#"
        manifests/read_models/sales.sql:2:6 foreign-reference: orders reads billing.sales, which billing does not expose to it
    "#]].assert_eq(&told(folder.path(), 2));
}

#[test]
fn the_example_shop_has_no_finding() {
    let output = check(Path::new(env!("CARGO_MANIFEST_DIR")), &["--format", "json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["problems"], serde_json::json!([]));
    assert_eq!(answer["warnings"], serde_json::json!([]));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_no_migration_names_is_a_note_and_no_mistake() {
    let folder = project(&[("V1__start.sql", "create view v as select * from billing.invoice_status;\n")]);
    let output = check(folder.path(), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let unused = "nothing in the migrations and read models of orders uses billing.notes, billing.invoice_total, \
                  billing.numbers, billing.currency; an application may";
    assert_eq!(answer["notes"], serde_json::json!([unused]));
    let story = check(folder.path(), &[]);
    let story = String::from_utf8_lossy(&story.stderr);
    assert!(story.contains(&format!("note: manifests/orders.yaml:3: {unused}")), "{story}");
}
