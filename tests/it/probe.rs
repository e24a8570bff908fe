//! What the audit deduced is tried: planted grants are confirmed, false ones contradicted, and nothing stays changed.

use std::collections::BTreeMap;

use pgcleave::audit::facts::Facts;
use pgcleave::audit::finding::{Finding, Report, Severity};
use pgcleave::audit::path::Path;
use pgcleave::audit::proof::{self, By, Index, Outcome, Proof};
use pgcleave::audit::services::Services;
use pgcleave::audit::{self, Options};
use pgcleave::pg::connect::Target;
use pgcleave::probe;
use sqlx::PgConnection;

use crate::support::{Project, TestDb};

/// Two services with every kind of grant across the line; `@` is the role prefix.
const LEAKS: &str = "
create role @a_owner; create role @a_app login; create role @a_team; create role @a_via login;
create role @b_owner; create role @b_reader; create role @a_in login; grant @b_reader to @a_in;
create schema @a authorization @a_owner; create schema @b authorization @b_owner;
grant @a_team to @a_via;
set role @b_owner;
grant usage on schema @b to @a_app, @a_team, @b_reader;
create table @b.rows (id int primary key, secret text);
create view @b.shown as select id from @b.rows;
create sequence @b.numbers;
create type @b.mood as enum ('good', 'bad');
create table @b.log (id int);
create function @b.touch() returns int language plpgsql volatile as 'begin insert into @b.log values (1); return 1; end';
create function @b.with_arguments(int, text[]) returns int language plpgsql volatile as 'begin insert into @b.log values (1); return 1; end';
create function @b.fixed() returns int language plpgsql immutable as 'begin raise exception ''it ran''; end';
revoke all on function @b.touch(), @b.with_arguments(int, text[]), @b.fixed() from public;
revoke all on type @b.mood from public;
grant select, insert, update, delete, truncate on @b.rows to @a_app;
grant select (id) on @b.log to @a_app;
grant select on @b.shown to @a_team;
grant usage, update on sequence @b.numbers to @a_app;
grant usage on type @b.mood to @a_app;
grant execute on function @b.touch(), @b.with_arguments(int, text[]), @b.fixed() to @a_app;
insert into @b.rows values (1, 'kept');
reset role;
";

struct Scene {
    db: TestDb,
    connection: PgConnection,
    target: Target,
    facts: Facts,
}

impl Scene {
    async fn new(sql: &str) -> Self {
        let db = TestDb::new().await;
        db.run(&sql.replace('@', db.prefix())).await;
        let mut connection = db.connect().await;
        let facts = pgcleave::catalog::facts::read(&mut connection).await.expect("the catalogs can be read");
        let target = Target::parse(&db.url().into()).expect("a connection string");
        Self { db, connection, target, facts }
    }

    fn services(&self) -> Services {
        let name = |end: &str| ident(&format!("{}{end}", self.db.prefix()));
        let mut services = Services::default();
        for service in ["a", "b"] {
            services.schemas.insert(name(service), name(service));
            for role in ["_owner", "_app", "_team", "_via", "_in", "_reader"] {
                services.roles.insert(name(&format!("{service}{role}")), name(service));
            }
        }
        services
    }

    /// Judges, and leaves out what other tests on this server do.
    fn report(&self) -> Report {
        let mut report = audit::run(&self.facts, &self.services(), &Options::default());
        report.findings.retain(|f| f.principal.starts_with(self.db.prefix()));
        report
    }

    /// Tries every claim; gives `rule principal object` → what became of it.
    async fn prove(&mut self, report: &Report) -> BTreeMap<String, Outcome> {
        let index = Index::new(&self.facts);
        let mut outcomes = BTreeMap::new();
        let (mut claims, mut keys) = (Vec::new(), Vec::new());
        for finding in &report.findings {
            let key =
                format!("{} {} {}", finding.rule, finding.principal, finding.object).replace(self.db.prefix(), "@");
            match proof::claim(&index, finding) {
                Ok(claim) => {
                    claims.push(claim);
                    keys.push(key);
                }
                Err(why) => drop(outcomes.insert(key, Outcome::NotTried(why))),
            }
        }
        let proved = probe::prove(&mut self.connection, &self.target, &self.facts, &claims).await;
        outcomes.extend(keys.into_iter().zip(proved.expect("the server answers").outcomes));
        outcomes
    }

    fn role(&self, end: &str) -> String {
        format!("{}{end}", self.db.prefix())
    }
}

fn ident(text: &str) -> pgcleave::ident::Ident {
    pgcleave::ident::Ident::new(text).expect("a name")
}

#[tokio::test]
async fn planted_grants_are_confirmed_and_nothing_stays_changed() {
    let mut scene = Scene::new(LEAKS).await;
    let report = scene.report();
    let outcomes = scene.prove(&report).await;
    assert_eq!(outcomes.get("ACC01 @a_via @b.shown"), Some(&Outcome::Confirmed(By::Tried)), "{outcomes:#?}");
    for key in [
        "ACC01 @a_app @b.rows",
        "ACC02 @a_app @b.log.id",
        "ACC03 @a_app @b.numbers",
        "ACC04 @a_app @b.touch()",
        "ACC04 @a_app @b.with_arguments(integer, text[])",
        "ACC04 @a_app @b.fixed()",
        "ACC05 @a_app @b.mood",
        "ACC06 @a_app schema @b",
    ] {
        assert_eq!(outcomes.get(key), Some(&Outcome::Confirmed(By::Catalog)), "{key}\n{outcomes:#?}");
    }
    let entered = outcomes.iter().find(|(key, _)| key.starts_with("MEM01 @a_in ")).expect("the membership is told");
    assert_eq!(entered.1, &Outcome::Confirmed(By::Catalog));
    let refuted: Vec<_> = outcomes.iter().filter(|(_, o)| matches!(o, Outcome::Contradicted(..))).collect();
    assert_eq!(refuted, Vec::new());
    let left = "select (select string_agg(secret, ',') from @b.rows) || ' ' || (select count(*) from @b.log)
        || ' ' || (select is_called from @b.numbers) || ' ' || session_user";
    let texts = scene.db.texts(&left.replace('@', scene.db.prefix())).await;
    assert!(texts[0].starts_with("kept 0 false "), "{texts:?}");
    let who: String = sqlx::query_scalar("select session_user || ' ' || current_user")
        .fetch_one(&mut scene.connection)
        .await
        .expect("it goes on");
    assert!(!who.contains(scene.db.prefix()), "{who}");
}

#[tokio::test]
async fn a_deduction_that_the_server_refuses_is_told() {
    let mut scene = Scene::new(LEAKS).await;
    let (app, team, object) = (scene.role("a_app"), scene.role("a_team"), scene.role("b.shown"));
    let planted = |path: Path| Finding {
        rule: "ACC01",
        severity: Severity::Error,
        principal: app.clone(),
        object: object.clone(),
        path,
        ..Finding::default()
    };
    let direct = Path::from(&app).using("SELECT", &object);
    let by_set = Path::from(&app).then("set", &team).using("SELECT", &object);
    for (path, reason) in [(direct, "SELECT refused".to_owned()), (by_set, format!("SET ROLE {team} refused"))] {
        let mut report = Report { findings: vec![planted(path)], ..Report::default() };
        let outcomes = scene.prove(&report).await;
        assert_eq!(outcomes.values().collect::<Vec<_>>(), [&Outcome::Contradicted(By::Tried, reason)]);
        let fingerprint = report.findings[0].fingerprint();
        let outcomes = outcomes.into_values().map(|o| (fingerprint.clone(), o)).collect();
        proof::tell(&scene.facts, &mut report, &Proof { outcomes, ..Proof::default() });
        let told: Vec<_> = report.findings.iter().map(|f| (f.rule, f.severity)).collect();
        assert_eq!(told, [("ACC01", Severity::Error), ("PRB01", Severity::Warning)]);
    }
}

#[tokio::test]
async fn reach_that_no_finding_tells_of_is_found_by_the_sample() {
    let mut scene = Scene::new(LEAKS).await;
    let (services, report) = (scene.services(), scene.report());
    // the facts are older than the grant: nothing could deduce it
    let late = "grant select on @b.log to @a_via".replace('@', scene.db.prefix());
    scene.db.run(&late).await;
    let sample = proof::sample(&scene.facts, &services, &report, usize::MAX);
    assert_eq!(sample.claims.len(), sample.pairs);
    let own: Vec<_> = sample
        .claims
        .into_iter()
        .filter(|claim| scene.facts.roles[claim.identity.principal].name.as_str().starts_with(scene.db.prefix()))
        .collect();
    let outcomes =
        probe::prove(&mut scene.connection, &scene.target, &scene.facts, &own).await.expect("it answers").outcomes;
    let open: Vec<_> = own.iter().zip(&outcomes).filter(|(_, o)| matches!(o, Outcome::Confirmed(_))).collect();
    let labels: Vec<_> = open.iter().map(|(claim, _)| scene.facts.label(claim.object)).collect();
    assert_eq!(labels, [scene.role("b.log")]);
    let undeduced: Vec<_> = open.into_iter().map(|(claim, _)| claim.clone()).collect();
    let mut report = report;
    proof::tell(&scene.facts, &mut report, &Proof { undeduced, ..Proof::default() });
    let told = report.findings.iter().find(|f| f.rule == "PRB01").expect("a finding");
    assert_eq!((told.principal.as_str(), told.severity), (scene.role("a_via").as_str(), Severity::Error));
}

#[tokio::test]
async fn the_command_proves_each_finding_and_says_what_it_could_not_try() {
    let db = TestDb::new().await;
    let at = |text: &str| text.replace('@', db.prefix());
    let mut project = Project::new(&db);
    project.manifest("orders", "credentials: { app: { access: write } }\n");
    project.manifest("billing", "credentials: { app: { access: write } }\n");
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    db.run(&at("
        set role @billing_owner; create table billing.invoices (id int);
        grant select on billing.invoices to @orders_writer; grant usage on schema billing to @orders_writer;
    "))
        .await;
    let probed = |project: &Project| {
        let answer = project.run(&["audit", "--probe", "--rule", "ACC01", "--format", "json"]).exits(4).json();
        let rows = answer["findings"].as_array().expect("findings").clone();
        let of = |role: &str| {
            let row =
                rows.iter().find(|row| row["principal"] == at(role)).unwrap_or_else(|| panic!("{role}: {rows:#?}"));
            (row["probe"]["result"].as_str().expect("a result").to_owned(), row["probe"]["reason"].to_string())
        };
        (of("@orders_writer"), of("@orders_app_a"))
    };
    let (writer, app) = probed(&project);
    assert_eq!((writer.0.as_str(), app.0.as_str()), ("confirmed", "confirmed"));

    // an administrator that can become nobody asks the catalog
    let url = db.createrole_admin().await;
    db.run(&at(&format!("grant connect on database {} to @admin", db.name()))).await;
    project.connect_as(url);
    let (writer, app) = probed(&project);
    assert_eq!((writer.0.as_str(), app.0.as_str()), ("confirmed", "confirmed"), "{} {}", writer.1, app.1);
}
