//! Names that try to break out, roles that are gone, and a login that may read little.

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
    connection.execute(sqlx::raw_sql(AssertSqlSafe(finding.fix.as_str()))).await.expect("the fix is SQL that runs");
    assert!(!tells(&findings(&mut connection).await, "ACC01", &role, &script), "the fix mends it");
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
