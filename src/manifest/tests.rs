//! Each kind of mistake: what is said, and where.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::service::{ContractKind, SecretSink};
use super::*;
use crate::manifest::service::Project;

mod contracts;
mod environment;
mod together;

const CONFIG: &str = "environments: { staging: { role_prefix: stg_ }, prod: {} }\n";

fn load(config: &str, files: &[(&str, &str)], environment: Option<&str>) -> Result<Project, Invalid> {
    let mut draft = Draft::new(SourceFile { path: "pgcleave.yaml".into(), bytes: config.into() });
    for (name, text) in files {
        draft.add(&SourceFile { path: format!("m/{name}.yaml").into(), bytes: (*text).into() });
    }
    let disk = [("m/migrations", Found::Folder), ("m/q.sql", Found::File)];
    draft.check(environment.map_or(Choice::None, Choice::Named), &disk.map(|(path, found)| (path.into(), found)).into())
}

fn told(loaded: &Result<Project, Invalid>) -> String {
    match loaded {
        Ok(_) => "valid\n".into(),
        Err(invalid) => invalid.problems.iter().map(|p| format!("{p}\n")).collect(),
    }
}

fn check(files: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&told(&load(CONFIG, files, None)));
}

/// Checks the manifest of the service `a` alone.
fn check_one(text: &str, expected: Expect) {
    check(&[("a", &format!("service: a\n{text}"))], expected);
}

fn check_config(text: &str, expected: Expect) {
    expected.assert_eq(&told(&load(text, &[], None)));
}

const ORDERS: &str = "\
service: orders
description: Takes orders
team: checkout
schema: order_book
migrations: migrations
extensions: [pgcrypto, uuid-ossp]
credentials:
  app:      { access: write, connection_limit: 40, settings: { statement_timeout: 5s, jit: off, seed: 0.10 } }
  migrator: { access: owner }
exposes:
  - { view: order_summary, to: [billing, shipping] }
  - { function: \"cancel(INT, status default 'new')\", to: [shipping] }
  - { table: lines, to: [shipping], privileges: [SELECT, insert] }
read_models:
  - { name: daily, query: q.sql, key: [day], refresh: { every: 24h, at: 02:00 } }
event_log: { table: events }
outbox:
  topics: { order.placed: [billing, shipping] }
database: { url_env: ORDERS_URL }
";
const BILLING: &str = "service: billing\nconsumes: [orders.order_summary]\n";
const SHIPPING: &str =
    "service: shipping\nconsumes: [orders.order_summary, \"orders.cancel(int4, status)\", orders.lines]\n";

#[test]
fn a_whole_project_is_read() {
    let files = [("orders", ORDERS), ("billing", BILLING), ("shipping", SHIPPING)];
    let project = load(CONFIG, &files, Some("staging")).expect("valid");
    assert_eq!(project.naming.prefix, "stg_");
    assert_eq!(project.secrets, SecretSink::Directory(".secrets".into()));
    let orders = &project.services["orders"];
    let function = &orders.exposes[1];
    assert_eq!(
        (function.kind, function.arguments.as_deref()),
        (ContractKind::Function, Some("integer, order_book.status"))
    );
    assert_eq!(project.services["shipping"].consumes[1].arguments, function.arguments);
    assert_eq!(orders.exposes[2].privileges.to_string(), "SELECT, INSERT");
    let settings = &orders.credentials["app"].settings;
    assert_eq!((settings["jit"].as_str(), settings["seed"].as_str()), ("off", "0.10"));
    assert_eq!(orders.read_models[0].refresh_at.as_deref(), Some("02:00"));
    let unapplied: Vec<_> = project.not_yet_applied().iter().map(|(_, key, _)| *key).collect();
    assert_eq!(unapplied, ["read_models", "event_log", "outbox"]);
}

#[test]
fn order_of_files_changes_nothing() {
    let files = [("b", "service: b\nconsumes: [a.x]"), ("a", "service: a\nexposes: [{ view: y, to: [b] }]")];
    let reversed: Vec<_> = files.iter().rev().copied().collect();
    assert_eq!(told(&load(CONFIG, &files, None)), told(&load(CONFIG, &reversed, None)));
}

#[test]
fn mistakes_of_writing_are_told_with_their_place() {
    check_one(
        "expose: []",
        expect![[r#"
        m/a.yaml:2:1: the key `expose` is not known here [unknown-key]; write `exposes`
    "#]],
    );
    check_one(
        "credentials: { app: { acess: write } }",
        expect![[r#"
        m/a.yaml:2:23: the key `acess` is not known here [unknown-key]; write `access`
    "#]],
    );
    check_one(
        "\tteam: x",
        expect![[r#"
            m/a.yaml:2:1: this is not YAML: while scanning a plain scalar, found a tab [yaml-syntax]; indent with spaces; YAML takes no tabs
        "#]],
    );
    check_one(
        "credentials: { app: { access: write, connection_limit: 99999999999 } }",
        expect![[r#"
            m/a.yaml:2:56: `connection_limit` must be a whole number between -2147483648 and 2147483647, but is a number [wrong-type]; for example `connection_limit: 40`
        "#]],
    );
    check_one(
        "zzz: 1",
        expect![[r#"
            m/a.yaml:2:1: the key `zzz` is not known here [unknown-key]; the keys here are service, description, team, schema, migrations, layout, extensions, credentials, exposes, consumes, read_models, event_log, outbox, database, managed
        "#]],
    );
    check_one(
        "team: x\nteam: y",
        expect![[r#"
        m/a.yaml:3:1: the key `team` stands twice [duplicate-key]; the first one is at m/a.yaml:2:1; keep one of them
    "#]],
    );
    check_one(
        "description: 42",
        expect![[r#"
        m/a.yaml:2:14: `description` must be a text, but is a number [wrong-type]; put it into quotes: "42"
    "#]],
    );
    check_one(
        "team: [x]",
        expect![[r#"
        m/a.yaml:2:7: `team` must be a text, but is a list [wrong-type]; write `team: …` with one text
    "#]],
    );
    check_one(
        "consumes: b.x",
        expect![[r#"
        m/a.yaml:2:11: `consumes` must be a list, but is a text [wrong-type]; write `consumes: [ … ]`, also for one entry
    "#]],
    );
    check_one(
        "credentials: { app: { access: write, connection_limit: \"40\" } }",
        expect![[r#"
        m/a.yaml:2:56: `connection_limit` must be a whole number, but is a text [wrong-type]; write it without quotes: 40
    "#]],
    );
    for (written, is) in [("\"false\"", "a text"), ("no", "a text"), ("0", "a number")] {
        let message = format!(
            "m/a.yaml:2:10: `managed` must be true or false, but is {is} [wrong-type]; write true or false, without quotes\n"
        );
        assert_eq!(told(&load(CONFIG, &[("a", &format!("service: a\nmanaged: {written}"))], None)), message);
    }
    check_one(
        "credentials: { app: { access: write, connection_limit: 0 } }",
        expect![[r#"
        m/a.yaml:2:56: a connection limit of 0 lets nobody in [bad-value]; write 1 or more, or remove it for no limit
    "#]],
    );
    check_one(
        "credentials: { app: { access: wirte } }",
        expect![[r#"
        m/a.yaml:2:31: `access` must be one of write, read, owner, but is `wirte` [bad-value]; write `write`
    "#]],
    );
    check_one(
        "credentials: { app: {} }",
        expect![[r#"
        m/a.yaml:2:21: `access` is missing [missing-key]; add `access: …`
    "#]],
    );
    check_one(
        "credentials: { App: { access: read } }",
        expect![[r#"
        m/a.yaml:2:16: `App` cannot be a credential's name [bad-name]; write `app`: a lower-case letter, then letters, digits and `_`
    "#]],
    );
    check_one(
        "exposes:\n",
        expect![[r#"
        valid
    "#]],
    );
    check_one(
        "team: &a x\nschema: *a",
        expect![[r#"
        m/a.yaml:3:9: aliases are not followed [yaml-feature]; write the value out in each place, without `*` and `&`
    "#]],
    );
    check_one(
        "team: \"x",
        expect![[r#"
        m/a.yaml:2:7: this is not YAML: while scanning a quoted scalar, found unexpected end of stream [yaml-syntax]; compare brackets, quotes and indentation here and on the lines above
    "#]],
    );
    check(
        &[("a", "")],
        expect![[r#"
        m/a.yaml:1:1: the file says nothing [empty-file]; write the keys, or remove the file; `pgcleave init` shows what a file looks like
    "#]],
    );
    check(
        &[("a", "team: x")],
        expect![[r#"
        m/a.yaml:1:1: `service` is missing [missing-key]; add `service: …`
    "#]],
    );
    check(
        &[("a", "- x")],
        expect![[r#"
            m/a.yaml:1:1: the file must be a mapping, but is a list [wrong-type]; write `{ service: … }`; the keys here are service, description, team, schema, migrations, layout, extensions, credentials, exposes, consumes, read_models, event_log, outbox, database, managed
        "#]],
    );
}

#[test]
fn texts_that_older_yaml_takes_for_booleans_stay_texts() {
    check(
        &[("on", "service: on\nteam: no\n")],
        expect![[r#"
        valid
    "#]],
    );
    check(
        &[("null", "service: null\n")],
        expect![[r#"
        m/null.yaml:1:10: `service` must be a text, but is empty [wrong-type]; write the text, or remove the key
    "#]],
    );
}

#[test]
fn names_are_checked() {
    check(
        &[("a-b", "service: a-b")],
        expect![[r#"
        m/a-b.yaml:1:10: `a-b` cannot be a service's name [bad-name]; write `a_b`: a lower-case letter, then letters, digits and `_`
    "#]],
    );
    check(
        &[("a", "service: b")],
        expect![[r#"
        m/a.yaml:1:10: the service `b` stands in the file `a.yaml` [file-name]; rename the file to `b.yaml`, or write `service: a`
    "#]],
    );
    check(
        &[("public", "service: public")],
        expect![[r#"
        m/public.yaml:1:10: the service `public` belongs to everybody [reserved-name]; choose another name
    "#]],
    );
    check(
        &[("pg_x", "service: pg_x")],
        expect![[r#"
        m/pg_x.yaml:1:10: the service `pg_x` belongs to PostgreSQL [reserved-name]; choose another name
    "#]],
    );
    check(
        &[("pgcleave_x", "service: pgcleave_x")],
        expect![[r#"
        m/pgcleave_x.yaml:1:10: the service `pgcleave_x` belongs to pgcleave [reserved-name]; choose another name
    "#]],
    );
    check(
        &[("extensions", "service: extensions")],
        expect![[r#"
        m/extensions.yaml:1:10: the schema `extensions` belongs to the extensions [reserved-name]; choose another name
    "#]],
    );
    check(
        &[("a", "service: a"), ("b", "service: b\nschema: a")],
        expect![[r#"
        m/b.yaml:2:9: the schema `a` has an owner already [duplicate-schema]; it is claimed at m/a.yaml:1:10; give each service a schema of its own
    "#]],
    );
    check(
        &[("a", "service: a"), ("b", "service: a")],
        expect![[r#"
        m/b.yaml:1:10: the service `a` stands in the file `b.yaml` [file-name]; rename the file to `a.yaml`, or write `service: b`
        m/b.yaml:1:10: there are two manifests of the service `a` [duplicate-service]; the first one is at m/a.yaml:1:10; keep one of them
    "#]],
    );
    let long = "a".repeat(40);
    check(
        &[(&long, &format!("service: {long}\ncredentials: {{ {0}: {{ access: read }} }}", "b".repeat(20)))],
        expect![[r#"
            m/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.yaml:2:16: the credential `bbbbbbbbbbbbbbbbbbbb` of `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` would have the name `stg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_bbbbbbbbbbbbbbb…`, of 67 bytes [name-too-long]; PostgreSQL keeps 63: shorten it
        "#]],
    );
    check(
        &[
            ("orders", "service: orders\ncredentials: { app_x: { access: read } }"),
            ("orders_app", "service: orders_app\ncredentials: { x: { access: read } }"),
        ],
        expect![[r#"
            m/orders_app.yaml:2:16: the credential `x` of `orders_app` would have the same name as the credential `app_x` of `orders`: `orders_app_x_a` [name-collision]; the other is declared at m/orders.yaml:2:16; rename one of the two
        "#]],
    );
    check(
        &[("orders", "service: orders"), ("stg_orders", "service: stg_orders")],
        expect![[r#"
        m/orders.yaml:1:10: the owner of `orders` would have the same name as the owner of `stg_orders`: `stg_orders_owner` [name-collision]; the other is declared at m/stg_orders.yaml:1:10; rename one of the two
    "#]],
    );
}

#[test]
fn values_are_checked() {
    check_one(
        "migrations: nowhere",
        expect![[r#"
        m/a.yaml:2:13: there is no folder m/nowhere [missing-file]; make it, or correct the path: it is seen from the folder m
    "#]],
    );
    check_one(
        "migrations: q.sql",
        expect![[r#"
        m/a.yaml:2:13: m/q.sql is no folder [missing-file]; name a folder, seen from the manifest's folder
    "#]],
    );
    check_one(
        "read_models: [{ name: r, query: none.sql, key: [], refresh: { every: 60s, at: \"25:00\" } }]",
        expect![[r#"
            m/a.yaml:2:33: there is no file m/none.sql [missing-file]; make it, or correct the path: it is seen from the folder m
            m/a.yaml:2:48: the key has no columns [bad-value]; name the columns that identify a row
            m/a.yaml:2:79: `25:00` is not a time of day [bad-value]; write hours and minutes: `"02:00"`
        "#]],
    );
    check_one(
        "read_models: [{ name: r, query: q.sql, refresh: { every: 24 } }]",
        expect![[r#"
            m/a.yaml:2:58: `24` is not a duration [bad-value]; write a number and a unit: `30s`, `15m`, `24h` or `7d`
        "#]],
    );
    check_one(
        "read_models: [{ name: r, query: q.sql, refresh: { every: daily } }]",
        expect![[r#"
        m/a.yaml:2:58: `daily` is not a duration [bad-value]; write a number and a unit: `30s`, `15m`, `24h` or `7d`
    "#]],
    );
    check_one(
        "credentials: { app: { access: read, settings: { role: x, search_path: x, \"A b\": 1 } } }",
        expect![[r#"
            m/a.yaml:2:49: the setting `role` is not for manifests: it would change who the login is [bad-setting]; remove it
            m/a.yaml:2:58: the setting `search_path` is not for manifests: pgcleave sets it to the service's schema [bad-setting]; remove it
            m/a.yaml:2:74: `A b` is not the name of a setting [bad-setting]; write it as PostgreSQL does: `statement_timeout`
        "#]],
    );
    check_one(
        "extensions: [pgcrypto, pgcrypto, \"x y\"]",
        expect![[r#"
        m/a.yaml:2:24: the extension `pgcrypto` is listed twice [duplicate-entry]; the first one is at m/a.yaml:2:14; keep one of them
        m/a.yaml:2:34: `x y` cannot be an extension's name [bad-name]; write its name as in `pg_available_extensions`
    "#]],
    );
    check_one(
        "outbox: { topics: { \"A\": [a], x: [nobody] } }",
        expect![[r#"
        m/a.yaml:2:21: `A` cannot be a topic [bad-name]; write lower-case letters, digits, `.`, `_` and `-`: `order.placed`
        m/a.yaml:2:35: there is no service `nobody` [unknown-service]; add a manifest `nobody.yaml`, or remove this
    "#]],
    );
    check_one(
        "database: { url_env: \"postgres://u:hunter2@h/d\" }",
        expect![[r#"
        m/a.yaml:2:22: `postgres://u:*******@h/d` is not the name of an environment variable [bad-value]; write the variable's name here, such as `DATABASE_URL`, and the connection string into the variable
    "#]],
    );
}

#[test]
fn the_config_is_checked() {
    check_config(
        "environment: {}",
        expect![[r#"
        pgcleave.yaml:1:1: the key `environment` is not known here [unknown-key]; write `environments`
    "#]],
    );
    check_config(
        "environments: { prod: { role_prefix: pg_ }, Prod: { role_prefix: A- } }",
        expect![[r#"
        pgcleave.yaml:1:38: role names cannot begin with `pg_`: that is PostgreSQL's own [reserved-name]; choose another prefix, such as `stg_`
        pgcleave.yaml:1:45: `Prod` cannot be an environment's name [bad-name]; write `prod`: a lower-case letter, then letters, digits and `_`
        pgcleave.yaml:1:66: `A-` cannot begin a role's name [bad-name]; write lower-case letters, digits and `_`, such as `stg_`
    "#]],
    );
    check_config(
        "environments: { prod: { database_url: postgres://u:hunter2@h } }",
        expect![[r#"
        pgcleave.yaml:1:25: the key `database_url` is not known here [unknown-key]; write `database_url_env`
    "#]],
    );
    check_config(
        "secrets: {}",
        expect![[r#"
        pgcleave.yaml:1:10: `secrets` needs exactly one of directory, json, kubernetes and command [bad-value]; for example `secrets: { directory: .secrets }`
    "#]],
    );
    check_config(
        "secrets: { directory: a, json: b }",
        expect![[r#"
        pgcleave.yaml:1:10: `secrets` needs exactly one of directory, json, kubernetes and command [bad-value]; for example `secrets: { directory: .secrets }`
    "#]],
    );
    check_config(
        "secrets: { command: [] }",
        expect![[r#"
        pgcleave.yaml:1:21: the command has no program [bad-value]; write the program and its arguments: `command: [vault, kv, put, "secret/{service}/{credential}", "-"]`
    "#]],
    );
    check_config(
        "audit: { fail_on: warn, waivers: [{ rule: r, object: o, reason: \" \", expires: 1.3.2027 }] }",
        expect![[r#"
            pgcleave.yaml:1:19: `fail_on` must be one of error, warning, info, but is `warn` [bad-value]; write `warning`
            pgcleave.yaml:1:65: the reason is empty [bad-value]; write something, or remove the key
            pgcleave.yaml:1:79: `1.3.2027` is not a date [bad-value]; write year, month and day: `2027-03-01`
        "#]],
    );
    expect![[r#"
        pgcleave.yaml:1:1: there is no environment `pord` [unknown-environment]; use `--env prod`
    "#]]
    .assert_eq(&told(&load(CONFIG, &[], Some("pord"))));
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    let mut draft = Draft::new(SourceFile { path: "pgcleave.yaml".into(), bytes: b"x".to_vec() });
    draft.add(&SourceFile { path: "m/a.yaml".into(), bytes: b"service: a\nteam: \xff\n".to_vec() });
    expect![[r#"
        m/a.yaml:2:7: byte 18 of the file, 0xff, is not UTF-8 [not-text]; save the file as UTF-8
        pgcleave.yaml:1:1: the file must be a mapping, but is a text [wrong-type]; write `{ manifests: … }`; the keys here are manifests, environments, default_environment, operators, secrets, migrate, audit
    "#]].assert_eq(&told(&draft.check(None, &Disk::new())));
}

#[test]
fn a_thousand_services_are_compared_without_trouble() {
    let texts: Vec<_> = (0..1000)
        .map(|i| {
            let uses = if i == 0 { String::new() } else { format!("consumes: [s{}.v]\n", i - 1) };
            let to = if i == 999 { String::new() } else { format!("exposes: [{{ view: v, to: [s{}] }}]\n", i + 1) };
            (format!("s{i}"), format!("service: s{i}\n{uses}{to}"))
        })
        .collect();
    let files: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(load(CONFIG, &files, None).map(|p| p.services.len()).ok(), Some(1000));
}

#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    let schema = schema::service();
    let described: Vec<_> = schema["properties"].as_object().expect("an object").keys().map(String::as_str).collect();
    let message = told(&load(CONFIG, &[("a", "service: a\nzzz: 1")], None));
    let (_, listed) = message.trim_end().split_once("the keys here are ").expect("all are listed");
    let mut read: Vec<_> = listed.split(", ").collect();
    read.sort_unstable();
    assert_eq!(described, read);
    assert_eq!(schema["required"], serde_json::json!(["service"]));
    assert_eq!(schema["$defs"]["Exposed"]["required"], serde_json::json!(["to"]));
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema::config()["properties"]["secrets"].is_object());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut draft = Draft::new(SourceFile { path: "pgcleave.yaml".into(), bytes: bytes.clone() });
        draft.add(&SourceFile { path: "m/a.yaml".into(), bytes });
        let loaded = draft.check(None, &Disk::new());
        prop_assert!(loaded.is_err());
    }

    #[test]
    fn a_damaged_manifest_is_read_or_refused(at in 0..ORDERS.len(), with in ".{0,3}", cut in 0..4_usize) {
        let end = (at + cut).min(ORDERS.len());
        let text = format!("{}{with}{}", &ORDERS[..at], &ORDERS[end..]);
        let loaded = load(CONFIG, &[("orders", &text), ("billing", BILLING), ("shipping", SHIPPING)], None);
        if let Err(invalid) = loaded {
            prop_assert!(!invalid.problems.is_empty());
            for problem in &invalid.problems {
                prop_assert!(problem.at.line >= 1 && problem.at.column >= 1 && !problem.help.is_empty());
            }
        }
    }
}
