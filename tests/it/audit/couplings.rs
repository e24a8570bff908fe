//! Every way in which one schema leans on another, each made for real, and what only looks like one.

use pgcleave::audit::finding::{Finding, Severity};
use pgcleave::audit::services::{Contract, Services};
use pgcleave::audit::{self, Options, rules};
use pgcleave::ident::Ident;
use pgcleave::manifest::service::ContractKind;
use pgcleave::model::privilege::Privilege;
use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::findings;
use crate::support::TestDb;

/// One block of `couplings.sql`.
struct Case {
    rule: String,
    from: String,
    to: String,
    sql: String,
}

fn cases(p: &str) -> Vec<Case> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/audit/couplings.sql");
    let text = std::fs::read_to_string(file).expect("the cases are there");
    let text = text.replace("@o", &format!("{p}orders")).replace("@b", &format!("{p}billing"));
    let text = text.replace("@u", &format!("{p}nobodys")).replace("@x", &format!("{p}ext")).replace("@p_", p);
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if line == "-- given" {
            cases.push(Case { rule: "given".to_owned(), from: String::new(), to: String::new(), sql: String::new() });
        } else if let Some([rule, from, to]) =
            line.strip_prefix("-- ").and_then(|l| <[&str; 3]>::try_from(l.split('|').collect::<Vec<_>>()).ok())
        {
            let text = |part: &str| part.trim().to_owned();
            cases.push(Case { rule: text(rule), from: text(from), to: text(to), sql: String::new() });
        } else if let Some(case) = cases.last_mut() {
            case.sql.push_str(line);
            case.sql.push('\n');
        }
    }
    cases
}

fn is_ours(finding: &Finding) -> bool {
    ["CPL", "HYG", "INF"].iter().any(|family| finding.rule.starts_with(family))
}

/// Tells whether a finding is of a case: by the object and by the path, which names what is needed as it is.
fn fits(finding: &Finding, case: &Case) -> bool {
    let path = finding.path.to_string();
    finding.rule == case.rule
        && (finding.object.starts_with(&case.from) || path.starts_with(&case.from))
        && (finding.object.contains(&case.to) || path.contains(&case.to))
}

#[tokio::test]
async fn every_coupling_is_told_and_no_look_alike() {
    let db = TestDb::new().await;
    let cases = cases(db.prefix());
    for case in &cases {
        db.run(&case.sql).await;
    }
    let found: Vec<Finding> = findings(&mut db.connect().await).await.into_iter().filter(is_ours).collect();
    let mut faults = Vec::new();
    for case in cases.iter().filter(|c| c.rule != "given") {
        let told = found.iter().any(|f| fits(f, case));
        let (is_none, from) = (case.rule == "none", &case.from);
        let wrongly: Vec<_> = found
            .iter()
            .filter(|f| f.rule != "HYG06")
            .filter(|f| f.object == *from || f.object.starts_with(&format!("{from} ->")))
            .collect();
        if is_none && !wrongly.is_empty() {
            faults.push(format!("{from} is told: {}", wrongly[0].message));
        } else if !is_none && !told {
            faults.push(format!("{} {from} -> {} is missing", case.rule, case.to));
        }
    }
    let all: Vec<_> = found.iter().map(|f| format!("\n  {} {}: {}", f.rule, f.object, f.message)).collect();
    assert!(faults.is_empty(), "{}\n--- told:{}", faults.join("\n"), all.concat());
    let covered = |rule: &&&rules::Rule| cases.iter().any(|c| c.rule == rule.id);
    let ours = rules::ALL.iter().filter(|r| ["CPL", "HYG", "INF"].iter().any(|family| r.id.starts_with(family)));
    let uncovered: Vec<_> = ours.filter(|rule| !covered(rule)).map(|r| r.id).collect();
    // tablespaces are the server's, contracts need manifests: both have tests of their own
    assert_eq!(uncovered, ["CPL12", "HYG05"]);
    assert_eq!(found.iter().filter(|f| f.is_inherent()).count(), 2, "what is inherent is told once");
    assert!(found.iter().all(|f| f.severity != Severity::Error), "a coupling opens nothing by itself");
    assert!(found.iter().all(|f| !f.message.contains("hunter2") && !f.fix.contains("hunter2")), "no secret is shown");
}

/// Fixes that are SQL end the coupling, one after the other.
#[tokio::test]
async fn the_fixes_run_and_end_what_they_are_for() {
    let db = TestDb::new().await;
    let p = db.prefix();
    db.run(&format!(
        "create role {p}o_owner; create schema {p}o authorization {p}o_owner; \
         create role {p}b_owner; create schema {p}b authorization {p}b_owner; \
         create table {p}b.t (id int primary key); create sequence {p}b.s; create table {p}o.\"odd \"\"on\"\" t\" (id int); \
         alter table {p}o.\"odd \"\"on\"\" t\" add constraint \"f on g\" foreign key (id) references {p}b.t; \
         alter table {p}o.\"odd \"\"on\"\" t\" add no bigint default nextval('{p}b.s'); \
         create table {p}o.child () inherits ({p}b.t); create statistics {p}b.st on id, no from {p}o.\"odd \"\"on\"\" t\"; \
         create rule r as on insert to {p}o.\"odd \"\"on\"\" t\" do also delete from {p}b.t; \
         create function {p}o.f() returns int language sql set search_path = {p}o, {p}b as 'select 1'; \
         create table {p}o.revoked (x int); alter table {p}o.revoked owner to {p}o_owner; revoke all on {p}o.revoked from {p}o_owner"
    ))
    .await;
    let mut connection = db.connect().await;
    let ours = |f: &Finding| {
        is_ours(f) && !f.statement.starts_with("--") && f.object.contains(p) && !f.object.starts_with("role ")
    };
    let mut found: Vec<Finding> = findings(&mut connection).await.into_iter().filter(ours).collect();
    // what is given to its owner is named as it is before it is moved
    found.sort_by_key(|f| f.rule != "HYG06");
    assert!(found.len() >= 7, "{found:#?}");
    for finding in &found {
        db.run(&finding.statement).await;
    }
    let left: Vec<Finding> = findings(&mut connection).await.into_iter().filter(ours).collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[tokio::test]
async fn what_is_dropped_between_two_reads_breaks_nothing() {
    let db = TestDb::new().await;
    let p = db.prefix();
    for case in cases(p) {
        db.run(&case.sql).await;
    }
    // the snapshot that the reads find themselves in is older than what the server's functions look at
    let mut reader = db.connect().await;
    let begin = "begin transaction isolation level repeatable read, read only; select from pg_catalog.pg_class limit 1";
    reader.execute(sqlx::raw_sql(begin)).await.expect("the snapshot is taken");
    db.run(&format!(
        "drop event trigger {p}orders_watch; drop publication {p}orders_mixed; drop publication {p}orders_whole; \
         drop foreign data wrapper {p}orders_wrapper cascade; drop extension citext cascade; drop extension pg_trgm cascade; \
         drop schema {p}orders, {p}billing, {p}nobodys, {p}ext, {p}left cascade"
    ))
    .await;
    db.run(&format!(
        "do $$ declare r text; begin for r in select rolname from pg_catalog.pg_roles where starts_with(rolname, '{p}') loop \
         execute format('drop owned by %I cascade', r); execute format('drop role %I', r); end loop; end $$"
    ))
    .await;
    // some of them fail over what is gone (a cache lookup): then all is read again, without it
    let facts = super::facts(&mut reader).await;
    let found = audit::run(&facts, &Services::inferred(), &Options::default()).findings;
    assert!(!found.iter().any(|f| f.rule.starts_with("CPL")), "{found:#?}");
}

#[tokio::test]
async fn a_contract_that_is_not_kept_is_told() {
    let db = TestDb::new().await;
    let p = db.prefix();
    db.run(&format!(
        "create role {p}a_owner; create schema {p}a authorization {p}a_owner; create role {p}b_owner; \
         create schema {p}b authorization {p}b_owner; create view {p}a.kept as select 1 as x; \
         create view {p}a.forgotten as select 1 as x; grant select on {p}a.kept to {p}b_owner; \
         create view {p}b.uses as select x from {p}a.kept"
    ))
    .await;
    let name = |text: &str| Ident::new(&format!("{p}{text}")).expect("a name");
    let contract = |object: &str| Contract {
        provider: name("a"),
        consumer: name("b"),
        kind: ContractKind::View,
        name: Ident::new(object).expect("a name"),
        arguments: None,
        privileges: Privilege::Select.into(),
    };
    let contracts = ["kept", "forgotten", "missing"].map(contract).to_vec();
    let services = Services { contracts, ..Services::inferred() };
    let facts = super::facts(&mut db.connect().await).await;
    let found = audit::run(&facts, &services, &Options::default()).findings;
    let stale: Vec<&str> = found.iter().filter(|f| f.rule == "HYG05").map(|f| f.object.as_str()).collect();
    assert_eq!(stale, [format!("{p}b -> {p}a.forgotten"), format!("{p}b -> {p}a.missing")]);
    let who =
        found.iter().filter(|f| f.rule == "HYG05").map(|f| (f.principal.as_str(), f.principal_service.as_deref()));
    let (owner, consumer) = (format!("{p}b_owner"), format!("{p}b"));
    assert!(who.clone().all(|who| who == (&*owner, Some(&*consumer))), "{:?}", who.collect::<Vec<_>>());
    let unused: Vec<&Finding> = found.iter().filter(|f| f.message.contains("an application may")).collect();
    assert!(unused.is_empty(), "what a view uses is used, and what was not granted is told as that: {unused:#?}");
    db.run(&format!("drop view {p}b.uses; create view {p}b.by_itself as select 1 as x")).await;
    let facts = super::facts(&mut db.connect().await).await;
    let found = audit::run(&facts, &services, &Options::default()).findings;
    let unused: Vec<&Finding> = found.iter().filter(|f| f.message.contains("an application may")).collect();
    let told = format!("{p}a.kept is exposed to {p}b, and nothing in the database uses it; an application may");
    assert_eq!(unused.iter().map(|f| (&*f.message, f.severity)).collect::<Vec<_>>(), [(&*told, Severity::Info)]);
    for sql in [
        "create function {p}b.f() returns bigint language sql as 'select count(*) from {p}a.kept'",
        "create function {p}b.f() returns bigint language plpgsql set search_path = {p}a as 'begin return (select x from kept); end'",
        "create table {p}b.t (x regclass default '{p}a.kept'::text::regclass)",
    ] {
        db.run(&sql.replace("{p}", p)).await;
        let facts = super::facts(&mut db.connect().await).await;
        let found = audit::run(&facts, &services, &Options::default()).findings;
        assert!(!found.iter().any(|f| f.message.contains("an application may")), "{sql}");
        db.run(&format!("drop function if exists {p}b.f(); drop table if exists {p}b.t")).await;
    }
    let found = audit::run(&facts, &services, &Options::default()).findings;
    assert!(!found.iter().any(|f| f.rule == "CPL02"), "what a contract declares is no coupling: {found:#?}");
}

#[tokio::test]
async fn a_tablespace_of_its_own_is_told() {
    let db = TestDb::new().await;
    let p = db.prefix();
    let mut connection = db.connect().await;
    let run = async |connection: &mut PgConnection, sql: String| {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("the statement runs");
    };
    run(&mut connection, "set allow_in_place_tablespaces = on".to_owned()).await;
    run(&mut connection, format!("create tablespace {p}fast location ''")).await;
    run(
        &mut connection,
        format!(
            "create role {p}s_owner; create schema {p}s authorization {p}s_owner; \
             create table {p}s.t (x int) tablespace {p}fast"
        ),
    )
    .await;
    let found = findings(&mut connection).await;
    run(&mut connection, format!("drop table {p}s.t")).await;
    run(&mut connection, format!("drop tablespace {p}fast")).await;
    let object = format!("{p}s -> tablespace {p}fast");
    assert!(found.iter().any(|f| f.rule == "CPL12" && f.object == object), "{found:#?}");
}
