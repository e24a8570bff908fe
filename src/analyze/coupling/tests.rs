use expect_test::{Expect, expect};

use super::*;
use crate::manifest::{Disk, Draft, SourceFile};

const BILLING: &str = "service: billing
extensions: [citext]
exposes:
  - { view: invoice_status, to: [orders] }
  - { table: notes, to: [orders], privileges: [insert] }
  - { function: \"invoice_total(uuid)\", to: [orders] }
  - { sequence: numbers, to: [orders] }
  - { type: currency, to: [orders] }
  - { view: for_shipping, to: [shipping] }
credentials: { app: { access: write } }
";

const ORDERS: &str = "service: orders
consumes: [billing.invoice_status, billing.notes, billing.invoice_total, billing.numbers, billing.currency]
";

const SHIPPING: &str = "service: shipping\nschema: freight\nconsumes: [billing.for_shipping]\n";

fn project() -> Project {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), bytes: text.as_bytes().to_vec() };
    let mut draft = Draft::new(file("pgcleave.yaml", "secrets: { directory: .secrets }\n"));
    for (path, text) in [("billing", BILLING), ("orders", ORDERS), ("shipping", SHIPPING)] {
        draft.add(&file(&format!("manifests/{path}.yaml"), text));
    }
    draft.check(None, &Disk::new()).expect("the manifests are valid")
}

fn check(sql: &str, expected: &Expect) {
    let project = project();
    let service = project.services.get("orders").expect("it has a manifest");
    let Judged { problems, warnings } =
        Owners::new(&project).judge(service, Source::Migration { alone: false }, Path::new("V1.sql"), sql);
    let one = |mark: &'static str| {
        move |p: &Problem| format!("{mark}{}:{} {}: {}; {}\n", p.at.line, p.at.column, p.kind.code(), p.message, p.help)
    };
    let told: Vec<String> = problems.iter().map(one("")).chain(warnings.iter().map(one("warning "))).collect();
    expected.assert_eq(&told.concat());
}

#[test]
fn each_kind_of_uncovered_reference_is_told_with_its_way_out() {
    check(
        "create table o (
  id uuid references billing.invoices (id), no bigint default nextval('billing.secret'), kind billing.kind
);
create view v as select * from billing.invoices;
create function f() returns void language plpgsql as $$
begin
  update billing.payments set paid = true;
  execute 'delete from billing.dunning';
end $$;
create trigger t before insert on o for each row execute function billing.touch();
create table p () inherits (billing.invoices);
create index on billing.invoices (id);
select id operator(billing.=) id from freight.parcels;
set search_path = billing; drop schema freight;
do $$ begin execute 'table billing.' || quote_ident(t); end $$;",
        &expect![[r#"
            2:22 foreign-key-across: orders has a foreign key to billing.invoices, which belongs to billing; keep the id without a foreign key: the key would tie orders to billing's database
            2:71 foreign-reference: orders takes numbers of billing.secret, which billing does not expose to it; expose it in billing.yaml: `exposes: - { sequence: secret, to: [orders] }`, and consume it in orders.yaml: `consumes: [billing.secret]`
            2:95 foreign-reference: orders uses the type billing.kind, which billing does not expose to it; expose it in billing.yaml: `exposes: - { type: kind, to: [orders] }`, and consume it in orders.yaml: `consumes: [billing.kind]`
            4:32 foreign-reference: orders reads billing.invoices, which billing does not expose to it; expose it in billing.yaml: `exposes: - { view: invoices, to: [orders] }`, and consume it in orders.yaml: `consumes: [billing.invoices]`
            7:10 foreign-reference: orders updates billing.payments, which billing does not expose to it; expose it in billing.yaml: `exposes: - { table: payments, to: [orders], privileges: [update] }`, and consume it in orders.yaml: `consumes: [billing.payments]`
            8:24 foreign-reference: orders deletes from billing.dunning, which billing does not expose to it; expose it in billing.yaml: `exposes: - { table: dunning, to: [orders], privileges: [delete] }`, and consume it in orders.yaml: `consumes: [billing.dunning]`
            10:67 foreign-reference: orders calls billing.touch, which billing does not expose to it; expose it in billing.yaml: `exposes: - { function: "touch(…)", to: [orders] }`, and consume it in orders.yaml: `consumes: [billing.touch]`
            11:29 foreign-reference: orders inherits or partitions billing.invoices, which belongs to billing; give orders a table of its own
            12:17 foreign-reference: orders creates, changes or drops billing.invoices, which belongs to billing; move it to the migrations of billing: a service changes only its own schema
            13:20 foreign-reference: orders uses the operator billing.=, which belongs to billing; define one in the schema of orders
            13:39 foreign-reference: orders reads freight.parcels, which shipping does not expose to it; expose it in shipping.yaml: `exposes: - { view: parcels, to: [orders] }`, and consume it in orders.yaml: `consumes: [shipping.parcels]`
            14:19 foreign-reference: orders looks up names in the schema billing, which belongs to billing; remove it, and write billing's exposed objects with their schema
            14:40 foreign-reference: orders names the schema freight, which belongs to shipping; remove it, and write shipping's exposed objects with their schema
            15:28 foreign-reference: orders reads something in billing, which belongs to billing; write out the names that billing exposes to orders
        "#]],
    );
}

#[test]
fn what_a_contract_covers_is_not_told() {
    check(
        "create table o (c billing.currency, n bigint default nextval('billing.numbers'), s billing.invoice_status);
create view v as select s.*, billing.invoice_total(s.id) from billing.invoice_status s, pg_catalog.pg_class, information_schema.tables;
insert into billing.notes values ('billing.invoices'); -- billing.invoices
create function f(s billing.invoice_status.state%type) returns int language sql set search_path = orders, pg_temp return 1;
create table orders.own (id int references orders.o); grant select on o to orders_reader; revoke all on o from public;
select x::citext.citext, y::extensions.z;",
        &expect![""],
    );
}

#[test]
fn a_contract_covers_its_consumer_and_its_privileges_only() {
    check(
        "update billing.notes set a = 1;
insert into billing.notes values (1) on conflict (a) do update set a = 2;
select * from billing.for_shipping;
select * from billing.invoice_total;",
        &expect![[r#"
            1:8 foreign-reference: orders updates billing.notes, which billing exposes to it for INSERT only; add the privileges in billing.yaml: `privileges: [insert, update]`
            2:13 foreign-reference: orders inserts into billing.notes, which billing exposes to it for INSERT only; add the privileges in billing.yaml: `privileges: [select, insert, update]`
            3:15 foreign-reference: orders reads billing.for_shipping, which billing does not expose to it; expose it in billing.yaml: `exposes: - { view: for_shipping, to: [orders] }`, and consume it in orders.yaml: `consumes: [billing.for_shipping]`
            4:15 foreign-reference: orders reads billing.invoice_total, which billing does not expose to it; expose it in billing.yaml: `exposes: - { view: invoice_total, to: [orders] }`, and consume it in orders.yaml: `consumes: [billing.invoice_total]`
        "#]],
    );
}

#[test]
fn grants_by_hand_schemas_of_nobody_and_built_text_are_told() {
    check(
        "grant select on o to billing_reader;
grant select on o to public, app;
create table public.countries (code text);
do $$ begin execute 'select * from ' || t; end $$;
create function f() returns int language plpython3u as 'x';",
        &expect![[r#"
            1:22 grant-by-hand: orders gives something to billing_reader, a role of billing; remove it, and expose the object: `exposes: - { view: …, to: [billing] }`
            warning 2:22 grant-by-hand: orders grants something to everybody; grant nothing by hand: `exposes` says who may use what
            warning 3:14 unknown-schema: orders creates, changes or drops public.countries, and no service owns that schema; what nobody owns stays behind when the service moves; keep it in a schema of its own service
            warning 4:41 dynamic-sql: orders runs something here that nobody can know before it runs; write the names out, or let format('%I') quote each under a schema that is written out
            warning 5:56 dynamic-sql: orders runs something here that nobody can know before it runs; write the names out, or let format('%I') quote each under a schema that is written out
        "#]],
    );
}

#[test]
fn names_of_anothers_roles_are_told_unless_something_is_taken_from_them() {
    check(
        "grant billing_reader to orders_writer;
revoke billing_reader from orders_writer;
revoke select on o from billing_reader;
alter default privileges for role billing_owner grant select on tables to orders_reader;
create user mapping for billing_app_a server s;
grant orders_reader to orders_writer;",
        &expect![[r#"
            1:7 grant-by-hand: orders names billing_reader, a role of billing; remove it: only billing's migrations name its roles
            4:35 grant-by-hand: orders names billing_owner, a role of billing; remove it: only billing's migrations name its roles
            5:25 grant-by-hand: orders gives something to billing_app_a, a role of billing; remove it, and expose the object: `exposes: - { view: …, to: [billing] }`
        "#]],
    );
}

#[test]
fn what_cannot_run_or_be_read_is_told() {
    check(
        "create table a (b int); rollback;\n  commit;\nselect * frm x y z;",
        &expect![[r#"
        1:25 migration-obstacle: ROLLBACK would break the file's transaction; remove it: each file runs in one transaction, committed together with its history row
        2:3 migration-obstacle: COMMIT would break the file's transaction; remove it: each file runs in one transaction, committed together with its history row
        3:9 sql-syntax: this is not understood as SQL: missing comma; correct the statement; where the server takes it as it stands, write it more plainly
    "#]],
    );
    let project = project();
    let service = project.services.get("orders").expect("it has a manifest");
    let deep = "(".repeat(100_000);
    let judged = Owners::new(&project).judge(service, Source::Query, Path::new("q.sql"), &deep);
    assert_eq!(judged.problems.len(), 1);
    assert_eq!(judged.problems[0].kind, Kind::SqlSyntax);
}

#[test]
fn what_a_write_compares_or_gives_back_is_read_too() {
    check(
        "insert into billing.notes values (1);
insert into billing.notes values (1) returning id;
insert into billing.notes values (1) on conflict (id) do update set note = 'x';
insert into billing.notes select * from billing.invoice_status;",
        &expect![[r#"
            2:13 foreign-reference: orders inserts into billing.notes, which billing exposes to it for INSERT only; add the privileges in billing.yaml: `privileges: [select, insert]`
            3:13 foreign-reference: orders inserts into billing.notes, which billing exposes to it for INSERT only; add the privileges in billing.yaml: `privileges: [select, insert, update]`
        "#]],
    );
}

#[test]
fn the_data_of_a_copy_are_no_sql() {
    check(
        "copy t (a) from stdin;
select * from billing.payments -- it's data
\\N\tbilling.payments
\\.
select 1 from billing.payments;
COPY t FROM STDIN WITH (FORMAT csv);
\"billing.payments\",2
\\.
select 2 from billing.payments;",
        &expect![[r#"
            1:1 migration-obstacle: COPY T needs a client's stream; use INSERT … VALUES: a migration has no input or output stream
            5:15 foreign-reference: orders reads billing.payments, which billing does not expose to it; expose it in billing.yaml: `exposes: - { view: payments, to: [orders] }`, and consume it in orders.yaml: `consumes: [billing.payments]`
            9:15 foreign-reference: orders reads billing.payments, which billing does not expose to it; expose it in billing.yaml: `exposes: - { view: payments, to: [orders] }`, and consume it in orders.yaml: `consumes: [billing.payments]`
        "#]],
    );
}

#[test]
fn what_the_manifest_makes_is_no_statement_of_a_migration() {
    check(
        "create schema orders;\ncreate schema if not exists extra;\ncreate extension if not exists pgcrypto;\ncreate table a ();",
        &expect![[r#"
            warning 1:1 made-by-manifest: CREATE SCHEMA is not for the owner of orders; remove it: `schema:` in orders.yaml names the schema
            warning 2:1 made-by-manifest: CREATE SCHEMA is not for the owner of orders; one service owns one schema: write a manifest with `schema: extra`, or `schema:` in orders.yaml
            warning 2:29 unknown-schema: orders names the schema extra, and no service owns that schema; what nobody owns stays behind when the service moves; keep it in a schema of its own service
            warning 3:1 made-by-manifest: CREATE EXTENSION is not for the owner of orders; list it in orders.yaml: `extensions: [pgcrypto]`
        "#]],
    );
    let project = project();
    let billing = project.services.get("billing").expect("it has a manifest");
    let warnings = |sql| {
        let source = Source::Migration { alone: false };
        let found = Owners::new(&project).judge(billing, source, Path::new("V1.sql"), sql).warnings;
        found.into_iter().map(|found| format!("{}; {}", found.message, found.help)).collect::<Vec<_>>()
    };
    assert!(warnings("create extension if not exists citext").is_empty());
    let told = "billing.yaml lists the extension citext, so that it is there before this statement; remove it, or write \
                CREATE EXTENSION IF NOT EXISTS";
    assert_eq!(warnings("create extension citext"), [told]);
}
