//! The audit's outputs, with names that try to break out of each of them.

use pgcleave::ident::Ident;
use serde_json::Value;

use super::schema;
use crate::support::{Answer, Project, TestDb};

/// Makes two services of manifests, and leaks through hostile names; gives the tables' own names.
async fn hostile(db: &TestDb, project: &Project) -> [String; 3] {
    project.manifest("alpha", "team: one\n");
    project.manifest("beta", "team: two\nexposes:\n  - { view: shown, to: [alpha] }\n");
    project.manifest("alpha", "team: one\nconsumes: [beta.shown]\n");
    let tables = [
        "<script>alert(1)</script>".to_owned(),
        "\"';]]>--\n\r\t\u{1}\u{1b}[31m`|\\\u{202e}&amp;".to_owned(),
        "漢".repeat(21),
    ];
    let p = db.prefix();
    let mut sql = format!(
        "create role {p}beta_owner; create role {p}alpha_owner; create role {p}alpha_reader; \
         create role {p}alpha_app login in role {p}alpha_reader; \
         create schema beta authorization {p}beta_owner; create schema alpha authorization {p}alpha_owner; \
         create view beta.shown as select 1 as x; alter view beta.shown owner to {p}beta_owner; \
         grant usage on schema beta to {p}alpha_reader; grant insert on beta.shown to {p}alpha_reader;"
    );
    for table in &tables {
        let name = format!("beta.\"{}\"", table.replace('"', "\"\""));
        sql.push_str(&format!(
            "create table {name} (x int); alter table {name} owner to {p}beta_owner; \
             grant select on {name} to {p}alpha_reader;"
        ));
    }
    db.run(&sql).await;
    tables
}

fn audit(project: &Project, format: &str) -> Answer {
    project.run(&["audit", "--format", format]).exits(4)
}

#[tokio::test]
async fn sarif_keeps_to_its_schema() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    let tables = hostile(&db, &project).await;
    let document = audit(&project, "sarif").json();
    schema::expect_valid(&document);
    let results = document["runs"][0]["results"].as_array().expect("a list");
    for table in &tables {
        let name = Ident::new(table).expect("a name").sql();
        let of = |r: &&Value| r["properties"]["object"].as_str().is_some_and(|o| o.contains(&name));
        let found: Vec<_> = results.iter().filter(of).filter(|r| r["ruleId"] == "ACC01").collect();
        assert_eq!(found.len(), 1, "one result for one rule, principal and object: {table:?}");
        let physical = &found[0]["locations"][0]["physicalLocation"];
        assert_eq!(physical["artifactLocation"]["uri"], "manifests/beta.yaml");
        assert_eq!(physical["region"]["startLine"], 1);
        let logical = found[0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].as_str().expect("a name");
        assert!(logical.starts_with(&format!("{}.beta.", db.name())), "{logical}");
        let steps = &found[0]["codeFlows"][0]["threadFlows"][0]["locations"];
        assert_eq!(steps.as_array().map(Vec::len), Some(2));
    }
    let beyond = results.iter().find(|r| r["properties"]["object"] == "beta.shown" && r["ruleId"] == "ACC01");
    let line = &beyond.expect("INSERT goes beyond the contract")["locations"][0]["physicalLocation"]["region"];
    assert_eq!(line["startLine"], 4, "the contract's own line");
    let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().expect("a list");
    for result in results {
        let index = result["ruleIndex"].as_u64().expect("a number") as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
}

#[tokio::test]
async fn sarif_tells_waivers_as_suppressions_and_keeps_fingerprints() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    hostile(&db, &project).await;
    let before = audit(&project, "sarif").json();
    let (name, p) = (db.name(), db.prefix());
    project.write(
        "pgcleave.yaml",
        &format!(
            "manifests: manifests\nenvironments:\n  test: {{ database_url_env: TEST_URL, role_prefix: {p} }}\naudit:\n  \
             waivers:\n    - {{ rule: ACC01, object: beta.shown, reason: \"until [x](y)\", expires: 2999-01-01 }}\n"
        ),
    );
    let after = audit(&project, "sarif").json();
    schema::expect_valid(&after);
    let find = |document: &Value| {
        let results = document["runs"][0]["results"].as_array().expect("a list").clone();
        let of = |r: &Value| r["properties"]["object"] == "beta.shown" && r["ruleId"] == "ACC01";
        results.into_iter().find(of).unwrap_or_else(|| panic!("it is told in {name}"))
    };
    let (before, after) = (find(&before), find(&after));
    assert_eq!(before["partialFingerprints"], after["partialFingerprints"]);
    assert_eq!(before["suppressions"], serde_json::json!([]));
    assert_eq!(after["suppressions"][0]["justification"], "until [x](y)");
}

#[tokio::test]
async fn what_the_baseline_knows_is_open_in_no_output() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    hostile(&db, &project).await;
    // other tests' roles and databases on the same server come and go: only what is granted on this test's own objects
    let rules = "ACC01,ACC02,ACC06";
    let before = project.run(&["audit", "--rule", rules, "--fail-on", "never", "--format", "json"]).exits(0);
    project.write("before.json", &before.stdout);
    let again =
        |format| project.run(&["audit", "--rule", rules, "--baseline", "before.json", "--format", format]).exits(0);
    let sarif = again("sarif").json();
    schema::expect_valid(&sarif);
    let results = sarif["runs"][0]["results"].as_array().expect("a list");
    assert!(!results.is_empty() && results.iter().all(|r| r["baselineState"] == "unchanged"));
    let junit = again("junit").stdout;
    assert!(junit.contains("<skipped message=\"known from the baseline\"") && !junit.contains("<failure"), "{junit}");
    assert!(again("markdown").stdout.contains("**Nothing found.**"));
    let page = again("html").stdout;
    assert!(page.contains("data-severity=\"accepted\"") && !page.contains("data-severity=\"error\""));
}

#[tokio::test]
async fn junit_is_well_formed_and_fails_the_contract_that_is_exceeded() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    hostile(&db, &project).await;
    let text = audit(&project, "junit").stdout;
    expect_well_formed(&text);
    assert!(text.contains("<testsuite name=\"alpha\"") && text.contains("<testsuite name=\"beta\""));
    let case = text.split("<testcase ").find(|c| c.contains("contract: alpha uses beta.shown")).expect("its case");
    assert!(case.contains("<failure type=\"error\"") && case.contains("fix: -- revoke insert"), "{case}");
    assert!(text.contains("&lt;script&gt;") && !text.contains("<script"));
    let lenient = project.run(&["audit", "--format", "junit", "--fail-on", "never"]).exits(0).stdout;
    assert!(!lenient.contains("<failure") && lenient.contains("<system-out>"));
}

#[tokio::test]
async fn markdown_keeps_hostile_names_in_their_cells() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    hostile(&db, &project).await;
    let text = audit(&project, "markdown").stdout;
    let rows: Vec<_> = text.lines().filter(|l| l.starts_with("| 🔴")).collect();
    assert!(rows.len() >= 4, "{text}");
    for row in rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
    }
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
}

#[tokio::test]
async fn the_page_is_alone_and_runs_nobody_elses_script() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    let tables = hostile(&db, &project).await;
    let page = audit(&project, "html").stdout;
    assert_eq!(page.matches("<script").count(), 1, "only our own");
    assert!(page.contains("default-src &#39;none&#39;") && !page.contains("unsafe-inline"));
    for outside in ["http://", "https://", "//cdn", " src=", "url(http", "@import"] {
        let found = page.replace("http://www.w3.org/2000/svg", "").contains(outside);
        assert!(!found, "the page says {outside}");
    }
    assert!(!page.contains(" style=") && !page.contains(" onclick="), "the policy forbids both");
    assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "the name is told");
    assert!(page.contains(&tables[2]));
    assert!(page.chars().all(|c| c == '\n' || !c.is_control()) && !page.contains('\u{202e}'));
    let name = Ident::new(&tables[1]).expect("a name").sql();
    let written = [("&", "&#38;"), ("\"", "&#34;"), ("'", "&#39;"), ("<", "&#60;"), (">", "&#62;")];
    let written = written.into_iter().fold(name, |name, (from, to)| name.replace(from, to));
    assert!(page.contains(&written), "what is copied means the same name");
}

#[tokio::test]
async fn the_graph_is_drawn_from_manifests_alone_and_with_leaks() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    hostile(&db, &project).await;
    let mut offline = project.command(&["graph"]);
    let told = crate::support::answer(offline.env_remove("TEST_URL").output().expect("it runs")).exits(0).stdout;
    assert!(told.starts_with("flowchart LR") && told.contains("s0 -->|\"shown\"| s1"), "{told}");
    let live = project.run(&["graph", "--live", "--format", "dot"]).exits(0).stdout;
    assert!(live.contains("style=dashed"), "{live}");
    let svg = project.run(&["graph", "--live", "--format", "svg"]).exits(0).stdout;
    expect_well_formed(&svg);
    assert!(svg.contains("line error") && !svg.contains("<script"));
    project.run(&["graph", "--format", "json"]).exits(2);
}

/// Insists on balanced tags, known entities, and no character that XML 1.0 forbids.
#[track_caller]
fn expect_well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    assert!(xml.chars().all(|c| matches!(c, '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)));
    for (at, _) in xml.match_indices('&') {
        let entity = xml[at + 1..].split(';').next().unwrap_or_default();
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&entity), "&{entity}");
    }
    let mut pieces = xml.split('<');
    assert_eq!(pieces.next(), Some(""));
    for piece in pieces {
        let (tag, content) = piece.split_once('>').expect("every tag ends");
        assert!(!content.contains('>'), "{content}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or_default();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "in {tag}");
        } else if !tag.ends_with('/') && !tag.starts_with('?') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
