//! Replays the zoo of leaks: what must be found is, what only looks like a leak is not.
//!
//! The cases use fixed role names, so that the zoo has a server of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pgcleave::audit::finding::{Finding, Severity};
use pgcleave::audit::rules;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::findings;
use crate::support;

/// The families that tell of access; the others tell of coupling, order, or what nothing can be done about.
const ACCESS: [&str; 18] = [
    "ACC", "MEM", "PRE", "ATT", "OWN", "DEF", "VIW", "INH", "FKX", "INB", "RLS", "LOB", "FDW", "PUB", "SYS", "DB",
    "FUT", "EXE",
];

struct Case {
    id: String,
    slug: String,
    category: String,
    principal: String,
    object: String,
    min_major: u32,
    max_major: u32,
    rule: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/leakzoo")
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join("cases.tsv")).expect("cases.tsv is there");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split('\t').collect();
    let number = |text: &str| text.parse::<u32>().unwrap_or(99);
    lines
        .map(|line| {
            let row: BTreeMap<&str, &str> = header.iter().copied().zip(line.split('\t')).collect();
            Case {
                id: row["id"].to_owned(),
                slug: row["slug"].to_owned(),
                category: row["category"].to_owned(),
                principal: row["principal"].trim_start_matches("login:").to_owned(),
                object: row["object"].to_owned(),
                min_major: number(row["min_pg"]),
                max_major: number(row["max_pg"]),
                rule: row["rule"].to_owned(),
            }
        })
        .collect()
}

/// Reads our own cases: each with its text, in the form of the zoo's files.
fn own_cases() -> Vec<(Case, String)> {
    let text = std::fs::read_to_string(folder().join("more.sql")).expect("more.sql is there");
    let cases = text.split("\n-- case ").skip(1);
    cases
        .map(|case| {
            let (header, body) = case.split_once('\n').expect("a header and a body");
            let fields: Vec<&str> = header.split('|').map(str::trim).collect();
            let [slug, rule, principal, object, majors @ ..] = fields.as_slice() else { panic!("{header}") };
            let case = Case {
                id: "own".to_owned(),
                slug: (*slug).to_owned(),
                category: if *rule == "-" { "control" } else { "access" }.to_owned(),
                principal: (*principal).to_owned(),
                object: (*object).to_owned(),
                min_major: majors.first().map_or(15, |m| m.parse().expect("a major")),
                max_major: 99,
                rule: (*rule).to_owned(),
            };
            (case, format!("-- @given\n{body}"))
        })
        .collect()
}

/// Gives a section of a case's file.
fn section(text: &str, name: &str) -> String {
    let mut inside = false;
    let mut out = String::new();
    for line in text.lines() {
        if let Some(marker) = line.strip_prefix("-- @") {
            inside = marker == name;
        } else if inside {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Does what psql would: its variables, and none of its commands.
fn without_psql(text: &str, database: &str, port: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('\\') && !line.ends_with("\\gset"));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.replace(":\"DBNAME\"", &format!("\"{database}\""))
        .replace(":'DBNAME'", &format!("'{database}'"))
        .replace(":'port'", &format!("'{port}'"))
        .replace("@SOCKET@", "/tmp")
}

struct Zoo {
    server: support::Dedicated,
    base: String,
    port: String,
    /// On the leak-free base; nothing when a case has left its own traces there.
    open: Option<PgConnection>,
}

/// What a case has come to: the findings on its context, and those with its leak.
struct Replayed {
    before: Vec<Finding>,
    after: Vec<Finding>,
}

const DATABASE: &str = "zoo";

impl Zoo {
    async fn open() -> Self {
        let server = support::Dedicated::start().await;
        let mut admin = PgConnection::connect(&server.url("postgres")).await.expect("the superuser connects");
        let port: String = sqlx::query_scalar("show port").fetch_one(&mut admin).await.expect("a port");
        let base = std::fs::read_to_string(folder().join("00_base.sql")).expect("the base is there");
        Self { server, base: without_psql(&base, DATABASE, &port), port, open: None }
    }

    /// Makes the leak-free base anew.
    async fn reset(&self) -> PgConnection {
        self.drop_subscriptions().await;
        let mut admin = PgConnection::connect(&self.server.url("postgres")).await.expect("the superuser connects");
        run(&mut admin, &format!("drop database if exists {DATABASE} with (force)"), "drop").await;
        for statement in [
            "select format('drop tablespace %I', spcname) from pg_tablespace where spcname !~ '^pg_'",
            "select format('revoke all on parameter %s from public', parname) from pg_parameter_acl",
            "select format('drop owned by %I', rolname) from pg_roles where rolname !~ '^(pg_|postgres$)'",
            "select format('drop role %s', string_agg(quote_ident(rolname), ', ')) from pg_roles \
             where rolname !~ '^(pg_|postgres$)' having count(*) > 0",
        ] {
            let all: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(&mut admin).await.expect("the list");
            for sql in all {
                run(&mut admin, &sql, "clean").await;
            }
        }
        run(&mut admin, &format!("create database {DATABASE}"), "create").await;
        let mut zoo = PgConnection::connect(&self.server.url(DATABASE)).await.expect("the superuser connects");
        run(&mut zoo, &self.base, "base").await;
        zoo
    }

    /// Gives the connection to the base, as no case has touched it.
    async fn base(&mut self) -> PgConnection {
        match self.open.take() {
            Some(zoo) => zoo,
            None => self.reset().await,
        }
    }

    /// Applies sections as the superuser.
    async fn apply(
        &self,
        zoo: &mut PgConnection,
        text: &str,
        case: &Case,
        sections: &[&str],
    ) -> Result<(), sqlx::Error> {
        for name in sections {
            let sql = without_psql(&section(text, name), DATABASE, &self.port);
            // our own cases hold one statement a line, since some cannot run in a transaction
            let statements = if case.id == "own" { sql.lines().collect() } else { vec![sql.as_str()] };
            for statement in statements {
                zoo.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await?;
            }
            let reset = "reset session authorization; reset role; reset all";
            zoo.execute(sqlx::raw_sql(reset)).await?;
        }
        Ok(())
    }

    /// Judges the base with sections and fixes in a transaction of their own, of which nothing stays.
    ///
    /// The audit begins its reading in the same transaction, which therefore has its isolation level, and ends it by
    /// taking all back: no database is made anew, and the reading sees what has not been committed.
    async fn judge_within(&mut self, text: &str, case: &Case, sections: &[&str], fixes: &[&str]) -> Judged {
        let mut zoo = self.base().await;
        run(&mut zoo, "begin transaction isolation level repeatable read", "begin").await;
        let done = match self.apply(&mut zoo, text, case, sections).await {
            Ok(()) => mend(&mut zoo, fixes).await,
            Err(error) => Err(error),
        };
        let judged = match done {
            Ok(()) => Ok(findings(&mut zoo).await),
            Err(error) => {
                run(&mut zoo, "rollback", "rollback").await;
                Err(error)
            }
        };
        self.open = Some(zoo);
        judged
    }

    /// Judges the base with sections and fixes, for good: some statements run in no transaction.
    async fn judge_alone(&mut self, text: &str, case: &Case, sections: &[&str], fixes: &[&str]) -> Judged {
        let mut zoo = self.reset().await;
        let done = match self.apply(&mut zoo, text, case, sections).await {
            Ok(()) => mend(&mut zoo, fixes).await,
            Err(error) => Err(error),
        };
        let _ = zoo.close().await;
        done?;
        let mut zoo = PgConnection::connect(&self.server.url(DATABASE)).await.expect("the superuser connects");
        let judged = findings(&mut zoo).await;
        let _ = zoo.close().await;
        Ok(judged)
    }

    async fn judge(&mut self, text: &str, case: &Case, sections: &[&str], fixes: &[&str]) -> Judged {
        match self.judge_within(text, case, sections, fixes).await {
            Ok(judged) => Ok(judged),
            Err(_) => {
                self.open = None;
                self.judge_alone(text, case, sections, fixes).await
            }
        }
    }

    /// Judges the base with a case's context, and again with its leak.
    async fn replay(&mut self, text: &str, case: &Case, base: &[Finding]) -> Replayed {
        let broken = |error| panic!("{}_{}: {error}", case.id, case.slug);
        let before = match section(text, "given").trim().is_empty() {
            true => base.to_vec(),
            false => self.judge(text, case, &["given"], &[]).await.unwrap_or_else(broken),
        };
        let after = self.judge(text, case, &["given", "leak", "then"], &[]).await.unwrap_or_else(broken);
        Replayed { before, after }
    }

    /// Drops the subscriptions that a case has made: a database with one cannot be dropped.
    async fn drop_subscriptions(&self) {
        let Ok(mut zoo) = PgConnection::connect(&self.server.url(DATABASE)).await else { return };
        let subscriptions = "do $$ declare s text; begin for s in select subname from pg_subscription where subdbid = \
             (select oid from pg_database where datname = current_database()) loop \
             execute format('alter subscription %I set (slot_name = none)', s); \
             execute format('drop subscription %I', s); end loop; end $$";
        run(&mut zoo, subscriptions, "drop subscriptions").await;
        let _ = zoo.close().await;
    }
}

type Judged = Result<Vec<Finding>, sqlx::Error>;

/// Runs fixes, as they stand, each line once.
async fn mend(zoo: &mut PgConnection, fixes: &[&str]) -> Result<(), sqlx::Error> {
    let mut run = Vec::new();
    for line in fixes.iter().flat_map(|fix| fix.lines()).filter(|line| !line.starts_with("--")) {
        if !run.contains(&line) {
            run.push(line);
            zoo.execute(sqlx::raw_sql(AssertSqlSafe(line))).await?;
        }
    }
    Ok(())
}

async fn run(connection: &mut PgConnection, sql: &str, what: &str) {
    if let Err(error) = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await {
        panic!("{what}: {error}\n{sql}");
    }
}

/// Gives the findings that the leak brought.
fn brought(before: &[Finding], after: Vec<Finding>) -> Vec<Finding> {
    after
        .into_iter()
        .filter(|f| !before.iter().any(|b| b.fingerprint() == f.fingerprint() && b.message == f.message))
        .collect()
}

/// Gives what must stand in a finding's object or path.
fn target(case: &Case) -> Option<&str> {
    if case.id == "015" {
        // the case's line names another function than its file grants
        return Some("billing.round_cents");
    }
    let object = case.object.split(['(', ',']).next().unwrap_or_default().trim().trim_end_matches(".*");
    if case.id == "own" {
        return Some(&case.object);
    }
    match case.rule.trim_end_matches(char::is_numeric) {
        // these tell of a role, and the path of what it opens; of one table or role among everything they do not
        "PRE" | "ATT" if object.contains("billing.payments") || object.starts_with("every role") => None,
        "PRE" => object.split(" of ").next(),
        "ATT" if object == "shipping.shipments" => None,
        "ATT" => Some(object),
        // these tell of what is open by itself
        "SYS" | "FUT" | "VIW" | "DEF" | "RLS" | "FDW" | "PUB" => None,
        _ => Some(object),
    }
}

fn family(rule: &str) -> &str {
    rule.trim_end_matches(char::is_numeric)
}

/// In these the proof's principal is not the one who can: it is who sees that it has happened.
const WITNESSED: [&str; 1] = ["146"];

fn fault(case: &Case, found: &[Finding]) -> Option<String> {
    // what stands in a catalog that everybody reads is told once, as PUBLIC's
    let by_all = case.rule == "HYG07" && case.category != "control";
    let by_principal = |f: &&Finding| {
        (by_all && f.principal == "PUBLIC")
            || f.principals.contains(&case.principal)
            || case.principal == "postgres"
            || WITNESSED.contains(&case.id.as_str())
            || f.principal == case.principal
    };
    if case.category == "control" {
        let access = |f: &&Finding| ACCESS.contains(&family(f.rule)) && f.severity != Severity::Info;
        let wrong: Vec<_> = found.iter().filter(access).filter(by_principal).collect();
        return (!wrong.is_empty()).then(|| format!("told as access: {}", show(&wrong)));
    }
    if case.object.contains(" -> ") {
        let told = found.iter().any(|f| family(f.rule) == family(&case.rule) && couples(case, f));
        return (!told).then(|| format!("{} for {} is missing; told: {}", case.rule, case.object, show(&all(found))));
    }
    // the zoo's own lines name a rule of the family at times, ours the rule itself
    let right = |f: &&Finding| match case.id.as_str() {
        "own" => f.rule == case.rule,
        _ => family(f.rule) == family(&case.rule),
    };
    let at =
        |f: &&Finding| by_all || target(case).is_none_or(|t| f.object.contains(t) || f.path.to_string().contains(t));
    if found.iter().filter(right).filter(by_principal).any(|f| at(&f)) {
        return None;
    }
    Some(format!("{} for {} at {} is missing; told: {}", case.rule, case.principal, case.object, show(&all(found))))
}

/// What these lean on is data, which the audit does not read.
const OF_DATA: [&str; 1] = ["219"];

/// Tells whether a finding is of the coupling that a case's object writes as `orders -> billing`.
fn couples(case: &Case, finding: &Finding) -> bool {
    let Some((from, to)) = case.object.split_once(" -> ") else { return false };
    let Some((told_from, told_to)) = finding.object.split_once(" -> ") else { return false };
    let from = from.split(", ").any(|schema| told_from.starts_with(schema) || finding.path.from.contains(schema));
    from && (OF_DATA.contains(&case.id.as_str()) || told_to.contains(to))
}

fn all(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().collect()
}

fn show(findings: &[&Finding]) -> String {
    let lines = findings.iter().map(|f| format!("\n    {} {} {}: {}", f.rule, f.principal, f.object, f.path));
    lines.collect()
}

/// Runs the fixes of the case's rule: each is SQL as it stands, and nothing of what the leak brought is left.
async fn unmended(zoo: &mut Zoo, text: &str, case: &Case, before: &[Finding], found: &[Finding]) -> Option<String> {
    let told: Vec<_> = found.iter().filter(|f| f.rule == case.rule).collect();
    // what is not safe is printed as a comment; here nobody is hurt by it
    let fixes: Vec<&str> = told.iter().map(|f| f.statement.as_str()).collect();
    if fixes.iter().all(|fix| fix.starts_with("--")) {
        // something must be made anew, as its owner thinks best
        return None;
    }
    match zoo.judge(text, case, &["given", "leak", "then"], &fixes).await {
        Err(error) => Some(format!("{}: of the fixes {fixes:?} one fails: {error}", case.slug)),
        Ok(after) => {
            let left = brought(before, after);
            // what another holds by itself, as a view's owner does its tables, is another finding's fix
            let left: Vec<_> = left.iter().filter(|f| f.rule == case.rule && f.principal == case.principal).collect();
            (!left.is_empty()).then(|| format!("{}: its fixes leave{}", case.slug, show(&left)))
        }
    }
}

/// Replays cases one after the other on a server of their own.
async fn replay_all(cases: impl Iterator<Item = (Case, String)>, at_least: usize) {
    let mut zoo = Zoo::open().await;
    let major = zoo.server.major();
    let (mut faults, mut replayed) = (Vec::new(), 0);
    let mut untouched = zoo.base().await;
    let base = findings(&mut untouched).await;
    zoo.open = Some(untouched);
    let inherent: Vec<&str> = base.iter().map(|f| f.rule).collect();
    assert_eq!(inherent, ["INF01", "INF02"], "the base has no leak: {}", show(&all(&base)));
    for (case, text) in cases {
        let known = case.rule == "-" || rules::find(&case.rule).is_some();
        let wanted = case.category != "inherent" && known;
        if !wanted || !(case.min_major..=case.max_major).contains(&major) {
            continue;
        }
        let Replayed { before, after } = zoo.replay(&text, &case, &base).await;
        replayed += 1;
        let found = brought(&before, after);
        if let Some(fault) = fault(&case, &found) {
            faults.push(format!("{}_{}: {fault}", case.id, case.slug));
        } else if case.id == "own" && case.category != "control" {
            faults.extend(unmended(&mut zoo, &text, &case, &before, &found).await);
        }
    }
    assert!(replayed >= at_least, "only {replayed} cases were replayed");
    assert!(faults.is_empty(), "{} of {replayed} on {major}:\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_leak_is_found_and_no_control_is() {
    let given = cases().into_iter().map(|case| {
        let file = folder().join(format!("cases/{}_{}.sql", case.id, case.slug));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        (case, text)
    });
    replay_all(given, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_leaks_are_found_and_their_fixes_mend_them() {
    replay_all(own_cases().into_iter(), 200).await;
}
