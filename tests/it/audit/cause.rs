//! One cause is one finding, in every format, and keeps its identity.

use serde_json::Value;

use crate::support::{Answer, Project, TestDb, answer};

/// Runs the command line in a folder without manifests.
fn bare(db: &TestDb, arguments: &[&str]) -> Answer {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pgcleave"));
    command.current_dir(folder.path()).env("DATABASE_URL", db.url()).env("NO_COLOR", "1");
    answer(command.arg("audit").args(arguments).output().expect("the binary runs"))
}

/// Gives the findings of one rule.
fn of_rule<'a>(document: &'a Value, rule: &str) -> Vec<&'a Value> {
    let all = document["findings"].as_array().expect("a list").iter();
    all.filter(|f| f["rule"] == rule).collect()
}

/// Makes a table that PUBLIC may read, and logins whom that reaches.
async fn opened(db: &TestDb) {
    let p = db.prefix();
    let logins: String = (0..5).map(|i| format!("create role {p}a_app{i} login connection limit 2;")).collect();
    db.run(&format!(
        "create role {p}a_owner; create role {p}b_owner; {logins} create role {p}b_app login connection limit 2; \
         create schema {p}a authorization {p}a_owner; create schema {p}b authorization {p}b_owner; \
         set role {p}b_owner; create table {p}b.t (x int); grant usage on schema {p}b to public; \
         grant select on {p}b.t to public; reset role"
    ))
    .await;
}

#[tokio::test]
async fn a_grant_to_public_is_one_cause_that_names_whom_it_reaches() {
    let db = TestDb::new().await;
    opened(&db).await;
    let p = db.prefix();
    let told = bare(&db, &["--rule", "ACC07", "--format", "json"]).exits(4).json();
    let found: Vec<_> = of_rule(&told, "ACC07").into_iter().filter(|f| f["object"] == format!("{p}b.t")).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    let reached: Vec<&str> =
        found[0]["principals"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for login in 0..5 {
        assert!(reached.contains(&format!("{p}a_app{login}").as_str()), "{reached:?}");
    }
    assert!(!reached.contains(&format!("{p}b_app").as_str()), "a service's own login is not foreign: {reached:?}");
    assert_eq!(found[0]["principal"], "PUBLIC");
    // the fix would take b_app's access as well, which nothing else gives it
    let hits: Vec<&str> = found[0]["fix_hits"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(hits.contains(&format!("{p}b_app").as_str()), "{hits:?}");
    let fix = found[0]["fix"].as_str().expect("a fix");
    assert!(fix.lines().all(|line| line.starts_with("--")), "{fix}");
    assert_eq!(found[0]["fix_class"], "after");
}

#[tokio::test]
async fn connect_and_temporary_are_one_cause() {
    let db = TestDb::new().await;
    opened(&db).await;
    let told = bare(&db, &["--fail-on", "never", "--format", "json"]).exits(0).json();
    let (connect, temporary) = (of_rule(&told, "DB01"), of_rule(&told, "DB02"));
    assert_eq!((connect.len(), temporary.len()), (1, 0), "{connect:#?} {temporary:#?}");
    assert_eq!(connect[0]["also"], serde_json::json!(["DB02"]));
    let fix = connect[0]["fix"].as_str().expect("a fix");
    assert!(fix.lines().all(|line| line.starts_with("--")), "{fix}");
    assert!(fix.contains("connect") && fix.contains("temporary"), "{fix}");
    let alone = bare(&db, &["--rule", "DB02", "--fail-on", "never", "--format", "json"]).exits(0).json();
    assert_eq!(of_rule(&alone, "DB02").len(), 1, "{alone:#}");
    let elsewhere = of_rule(&told, "DB04");
    let objects: std::collections::BTreeSet<_> = elsewhere.iter().map(|f| f["object"].as_str()).collect();
    assert_eq!(objects.len(), elsewhere.len(), "once for each database");
    let of = |name: &str| elsewhere.iter().find(|f| f["object"] == format!("database {name}"));
    assert_eq!(of("postgres").map(|f| &f["severity"]), Some(&"info".into()), "{elsewhere:#?}");
}

#[tokio::test]
async fn all_formats_count_the_same() {
    let db = TestDb::new().await;
    opened(&db).await;
    let told =
        |format: &str| bare(&db, &["--rule", "ACC07", "--rule", "DB01", "--fail-on", "never", "--format", format]);
    let document = told("json").exits(0).json();
    let number = |name: &str| document["counts"][name].as_u64().expect("a number");
    let (errors, warnings, infos) = (number("errors"), number("warnings"), number("informational"));
    assert!(errors > 0 && warnings > 0, "{document:#}");
    let plural = |count: u64, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    let words = format!("{}, {}, {infos} informational", plural(errors, "error"), plural(warnings, "warning"));
    for format in ["human", "markdown"] {
        let text = told(format).exits(0).stdout;
        assert!(text.contains(&words), "{format}: {words}\n{text}");
    }
    let sarif = told("sarif").exits(0).json();
    assert_eq!(sarif["runs"][0]["properties"]["counts"], document["counts"]);
    let results = sarif["runs"][0]["results"].as_array().expect("a list").len() as u64;
    assert_eq!(results, errors + warnings + infos);
    let junit = told("junit").exits(0).stdout;
    assert!(junit.contains(&format!("<property name=\"errors\" value=\"{errors}\"/>")), "{junit}");
    let page = told("html").exits(0).stdout;
    assert!(page.contains(&format!("<dt>errors</dt><dd>{errors}</dd>")), "the page's first number");
}

#[tokio::test]
async fn a_baseline_outlasts_a_rotation() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    let p = db.prefix();
    // without a connection limit each login is told, as information
    project.manifest("billing", &format!("schema: {p}billing\ncredentials: {{ app: {{ access: write }} }}\n"));
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let audit = |more: &[&str]| project.run(&[&["audit", "--rule", "ATT06", "--fail-on", "info"], more].concat());
    let before = audit(&["--format", "json"]).exits(4);
    let login = |document: &Value| {
        let all = of_rule(document, "ATT06");
        let own = all.iter().find(|f| f["credential"] == "billing/app").expect("the credential is told");
        (own["principal"].clone(), own["fingerprint"].clone())
    };
    let (first, fingerprint) = login(&before.json());
    let file = project.write("base.json", &before.stdout);
    let baseline = ["--baseline", file.to_str().expect("a path in UTF-8"), "--format", "json"];
    project.run(&["credentials", "rotate", "billing"]).exits(0);
    let after = audit(&baseline).json();
    let (second, same) = login(&after);
    assert_ne!(first, second, "the other login is the active one");
    assert_eq!(fingerprint, same);
    let own = of_rule(&after, "ATT06").into_iter().find(|f| f["credential"] == "billing/app");
    assert_eq!(own.map(|f| &f["known"]), Some(&true.into()));
}
