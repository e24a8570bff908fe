//! Names that try to break out, roles that are gone, and a login that may read little.

use pgcleave::audit::remedy::FixClass;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{facts, findings, tells};
use crate::support::TestDb;

#[tokio::test]
async fn odd_names_are_told_as_they_are() {
    let db = TestDb::new().await;
    let role = format!("{}a\"b\n\u{1b}[31m,=/{{}}", db.prefix());
    let quoted = format!("\"{}\"", role.replace('"', "\"\""));
    let owner = format!("{}s_owner", db.prefix());
    let long = "ü".repeat(31);
    db.run(&format!(
        "create role {owner}; create role {quoted} login; create schema {p}s authorization {owner}; \
         create table {p}s.\"{long}\" (x int); alter table {p}s.\"{long}\" owner to {owner}; \
         create table {p}s.\"<script>'\\\" (x int); alter table {p}s.\"<script>'\\\" owner to {owner}; \
         grant usage on schema {p}s to {quoted}; grant select on all tables in schema {p}s to {quoted}",
        p = db.prefix()
    ))
    .await;
    let mut connection = db.connect().await;
    let found = findings(&mut connection).await;
    let schema = format!("{}s", db.prefix());
    assert!(tells(&found, "ACC01", &role, &format!("{schema}.\"{long}\"")), "{found:#?}");
    let script = format!("{schema}.\"<script>'\\\"");
    assert!(tells(&found, "ACC01", &role, &script));
    let finding = found.iter().find(|f| f.object == script).expect("just seen");
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(finding.statement.as_str())))
        .await
        .expect("the fix is SQL that runs");
    assert!(!tells(&findings(&mut connection).await, "ACC01", &role, &script), "the fix mends it");
}

/// Makes leaks of many kinds between two services, all of whose names try to break out of their quotes.
fn odd_leaks(p: &str) -> String {
    let odd = |name: &str| format!("\"{p}{name}\"\"; --'\n/*\"");
    let (a, b) = (format!("{p}a"), format!("{p}b"));
    let (a_owner, b_owner, app, group) = (odd("a owner"), odd("b owner"), odd("a app"), odd("group"));
    let (table, column, name) = (odd("table"), odd("column"), odd("name"));
    [
        format!("create role {a_owner}; create role {b_owner}; create role {app} login; create role {group}"),
        format!("create schema {a} authorization {a_owner}; create schema {b} authorization {b_owner}"),
        format!("grant {a_owner} to {app}; grant {b_owner} to {group}; grant {group} to {app} with admin option"),
        format!("create table {b}.{table} ({column} text primary key, other text default 'x')"),
        format!("alter table {b}.{table} owner to {b_owner}; create sequence {b}.{name}"),
        format!(
            "grant usage, create on schema {b} to {app} with grant option; grant usage on sequence {b}.{name} to {app}"
        ),
        format!(
            "grant select on {b}.{table} to {app} with grant option; grant select ({column}) on {b}.{table} to {app}"
        ),
        format!(
            "create function {a}.{name}(text) returns boolean language plpgsql immutable as 'begin return true; end'"
        ),
        format!("alter function {a}.{name}(text) owner to {a_owner}"),
        format!("create function {b}.{name}() returns int language sql security definer as 'select 1'"),
        format!("alter function {b}.{name}() owner to {b_owner}; grant execute on function {b}.{name}() to {app}"),
        format!("create domain {b}.{column} as text constraint {name} check ({a}.{name}(value))"),
        format!("grant usage on domain {b}.{column} to {app}; alter domain {b}.{column} owner to {a_owner}"),
        format!("alter table {b}.{table} add constraint {name} check ({a}.{name}({column}))"),
        format!("create index \"{p}index '\"\"\" on {b}.{table} (other) where {a}.{name}(other)"),
        format!("create policy {name} on {b}.{table} to {app} using ({a}.{name}({column}))"),
        format!("create table {a}.{table} ({column} text references {b}.{table} on delete cascade)"),
        format!("alter table {a}.{table} owner to {a_owner}; grant insert on {a}.{table} to {app}"),
        format!("create view {a}.{column} as select * from {b}.{table}; grant select on {a}.{column} to {app}"),
        format!("create rule {name} as on insert to {a}.{table} do also delete from {b}.{table}"),
        format!("alter default privileges for role {b_owner} in schema {b} grant select on tables to {app}"),
        // what holds in all databases would be found by the tests beside this one
        format!(
            "do $do$ begin execute format('alter role %s in database %I set role = %s', $q${app}$q$, current_database(), \
             $q${group}$q$); end $do$"
        ),
    ]
    .join("; ")
}

#[tokio::test]
async fn every_fix_is_sql_whatever_the_names() {
    let db = TestDb::new().await;
    let p = db.prefix();
    db.run(&odd_leaks(p)).await;
    let mut connection = db.connect().await;
    let found = findings(&mut connection).await;
    // the databases of the tests beside this one come and go
    let own = |f: &&pgcleave::audit::finding::Finding| {
        f.rule != "DB04" && (f.principal.starts_with(p) || f.object.contains(p))
    };
    let mut tried = std::collections::BTreeSet::new();
    for finding in found.iter().filter(own) {
        // one fix may take away what another is about: each is tried alone
        let fix = format!("begin; {}\n; rollback", finding.statement);
        let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(fix.as_str()))).await;
        assert!(done.is_ok(), "{} {}: {done:?}\n{}", finding.rule, finding.object, finding.statement);
        let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(finding.fix.as_str()))).await;
        let pasted = finding.fix.lines().all(|line| line.starts_with("--") || finding.fix_class == FixClass::Safe);
        assert!(pasted && (done.is_ok() || finding.fix_class == FixClass::Safe), "{}", finding.fix);
        tried.insert(finding.rule);
    }
    for rule in ["ACC01", "ACC02", "ACC03", "ACC05", "ACC06", "ACC08", "ACC12", "MEM03", "OWN01"] {
        assert!(tried.contains(rule), "{rule} is not among {tried:?}");
    }
    for rule in ["DEF01", "DEF03", "FKX01", "FKX02", "INB01", "VIW02", "FUT01", "ATT07"] {
        assert!(tried.contains(rule), "{rule} is not among {tried:?}");
    }
}

#[tokio::test]
async fn a_role_that_is_gone_is_remembered_by_its_oid() {
    let db = TestDb::new().await;
    let p = db.prefix();
    db.run(&format!(
        "create role {p}gone; create role {p}s_owner; create schema {p}s authorization {p}s_owner; \
         create table {p}s.t (x int); grant select on {p}s.t to {p}gone"
    ))
    .await;
    // what a half-restored dump leaves: the catalog row goes, the access list stays
    db.run(&format!("delete from pg_authid where rolname = '{p}gone'")).await;
    let mut connection = db.connect().await;
    let facts = facts(&mut connection).await;
    assert!(facts.roles.iter().any(|(_, r)| r.dangling), "the entry is kept");
    assert!(!findings(&mut connection).await.iter().any(|f| f.rule == "ACC01"), "nobody can use it");
}

#[tokio::test]
async fn what_cannot_be_read_is_listed() {
    let db = TestDb::new().await;
    let url = db.createrole_admin().await;
    let mut connection = PgConnection::connect(&url).await.expect("the administrator connects");
    let facts = facts(&mut connection).await;
    assert!(facts.not_readable.iter().any(|line| line.contains("pg_authid")), "{:?}", facts.not_readable);
    assert!(!facts.roles.is_empty() && !facts.schemas.is_empty());
}
