//! The commands that need no database: check, init, schema, completions, man.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use expect_test::expect;

fn pgcleave(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pgcleave"))
        .current_dir(folder)
        .args(arguments)
        .env_remove("DATABASE_URL")
        .env("NO_GRAPHICS", "0")
        .env("LANG", "C.UTF-8")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Makes a project of the given manifests.
fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("manifests")).expect("a folder");
    fs::write(folder.path().join("pgcleave.yaml"), "secrets: { directory: .secrets }\n").expect("written");
    for (name, text) in files {
        fs::write(folder.path().join("manifests").join(name), text).expect("written");
    }
    folder
}

/// Gives the codes and places that `check --format json` tells.
fn told(folder: &Path) -> Vec<String> {
    let output = pgcleave(folder, &["check", "--format", "json"]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["format"], "pgcleave.check/1");
    let problems = answer["problems"].as_array().expect("a list");
    let show = |p: &serde_json::Value| {
        format!(
            "{}:{}:{} {}",
            p["file"].as_str().expect("a text"),
            p["line"],
            p["column"],
            p["code"].as_str().expect("a text")
        )
    };
    problems.iter().map(show).collect()
}

#[test]
fn check_shows_the_line_the_place_and_the_help() {
    let folder = project(&[("orders.yaml", "service: orders\ncredentails:\n  app: { access: write }\n")]);
    let output = pgcleave(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    expect![[r#"
        unknown-key

          × the key `credentails` is not known here
           ╭─[manifests/orders.yaml:2:1]
         2 │ credentails:
           · ─────┬─────
           ·      ╰── here
           ╰────
          help: write `credentials`

        error[invalid-manifests]: the manifests have 1 problem
    "#]]
    .assert_eq(&stderr(&output));
}

#[test]
fn check_shows_both_places_of_a_duplicate() {
    let folder = project(&[("orders.yaml", "service: orders\nteam: a\nteam: b\n")]);
    expect![[r#"
        duplicate-key

          × the key `team` stands twice
           ╭─[manifests/orders.yaml:3:1]
         3 │ team: b
           · ──┬─
           ·   ╰── here
           ╰────
          help: keep one of them
          ☞ the first one is at manifests/orders.yaml:2:1
           ╭─[manifests/orders.yaml:2:1]
         2 │ team: a
           · ┬
           · ╰── there
           ╰────

        error[invalid-manifests]: the manifests have 1 problem
    "#]]
    .assert_eq(&stderr(&pgcleave(folder.path(), &["check"])));
}

#[test]
fn check_tells_of_a_waiver_of_no_rule() {
    let folder = project(&[("orders.yaml", "service: orders\n")]);
    let waivers = "audit:
  waivers:
    - { rule: acc01, object: a.b, reason: known, expires: 2027-01-01 }
    - { rule: AC01, object: a.b, reason: misspelled, expires: 2027-01-01 }
";
    fs::write(folder.path().join("pgcleave.yaml"), format!("secrets: {{ directory: .secrets }}\n{waivers}"))
        .expect("written");
    assert_eq!(told(folder.path()), ["pgcleave.yaml:5:7 bad-value"]);
    let shown = stderr(&pgcleave(folder.path(), &["check"]));
    for expected in ["there is no rule `AC01`", "write `ACC01`", "--list-rules", "reason: misspelled"] {
        assert!(shown.contains(expected), "{shown}");
    }
}

#[test]
fn check_obeys_color() {
    let folder = project(&[("orders.yaml", "service: order\n")]);
    assert!(!stderr(&pgcleave(folder.path(), &["check"])).contains('\u{1b}'));
    assert!(!stderr(&pgcleave(folder.path(), &["check", "--color", "never"])).contains('\u{1b}'));
    assert!(stderr(&pgcleave(folder.path(), &["check", "--color", "always"])).contains('\u{1b}'));
}

#[test]
fn check_cuts_a_long_line_around_the_mistake() {
    let folder =
        project(&[("orders.yaml", &format!("{{ service: orders, description: {}, x: 1 }}", "y".repeat(100_000)))]);
    let output = stderr(&pgcleave(folder.path(), &["check"]));
    assert!(output.len() < 4_000 && output.contains("x: 1") && output.contains("orders.yaml:1:100035"), "{output}");
}

#[test]
fn a_password_in_a_manifest_is_not_shown() {
    let folder = project(&[("orders.yaml", "service: orders\nurl: postgres://u:hunter2@h/d\npassword: hunter2\n")]);
    for format in ["human", "json"] {
        let output = pgcleave(folder.path(), &["check", "--format", format]);
        assert!(!format!("{}{}", stdout(&output), stderr(&output)).contains("hunter2"), "{format}");
    }
}

#[test]
fn a_missing_config_names_init() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(told(folder.path()), ["pgcleave.yaml:1:1 no-config"]);
    let output = pgcleave(folder.path(), &["check"]);
    assert!(stderr(&output).contains("pgcleave init"), "{}", stderr(&output));
}

#[test]
fn files_that_are_none_are_refused_unread() {
    let folder = project(&[
        ("good.yaml", "service: good\n"),
        ("old.yml", "service: old\n"),
        (".hidden.yaml", "{"),
        ("README.md", "{"),
    ]);
    let manifests = folder.path().join("manifests");
    fs::create_dir(manifests.join("folder.yaml")).expect("a folder");
    fs::File::create(manifests.join("huge.yaml")).and_then(|f| f.set_len(100 << 30)).expect("a sparse file");
    let made = Command::new("mkfifo").arg(manifests.join("pipe.yaml")).status().expect("mkfifo runs");
    assert!(made.success());
    std::os::unix::fs::symlink("/dev/zero", manifests.join("zero.yaml")).expect("a link");
    std::os::unix::fs::symlink("nowhere", manifests.join("gone.yaml")).expect("a link");
    assert_eq!(
        told(folder.path()),
        [
            "manifests/folder.yaml:1:1 unreadable-file",
            "manifests/gone.yaml:1:1 unreadable-file",
            "manifests/huge.yaml:1:1 file-too-large",
            "manifests/old.yml:1:1 file-name",
            "manifests/pipe.yaml:1:1 unreadable-file",
            "manifests/zero.yaml:1:1 unreadable-file",
        ]
    );
}

#[test]
fn a_large_file_just_below_the_limit_is_answered() {
    for (name, text) in [
        ("open brackets", "[".repeat(1_000_000)),
        ("open braces", "{a: ".repeat(250_000)),
        ("dashes", "- ".repeat(500_000)),
        ("keys", (0..90_000).map(|i| format!("k{i}: 1\n")).collect()),
        ("one text", format!("service: {}", "a".repeat(1_000_000))),
        ("quotes", "\"".repeat(1_000_000)),
        ("anchors", "&a ".repeat(300_000)),
        ("questions", "? ".repeat(500_000)),
        ("comments", "#\n".repeat(500_000)),
    ] {
        let folder = project(&[("a.yaml", &text)]);
        let output = pgcleave(folder.path(), &["check"]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(output.stderr.len() < 500_000, "{name}: {}", output.stderr.len());
    }
}

#[test]
fn check_sums_up_what_is_valid() {
    let folder = project(&[
        ("a.yaml", "service: a\ncredentials: { app: { access: write } }\nexposes: [{ view: v, to: [b] }]\n"),
        ("b.yaml", "service: b\nschema: beta\nconsumes: [a.v]\nevent_log: { table: events }\n"),
    ]);
    let output = pgcleave(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0));
    expect![[r#"
        a  app
        b  schema beta, no credentials; consumes a.v
        the manifests are valid: 2 services, 1 credential, 1 contract
    "#]]
    .assert_eq(&stdout(&output));
    expect![[r#"
        note: manifests/b.yaml:4: `event_log` of b is checked, and not yet applied
    "#]]
    .assert_eq(&stderr(&output));
    let json = pgcleave(folder.path(), &["check", "--format", "json"]);
    expect![[r#"
        {
          "format": "pgcleave.check/1",
          "valid": true,
          "problems": [],
          "warnings": [],
          "services": [
            {
              "service": "a",
              "schema": "a",
              "team": null,
              "managed": true,
              "credentials": [
                "app"
              ],
              "exposes": 1,
              "consumes": 0
            },
            {
              "service": "b",
              "schema": "beta",
              "team": null,
              "managed": true,
              "credentials": [],
              "exposes": 0,
              "consumes": 1
            }
          ],
          "not_yet_applied": [
            "b.event_log"
          ],
          "notes": []
        }
    "#]]
    .assert_eq(&stdout(&json));
}

#[test]
fn check_finds_the_project_by_its_folder() {
    let folder = project(&[("a.yaml", "service: b\n")]);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    let output = pgcleave(elsewhere.path(), &["check", "--config", path, "--format", "json"]);
    assert!(stdout(&output).contains(&format!("{path}/manifests/a.yaml")), "{}", stdout(&output));
}

#[test]
fn what_init_writes_is_valid_and_never_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [&["init"][..], &["init", "orders"], &["init", "billing"]] {
        let output = pgcleave(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    assert!(folder.path().join("migrations/orders/V1__first_tables.sql").is_file());
    let output = pgcleave(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // the example waiver is valid too, once its # is taken away
    let config = folder.path().join("pgcleave.yaml");
    let text = fs::read_to_string(&config)
        .expect("there")
        .replace("  # waivers:", "  waivers:")
        .replace("  #   - {", "    - {");
    fs::write(&config, &text).expect("written");
    let output = pgcleave(folder.path(), &["check"]);
    assert!(text.contains("\n  waivers:\n    - {") && output.status.code() == Some(0), "{text}{}", stderr(&output));

    let manifest = folder.path().join("manifests/orders.yaml");
    fs::write(&manifest, "service: orders # mine\n").expect("written");
    for arguments in [&["init"][..], &["init", "orders"]] {
        let output = pgcleave(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("error[file-exists]"), "{}", stderr(&output));
    }
    assert_eq!(fs::read_to_string(&manifest).expect("there"), "service: orders # mine\n");
}

#[test]
fn init_starts_a_project_and_a_service_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(pgcleave(folder.path(), &["init", "orders"]).status.code(), Some(0));
    assert_eq!(pgcleave(folder.path(), &["check"]).status.code(), Some(0));
}

#[test]
fn init_refuses_bad_names_and_writes_nothing() {
    for name in ["Orders", "pg_orders", "public", "../orders", "a/b", "a: b", "", "1a", "a-b", &"a".repeat(50)] {
        let folder = tempfile::tempdir().expect("a folder");
        let output = pgcleave(folder.path(), &["init", name]);
        assert_eq!(output.status.code(), Some(2), "{name}: {}", stderr(&output));
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0, "{name}");
    }
}

#[test]
fn init_follows_the_configured_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("pgcleave.yaml"), "manifests: db/services\n").expect("written");
    assert_eq!(pgcleave(folder.path(), &["init", "orders"]).status.code(), Some(0));
    assert!(folder.path().join("migrations/orders").is_dir());
    assert_eq!(pgcleave(folder.path(), &["check"]).status.code(), Some(0));
}

#[test]
fn schemas_describe_both_files() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, key) in [(&["schema"][..], "credentials"), (&["schema", "--config-file"], "environments")] {
        let output = pgcleave(folder.path(), arguments);
        let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(schema["properties"][key]["description"].is_string(), "{schema:#}");
    }
}

#[test]
fn completions_and_pages_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&pgcleave(folder.path(), &["completions", shell])).contains("pgcleave"), "{shell}");
    }
    assert!(stdout(&pgcleave(folder.path(), &["man"])).starts_with(".ie"));
    assert_eq!(pgcleave(folder.path(), &["man", "--out", "pages"]).status.code(), Some(0));
    assert!(folder.path().join("pages/pgcleave-check.1").is_file());
}

/// How people write argument types; each is created as a function and declared in a manifest.
const SIGNATURES: &[&str] = &[
    "",
    "int, int2, int4, int8, integer, smallint, bigint",
    "float, float(24), float(25), float4, float8, real, double precision",
    "dec, decimal(10, 2), numeric(3), numeric",
    "bool, boolean, bit, bit(8), bit varying(3), varbit",
    "char, char(3), character(2), bpchar, nchar, national character(3), \"char\"",
    "varchar, varchar(20), character varying, char varying(3), national character varying(2), nchar varying(1)",
    "time, time(3), timetz, time with time zone, time (3) without time zone",
    "timestamp, timestamp(3), timestamptz, timestamp with time zone, timestamp (3) with time zone",
    "interval, interval(3), interval day to second(3), interval year",
    "text[], int4[][], uuid array, bytea array[3], varchar(3)[]",
    "text, uuid, json, jsonb, bytea, date, name, oid, inet, cidr, macaddr, money, xml, regclass, tsvector, int4range",
    "pg_catalog.int4, pg_catalog.text, pg_catalog.timestamptz[], \"int4\", \"text\", pg_catalog.\"char\", \"varchar\"",
    "status, STATUS, \"Odd Type\", \"user\", status[], \"Odd Type\"[]",
    "order_id uuid, reason text default 'a, b', n int = 3",
    "in a uuid, inout b text, out c int, variadic d text[]",
    "a in uuid, b out int",
    "anyelement, anyarray, \"any\", record",
];

#[tokio::test]
async fn argument_types_are_named_as_the_server_names_them() {
    let db = crate::support::TestDb::new().await;
    let mut connection = db.connect().await;
    let set_up = "create schema a; set search_path = a; create type status as enum ('x');
        create type \"Odd Type\" as enum ('x'); create type \"user\" as enum ('x')";
    sqlx::raw_sql(set_up).execute(&mut connection).await.expect("types are made");
    let mut exposes = String::new();
    let mut printed = Vec::new();
    for (i, signature) in SIGNATURES.iter().enumerate() {
        let language = if signature.contains("\"any\"") { "internal as 'pg_typeof'" } else { "plpgsql as 'begin end'" };
        let returns = if signature.contains(" out ") { "" } else { "returns int" };
        // The bodies are never run.
        let create = format!("create function f{i}({signature}) {returns} language {language}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.expect(signature);
        let text = format!("f{i}({signature})").replace('\'', "''");
        exposes.push_str(&format!("  - {{ function: '{text}', to: [b] }}\n"));
    }
    let read = "select pg_catalog.set_config('search_path', '', false)";
    sqlx::raw_sql(read).execute(&mut connection).await.expect("emptied");
    for i in 0..SIGNATURES.len() {
        let read = "select pg_catalog.oidvectortypes(proargtypes) from pg_catalog.pg_proc where proname = $1";
        printed.push(
            sqlx::query_scalar::<_, String>(read)
                .bind(format!("f{i}"))
                .fetch_one(&mut connection)
                .await
                .expect("there"),
        );
    }
    let consumes: Vec<_> = (0..SIGNATURES.len()).map(|i| format!("a.f{i}")).collect();
    let folder = project(&[
        ("a.yaml", &format!("service: a\nexposes:\n{exposes}")),
        ("b.yaml", &format!("service: b\nconsumes: [{}]\n", consumes.join(", "))),
    ]);
    let project = pgcleave::load::project(folder.path(), None).expect("valid");
    let ours: Vec<_> = project.services["a"].exposes.iter().filter_map(|e| e.arguments.clone()).collect();
    assert_eq!(ours, printed);
}

/// The manifest that the design shows, with those of its neighbours.
const DESIGN: [(&str, &str); 4] = [
    (
        "orders.yaml",
        "service: orders                # [a-z][a-z0-9_]{0,39}; the file is orders.yaml
description: Takes orders and follows them to delivery
team: checkout
schema: orders                 # default: the service's name
migrations: ../migrations/orders
extensions: [pgcrypto]

credentials:
  app:      { access: write, connection_limit: 40, settings: { statement_timeout: 5s } }
  reports:  { access: read }
  migrator: { access: owner }

exposes:                       # all that others may ever touch
  - { view: order_summary, to: [billing, shipping] }            # privileges default: select / execute / usage
  - { function: \"cancel_order(uuid, text)\", to: [support] }
consumes: [billing.invoice_status]

read_models:                   # CQRS, materialized views
  - { name: daily_sales, query: read_models/daily_sales.sql, key: [day, category], refresh: { every: 24h, at: \"02:00\" } }
event_log: { table: events }   # event sourcing: append-only, optimistic concurrency, replay
outbox:                        # asynchronous events, delivered to named consumers
  topics: { order.placed: [billing, shipping] }
",
    ),
    (
        "billing.yaml",
        "service: billing
migrations: ../migrations/billing
consumes: [orders.order_summary]
exposes: [{ view: invoice_status, to: [orders] }]
",
    ),
    ("shipping.yaml", "service: shipping\nconsumes: [orders.order_summary]\n"),
    ("support.yaml", "service: support\nconsumes: [\"orders.cancel_order(uuid, text)\"]\n"),
];

/// Makes the design's project, with a migration for orders and one for billing.
fn design(orders: &str, billing: &str) -> tempfile::TempDir {
    let folder = project(&DESIGN);
    for (path, text) in [
        ("migrations/orders/V1__orders.sql", orders),
        ("migrations/billing/V1__billing.sql", billing),
        ("manifests/read_models/daily_sales.sql", "select 1 as day, 2 as category"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    folder
}

#[test]
fn services_may_consume_each_other() {
    let folder = design(
        "create table orders (id uuid); create view order_summary as select id from orders;
create view unpaid as select * from billing.invoice_status;",
        "create table invoices (id uuid); create view invoice_status as select id from invoices;
create view due as select * from orders.order_summary;",
    );
    let output = pgcleave(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    expect![[r#"
        note: manifests/billing.yaml:3: services consume each other: billing → orders → billing; a split of one bridges contracts both ways
        note: manifests/orders.yaml:19: `read_models` of orders is checked, and not yet applied
        note: manifests/orders.yaml:20: `event_log` of orders is checked, and not yet applied
        note: manifests/orders.yaml:22: `outbox` of orders is checked, and not yet applied
    "#]]
    .assert_eq(&told);
}

#[test]
fn objects_that_are_defined_by_each_other_are_refused() {
    let folder = design(
        "create view order_summary as\n  select * from billing.invoice_status;",
        "create view invoice_status as\n  select * from orders.order_summary;",
    );
    assert_eq!(told(folder.path()), ["migrations/billing/V1__billing.sql:2:17 contract-cycle"]);
    let shown = stderr(&pgcleave(folder.path(), &["check"]));
    let round = "billing.invoice_status → orders.order_summary → billing.invoice_status";
    assert!(
        shown.contains("these are defined by each other") && shown.contains("orders/V1__orders.sql:2:17"),
        "{shown}"
    );
    let answer = pgcleave(folder.path(), &["check", "--format", "json"]);
    assert!(stdout(&answer).contains(round), "{}", stdout(&answer));
}
