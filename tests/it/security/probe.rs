//! `credentials verify` and `audit --probe` run nobody else's code, and still answer truly.
//!
//! Each trap is a function that its owner declares immutable, so that planning runs it before any privilege is checked.
//! It calls one witness when the session belongs to its own service and another when it does not; the server counts
//! the calls, rolled back or not.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Project, TestDb};

/// Where a trap is planted, and what springs it in a session of another service.
const TRAPS: [(&str, &str, &str); 10] = [
    ("index", "create table evil.t_index (v text); create index on evil.t_index ((v || evil.f_index('x')))", "explain select from evil.t_index"),
    (
        "statistics",
        "create table evil.t_statistics (v text); create statistics evil.s on (v || evil.f_statistics('x')), (v || 'y') from evil.t_statistics",
        "explain select from evil.t_statistics",
    ),
    (
        "partition",
        "create table evil.t_partition (v text) partition by list ((v || evil.f_partition('x')));
         create table evil.t_partition_1 partition of evil.t_partition default",
        "explain select from evil.t_partition",
    ),
    (
        "policy",
        "create table evil.t_policy (v text); alter table evil.t_policy enable row level security;
         create policy p on evil.t_policy using (v <> evil.f_policy('x'))",
        "explain select from evil.t_policy",
    ),
    ("view", "create view evil.t_view as select evil.f_view('x') as v", "explain select v from evil.t_view"),
    (
        "default",
        "create table evil.t_default (i int, v text default evil.f_default('x'))",
        "explain insert into evil.t_default select where false",
    ),
    (
        "domain",
        "create domain evil.d as text check (value <> evil.f_domain('x')); create table evil.t_domain (v evil.d);
         create function evil.takes(evil.d) returns int volatile language plpgsql as 'begin return 1; end'",
        "explain select evil.takes(v.a) from (select null::evil.d as a offset 0) v",
    ),
    (
        "operator",
        "create function evil.o(text, text) returns text immutable language plpgsql as 'begin return evil.f_operator($1); end';
         create operator evil.=== (leftarg = text, rightarg = text, function = evil.o);
         create view evil.t_operator as select 'a'::text operator(evil.===) 'b'::text as v",
        "explain select v from evil.t_operator",
    ),
    (
        "child",
        "create table evil.t_child (v text); create table evil.t_child_1 () inherits (evil.t_child);
         create index on evil.t_child_1 ((v || evil.f_child('x')))",
        "explain select from evil.t_child",
    ),
    (
        "call",
        "create function evil.fixed() returns text immutable language plpgsql as 'begin return evil.f_call(''x''); end'",
        "explain select evil.fixed()",
    ),
];

const EVIL: &str = "credentials: { app: { access: write }, migrator: { access: owner } }
exposes:
  - { view: t_view, to: [victim] }
  - { view: clean, to: [victim, quiet] }
  - { table: t_index, to: [victim], privileges: [select] }
";

const VICTIM: &str = "credentials: { app: { access: write }, reports: { access: read }, migrator: { access: owner } }
consumes: [evil.t_view, evil.clean, evil.t_index]
";

/// A hostile service with every trap open to everybody, and a victim that consumes some of it.
struct Scene {
    db: TestDb,
    project: Project,
}

impl Scene {
    async fn new(as_superuser: bool) -> Self {
        let db = TestDb::new().await;
        let mut project = Project::new(&db);
        if !as_superuser {
            project.connect_as(db.owning_admin().await);
        }
        project.manifest("evil", EVIL);
        project.manifest("victim", VICTIM);
        project.manifest(
            "quiet",
            "credentials: { app: { access: write }, reports: { access: read } }\nconsumes: [evil.clean]\n",
        );
        project.run(&["apply", "--allow", "revoke,close-database,contract-runs-as-consumer"]).exits(0);
        let scene = Self { db, project };
        // the server counts the calls of functions, also of what is rolled back
        scene.run(&format!("alter database {} set track_functions = 'all'", scene.db.name())).await;
        let mut plant = String::from(
            "set role @evil_owner; create function evil.own() returns void language plpgsql as 'begin end';\n",
        );
        for (trap, objects, _) in TRAPS {
            plant.push_str(&format!(
                "create function evil.other_{trap}() returns void language plpgsql as 'begin end';
                 create function evil.f_{trap}(text) returns text immutable language plpgsql as $$ begin
                   if session_user operator(pg_catalog.~) 'evil' then perform evil.own(); else perform evil.other_{trap}(); end if;
                   return $1; end $$;\n{objects};\n"
            ));
        }
        plant.push_str(
            "create table evil.t_clean (v text); create view evil.clean as select pg_catalog.lower(v) as v from evil.t_clean;
             reset role; set role @victim_owner; create table victim.secret_rows (v text);
             create view victim.mine as select v from evil.t_index; create view victim.tidy as select v from evil.clean",
        );
        scene.run(&plant).await;
        scene.project.run(&["apply", "--allow", "revoke,close-database,contract-runs-as-consumer"]).exits(0);
        scene.run("select pg_catalog.pg_stat_reset()").await;
        scene
    }

    /// Opens all of the hostile service to everybody.
    async fn open(self) -> Self {
        let open = "set role @evil_owner; grant usage on schema evil to public;
            grant all on all tables in schema evil to public; grant execute on all functions in schema evil to public;
            grant usage on domain evil.d to public";
        self.run(open).await;
        self
    }

    fn at(&self, text: &str) -> String {
        text.replace('@', self.db.prefix())
    }

    async fn run(&self, sql: &str) {
        self.db.run(&self.at(sql)).await;
    }

    /// Gives the witnesses that were called, once all other sessions have ended and told.
    async fn called(&self) -> Vec<String> {
        let others = "select pg_catalog.count(*)::text from pg_catalog.pg_stat_activity
            where datname = current_database() and backend_type = 'client backend' and pid <> pg_catalog.pg_backend_pid()";
        let begun = Instant::now();
        while self.db.texts(others).await != ["0"] {
            assert!(begun.elapsed() < Duration::from_secs(60), "sessions are left");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let called = "select funcname::text from pg_catalog.pg_stat_user_functions
            where schemaname = 'evil' and calls > 0 and funcname ~ '^(own|other)' order by 1";
        self.db.texts(called).await
    }

    /// Springs one trap as a login of the victim.
    async fn spring(&self, sql: &str) {
        let role = self.at("@spring");
        self.run("drop role if exists @spring; create role @spring login password 'x' in role @victim_writer").await;
        let mut connection = self.db.connect_as(&role, "x").await.expect("it logs in");
        let sprung = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
        sprung.unwrap_or_else(|error| panic!("{error}\n{sql}"));
        drop(sqlx::Connection::close(connection).await);
    }
}

fn cell<'a>(answer: &'a Value, credential: (&str, &str), service: &str) -> &'a Value {
    let rows = answer["matrix"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["service"] == credential.0 && row["credential"] == credential.1);
    let cells = row.unwrap_or_else(|| panic!("{credential:?}\n{answer:#}"))["cells"].as_array().expect("cells");
    cells.iter().find(|cell| cell["service"] == service).unwrap_or_else(|| panic!("{service}\n{answer:#}"))
}

#[tokio::test]
async fn every_trap_springs_when_another_service_plans_it() {
    let scene = Scene::new(true).await.open().await;
    for (trap, _, spring) in TRAPS {
        scene.spring(spring).await;
        let called = scene.called().await;
        assert!(called.contains(&format!("other_{trap}")), "{trap}: {called:?}");
    }
}

#[tokio::test]
async fn neither_verify_nor_probe_springs_a_trap() {
    for as_superuser in [true, false] {
        let scene = Scene::new(as_superuser).await.open().await;
        let answer = scene.project.run(&["credentials", "verify", "--format", "json"]).exits(4).json();
        // evil's own login plans its own tables, and so its own code runs
        assert_eq!(scene.called().await, ["own"], "superuser: {as_superuser}");
        assert_eq!(cell(&answer, ("evil", "app"), "evil")["answered_by"], "tried");
        // what PUBLIC was granted is found all the same
        let found = cell(&answer, ("victim", "app"), "evil");
        assert!(found["leaks"].as_array().expect("leaks").contains(&"select evil.t_policy".into()), "{found:#}");

        let probed = scene.project.run(&["audit", "--probe", "--format", "json"]).exits(4).json();
        assert_eq!(scene.called().await, ["own"], "superuser: {as_superuser}");
        let findings = probed["findings"].as_array().expect("findings");
        let confirmed = findings.iter().filter(|f| f["probe"]["result"] == "confirmed").count();
        assert!(confirmed > 10, "{confirmed}");
        assert!(findings.iter().all(|f| f["probe"]["result"] != "contradicted" && f["rule"] != "PRB01"), "{probed:#}");
    }
}

#[tokio::test]
async fn a_cell_says_whether_it_was_tried() {
    for as_superuser in [true, false] {
        let scene = Scene::new(as_superuser).await;
        let answer = scene.project.run(&["credentials", "verify", "--format", "json"]).exits(4).json();
        let reports = cell(&answer, ("victim", "reports"), "evil");
        // the trapped view calls a function that the consumer may not execute, so the contract does not hold
        let missing = reports["missing"].as_array().expect("missing");
        assert_eq!(missing, &["select evil.t_view (needs EXECUTE on evil.f_view(text))"], "{reports:#}");
        assert_eq!(reports["leaks"], Value::Array(Vec::new()));
        // both of its own views are tried, though one leads to a trap: the lock runs nobody's code
        for credential in ["app", "reports", "migrator"] {
            let own = cell(&answer, ("victim", credential), "victim");
            assert_eq!((&own["answered_by"], &own["untried"]), (&"tried".into(), &Value::Array(Vec::new())), "{own:#}");
            assert_eq!(own["missing"], Value::Array(Vec::new()));
        }
        assert_eq!(scene.called().await, ["own"]);

        // with the right to call it the contract holds, and only the catalog can say so
        let function = "  - { function: f_view(text), to: [victim] }\n";
        scene.project.manifest("evil", &format!("{EVIL}{function}"));
        scene.project.manifest("victim", &VICTIM.replace("[evil.t_view", "[\"evil.f_view(text)\", evil.t_view"));
        scene.project.run(&["apply", "--allow", "revoke,close-database,contract-runs-as-consumer"]).exits(0);
        let human = scene.project.run(&["credentials", "verify"]).exits(0).stdout;
        let row = |credential: &str| {
            let line = human.lines().find(|line| line.starts_with(credential)).unwrap_or_else(|| panic!("{human}"));
            line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row("victim/app"), "contract 4 catalog · catalog write tried", "{human}");
        // a contract without code is planned by who only reads, and locked by others
        assert_eq!(row("quiet/app"), "contract 1 tried write tried · catalog", "{human}");
        assert_eq!(row("quiet/reports"), "contract 1 tried read tried · catalog", "{human}");
        assert!(human.contains("tried, ") && human.contains(" from the catalog)"), "{human}");
        assert_eq!(scene.called().await, ["own"]);
    }
}

#[tokio::test]
async fn a_credential_that_acts_as_its_owner_is_not_proven() {
    for as_superuser in [true, false] {
        let db = TestDb::new().await;
        let mut project = Project::new(&db);
        if !as_superuser {
            project.connect_as(db.owning_admin().await);
        }
        let at = |text: &str| text.replace('@', db.prefix());
        project.manifest("a", "credentials: { app: { access: write } }\n");
        project.run(&["apply", "--allow", "revoke,close-database,contract-runs-as-consumer"]).exits(0);
        project.run(&["credentials", "verify"]).exits(0);
        let grants = [
            ("grant @a_owner to @a_app_a", "revoke @a_owner from @a_app_a"),
            ("create role @team; grant @a_owner to @team; grant @team to @a_app_a", "drop role @team"),
            ("alter role @a_app_a createrole", "alter role @a_app_a nocreaterole"),
            ("grant pg_read_all_data to @a_app_a", "revoke pg_read_all_data from @a_app_a"),
        ];
        let ways = [
            "@a_app_a -set-> @a_owner",
            "@a_app_a -set-> @team -set-> @a_owner",
            "CREATEROLE: @a_app_a",
            "pg_read_all_data",
        ];
        for ((grant, revoke), way) in grants.into_iter().zip(ways) {
            db.run(&at(grant)).await;
            let said = project.run(&["credentials", "verify"]).exits(4).stdout;
            assert!(said.contains(&at(way)) && said.contains("Not proven"), "{grant}\n{said}");
            db.run(&at(revoke)).await;
        }
        project.run(&["credentials", "verify"]).exits(0);
        db.run(&at("grant @a_owner to @a_app_a; alter role @a_app_a set role = @a_owner")).await;
        let said = project.run(&["credentials", "verify"]).exits(4).stdout;
        assert!(said.contains(&at("each session begins as @a_owner (setting role)")), "{said}");
    }
}

#[tokio::test]
async fn a_credential_whose_sessions_cannot_write_is_not_proven() {
    for as_superuser in [true, false] {
        let db = TestDb::new().await;
        let mut project = Project::new(&db);
        if !as_superuser {
            project.connect_as(db.owning_admin().await);
        }
        let at = |text: &str| text.replace('@', db.prefix()).replace('#', db.name());
        project.manifest("a", "credentials: { app: { access: write }, reports: { access: read } }\n");
        project.run(&["apply", "--allow", "revoke,close-database,contract-runs-as-consumer"]).exits(0);
        for (place, by) in [
            ("role @a_app_a", "a setting of the role"),
            ("role @a_app_a in database #", "a setting of the role in this database"),
            ("database #", "a setting of the database"),
        ] {
            db.run(&at(&format!("alter {place} set default_transaction_read_only = on"))).await;
            let said = project.run(&["credentials", "verify"]).exits(4).stdout;
            assert!(said.contains("default_transaction_read_only is on by") && said.contains(by), "{said}");
            // who only reads loses nothing
            assert!(!said.contains("a/reports does not reach"), "{said}");
            let reset = format!("set transaction read write; alter {place} reset default_transaction_read_only");
            db.run(&at(&reset)).await;
        }
        project.run(&["credentials", "verify"]).exits(0);
    }
}

#[tokio::test]
async fn nothing_tried_is_not_proven() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    project.manifest("a", "description: nobody logs in\n");
    project.run(&["apply", "--allow", "revoke,close-database,contract-runs-as-consumer"]).exits(0);
    let said = project.run(&["credentials", "verify"]).exits(4).stdout;
    assert!(said.contains("Not proven: nothing was tried"), "{said}");
}
