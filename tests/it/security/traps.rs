//! The trap test: code of strangers stands wherever PostgreSQL would run it, then every command runs as the administrator.
//!
//! A trap first tries to become whoever is behind the session, as an attacker would. Then it writes a line to the server's
//! log, which no rollback takes back: who it is now. Each trap has a control that shows it firing when somebody is careless.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::sync::OnceCell;

use crate::support::{Answer, Dedicated, Project, TestDb, pg_dump_folder};

/// Where a service's own code stands: the trap's name, what its owner runs, and what a careless person would run.
const TRAPS: [(&str, &str, &str); 19] = [
    (
        "index",
        "create table i (id int primary key, v text); insert into i values (1, 'a'); create index on i ((v || f_index()))",
        "explain select * from evil.i where v = 'x'",
    ),
    (
        "predicate",
        "create table ip (id int primary key, v text); create index on ip (v) where f_predicate() = ''",
        "explain select * from evil.ip where v = 'x'",
    ),
    (
        "statistics",
        "create table s (id int primary key, v text); create statistics st on (v || f_statistics()), v from s",
        "explain select * from evil.s where v = 'x'",
    ),
    (
        "partition",
        "create table pt (v text) partition by list ((v || f_partition())); create table pt_1 partition of pt default; \
         alter table pt replica identity full; alter table pt_1 replica identity full",
        "explain select * from evil.pt",
    ),
    (
        "default",
        "create table d (id int primary key, v text default f_default()); insert into d values (1)",
        "insert into evil.d (id) values (2)",
    ),
    (
        "check",
        "create table c (id int primary key, v text check (g('check', v))); insert into c values (1, 'a')",
        "insert into evil.c values (2, 'b')",
    ),
    (
        "generated",
        "create table gen (id int primary key, v text, w text generated always as (v || f_generated()) stored); \
         insert into gen values (1, 'a')",
        "insert into evil.gen values (2, 'b')",
    ),
    (
        "domain",
        "create domain dom as text check (g('domain', value)); create table dt (id int primary key, v dom); \
         insert into dt values (1, 'a')",
        "select 'x'::evil.dom",
    ),
    (
        "policy",
        "create table pol (id int primary key, v text); insert into pol values (1, 'a'); alter table pol enable row level security; \
         create policy p on pol using (g('policy', v)); grant usage on schema evil to {p}careless; grant select on pol to {p}careless; \
         grant execute on all functions in schema evil to {p}careless",
        "set role {p}careless; select * from evil.pol; reset role",
    ),
    (
        "rule",
        "create table r (id int primary key, v text); create rule also as on insert to r do also select g('rule', new.v)",
        "insert into evil.r values (1, 'a')",
    ),
    (
        "trigger",
        "create table t (id int primary key, v text); create function tf() returns trigger language plpgsql as \
         $$ begin perform evil.g('trigger', ''); return new; end $$; \
         create trigger tr before insert or update or delete on t for each row execute function tf(); insert into t values (1, 'a')",
        "insert into evil.t values (2, 'b')",
    ),
    ("view", "create view v as select 1 as a where g('view', '')", "select * from evil.v"),
    (
        "materialized",
        "create materialized view m as select 1 as a where g('materialized', '')",
        "create temporary table once as select 1 as a where evil.g('materialized', '')",
    ),
    (
        "cast",
        "create type mood as enum ('good'); create function mood_text(mood) returns text language plpgsql as \
         $$ begin perform evil.g('cast', ''); return 'same'; end $$; create cast (mood as text) with function mood_text(mood) as implicit; \
         create table ct (id int primary key, m mood); insert into ct values (1, 'good')",
        "select m::text from evil.ct",
    ),
    (
        "wide",
        "create table w (id int primary key, v text, m mood); alter table w alter v set storage external; \
         insert into w select i, repeat('x', 9000), 'good' from generate_series(1, 8) i; create index on w ((id::text || f_wide()))",
        "explain select * from evil.w where id = 1",
    ),
    (
        "history",
        "create index on refinery_schema_history ((name || f_history()))",
        "explain select * from evil.refinery_schema_history where name = 'x'",
    ),
    (
        "operator",
        "create function eq(text, text) returns boolean language plpgsql as $$ begin return evil.g('operator', $1); end $$; \
         create operator = (leftarg = text, rightarg = text, function = eq)",
        "set search_path = evil, pg_catalog; select 'a'::text = 'b'::text; reset search_path",
    ),
    (
        "child",
        "create table parent (id int primary key, v text); create table child (check (g('child', v))) inherits (parent); \
         insert into child values (1, 'a'); \
         alter table child replica identity full",
        "insert into evil.child values (2, 'b')",
    ),
    ("exposed", "create view exposed as select id from i where g('exposed', v)", "select * from evil.exposed"),
];

/// What every command of the command line is run with; `{archive}` and the like are this run's own.
///
/// A command that is not here fails the test: see [`every_command_has_a_line`].
const COMMANDS: &[&[&str]] = &[
    &["check"],
    &["plan", "-v"],
    &["plan", "--prune", "--sql"],
    &["apply", "--prune", "--allow", "revoke,close-database", "--allow", "contract-runs-as-consumer"],
    &["migrate"],
    &["audit"],
    &["audit", "--probe"],
    &["why", "{victim}", "evil.i"],
    &["graph", "--live"],
    &["credentials", "list"],
    &["credentials", "verify"],
    &["credentials", "rotate", "--all"],
    &["adopt", "--to", "{folder}/adopted"],
    &["export", "evil", "--to", "{folder}/archive", "--allow-coupling", "needed-by,needs"],
    &["export", "evil", "--as", "csv", "--to", "{folder}/csv"],
    &["export", "evil", "--as", "jsonl", "--to", "{folder}/jsonl"],
    &["export", "legacy", "--to", "{folder}/legacy", "--allow-coupling", "needed-by,needs"],
    &["verify", "{folder}/archive", "-"],
    &["--database-url", "{imported}", "import", "{folder}/archive", "--allow", "existing-roles"],
    &["verify", "{folder}/archive", "{imported}"],
    &["split", "check", "evil", "--to", "{target}"],
    &["split", "start", "evil", "--to", "{target}"],
    &["split", "status", "evil", "--to", "{target}"],
    &["split", "cutover", "evil", "--to", "{target}"],
    &["split", "rollback", "evil", "--to", "{target}"],
    &["split", "abort", "evil", "--to", "{target}"],
    &["split", "finish", "evil", "--to", "{target}"],
    &["split", "forget", "evil"],
    // These reach no database, or a server of their own.
    &["init"],
    &["schema"],
    &["completions", "bash"],
    &["man"],
    &["help"],
    &["demo", "--help"],
    &["dev", "--help"],
];

async fn server() -> &'static Dedicated {
    static SERVER: OnceCell<Dedicated> = OnceCell::const_new();
    SERVER.get_or_init(Dedicated::start).await
}

/// Makes the functions that all traps call, for a schema.
fn firing(prefix: &str, schema: &str) -> String {
    let fire = format!(
        "create function {schema}.fire(name text) returns void language plpgsql as $f$ begin
           begin execute 'reset session authorization'; exception when others then null; end;
           begin execute 'reset role'; exception when others then null; end;
           raise log 'TRAP<%> trap=% backend=% super=% user=% session=% app=%', '{prefix}', name,
             (select pg_catalog.translate(a.backend_type, ' ', '-') from pg_catalog.pg_stat_activity a
               where a.pid operator(pg_catalog.=) pg_catalog.pg_backend_pid()),
             (select rolsuper from pg_catalog.pg_roles where rolname operator(pg_catalog.=) current_user),
             current_user, session_user, pg_catalog.current_setting('application_name'); end $f$;
         create function {schema}.g(name text, v text) returns boolean language plpgsql as $f$ begin
           perform {schema}.fire(name); return true; end $f$;\n"
    );
    let names = TRAPS.iter().map(|(name, ..)| name).chain(&["of_a_superuser"]);
    let lying = names.map(|name| {
        format!(
            "create function {schema}.f_{name}() returns text language plpgsql immutable parallel safe as $f$ begin
               perform {schema}.fire('{name}'); return ''; end $f$;\n"
        )
    });
    fire + &lying.collect::<String>()
}

/// What the owner of the database does: operators and functions that the session's search path finds first.
fn database_traps(p: &str, database: &str) -> String {
    let mut sql = format!("create schema trap; grant usage on schema trap to public; {}", firing(p, "trap"));
    for (left, right) in
        [("text", "text"), ("name", "name"), ("name", "text"), ("oid", "oid"), ("int4", "int4"), ("int8", "int8")]
    {
        for (word, operator) in [("eq", "="), ("ne", "<>")] {
            sql += &format!(
                "create function trap.{word}_{left}_{right}(a pg_catalog.{left}, b pg_catalog.{right}) returns boolean language plpgsql as
                   $f$ begin perform trap.fire('operator {operator} {left}'); return a operator(pg_catalog.{operator}) b; end $f$;
                 create operator trap.{operator} (leftarg = pg_catalog.{left}, rightarg = pg_catalog.{right}, function = trap.{word}_{left}_{right});"
            );
        }
    }
    for (name, arguments, result) in [
        ("current_database", "", "name"),
        ("pg_backend_pid", "", "int4"),
        ("lower", "text", "text"),
        ("format", "text", "text"),
        ("current_setting", "text", "text"),
        ("to_regclass", "text", "regclass"),
        ("pg_get_userbyid", "oid", "name"),
    ] {
        sql += &format!(
            "create function trap.{name}({arguments}) returns pg_catalog.{result} language plpgsql as
               $f$ begin perform trap.fire('function {name}'); return null; end $f$;"
        );
    }
    sql + &format!("alter database {database} set search_path = trap, pg_catalog")
}

/// One run: an administrator, a database full of traps, and two empty ones.
struct Run {
    project: Project,
    url: String,
    p: String,
    database: String,
    folder: tempfile::TempDir,
    programs: Option<std::path::PathBuf>,
}

impl Run {
    async fn new(p: &str, administrator: &str) -> Self {
        let server = server().await;
        let database = format!("{p}shared");
        let root = server.url("postgres");
        for name in ["shared", "imported", "target"] {
            execute(&root, &format!("create database {p}{name}")).await;
        }
        execute(
            &root,
            &format!(
                "create role {p}admin login password 'admin' {administrator}; create role {p}dbowner login password 'dbowner';
                 create role {p}careless"
            ),
        )
        .await;
        for name in ["imported", "target", "shared"] {
            execute(
                &root,
                &format!(
                    "alter database {p}{name} owner to {p}dbowner; grant create on database {p}{name} to {p}admin"
                ),
            )
            .await;
        }
        let as_admin = |database: &str| login(&server.url(database), &format!("{p}admin"), "admin");
        let project = Project::at(&as_admin(&database), p);
        project.manifest(
            "evil",
            "migrations: ../migrations/evil\ncredentials: { app: { access: write }, migrator: { access: owner } }\n\
             exposes: [ { view: exposed, to: [victim] } ]\n",
        );
        project.manifest("victim", "credentials: { app: { access: read } }\nconsumes: [evil.exposed]\n");
        project.write("migrations/evil/V1__fire.sql", &firing(p, "evil"));
        for (i, (name, sql, _)) in TRAPS.iter().enumerate() {
            project.write(&format!("migrations/evil/V{}__{name}.sql", i + 2), &sql.replace("{p}", p));
        }
        let programs = pg_dump_folder(server.major()).await;
        let folder = tempfile::tempdir().expect("a folder");
        Self { project, url: server.url(&database), p: p.to_owned(), database, folder, programs }
    }

    async fn run(&self, arguments: &[&str]) -> Answer {
        let server = server().await;
        let at = |name: &str| login(&server.url(&format!("{}{name}", self.p)), &format!("{}admin", self.p), "admin");
        let fill = |argument: &&str| {
            argument
                .replace("{folder}", &self.folder.path().display().to_string())
                .replace("{imported}", &at("imported"))
                .replace("{target}", &at("target"))
                .replace("{victim}", &format!("{}victim_app_a", self.p))
        };
        let arguments: Vec<String> = arguments.iter().map(fill).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command: Command = self.project.command(&arguments);
        command.envs(self.programs.iter().map(|folder| ("PGCLEAVE_PG_BIN", folder)));
        let from = |name: String| async move { server.url_from_servers(&name).await };
        command.env("PGCLEAVE_SOURCE_FROM_TARGET", from(self.database.clone()).await);
        command.env("PGCLEAVE_TARGET_FROM_SOURCE", from(format!("{}target", self.p)).await);
        let running = tokio::task::spawn_blocking(move || command.output().expect("the binary runs"));
        crate::support::answer(running.await.expect("the command does not panic"))
    }

    /// Returns the lines that this run's traps have written so far.
    async fn fired(&self) -> Vec<String> {
        let mark = format!("TRAP<{}>", self.p);
        let log = server().await.log().await;
        // The log also holds the statements that made the traps.
        log.lines()
            .filter_map(|line| line.find(&mark).map(|at| line[at..].to_owned()))
            .filter(|l| !l.contains('%'))
            .collect()
    }
}

fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let rest = line.split_once(&format!(" {name}=")).map_or("", |(_, rest)| rest);
    match name {
        "app" => rest,
        "trap" => rest.split(" backend=").next().unwrap_or_default(),
        _ => rest.split(' ').next().unwrap_or_default(),
    }
}

fn login(url: &str, role: &str, password: &str) -> String {
    let (_, rest) = url.split_once('@').expect("a login");
    format!("postgresql://{role}:{password}@{rest}")
}

async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the superuser can connect");
    let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
    done.unwrap_or_else(|error| panic!("{error}\n{sql}"));
}

/// Runs all commands as one administrator, and returns what fired that should not have.
async fn wrong(p: &str, administrator: &str) -> (Vec<String>, String) {
    let run = Run::new(p, administrator).await;
    run.run(&["apply", "--allow", "revoke,close-database", "--allow", "contract-runs-as-consumer"]).await.exits(0);
    let as_owner = login(&run.url, &format!("{p}dbowner"), "dbowner");
    execute(&run.url, &format!("grant usage, create on schema evil to {p}dbowner")).await;
    execute(
        &run.url,
        "create schema legacy; create table legacy.of_a_superuser (id int primary key, v text);
         insert into legacy.of_a_superuser values (1, 'a'); create index on legacy.of_a_superuser ((v || evil.f_of_a_superuser()))",
    )
    .await;
    controls(&run).await;
    execute(&as_owner, &database_traps(p, &run.database)).await;
    let (mut wrong, mut story) = (Vec::new(), String::new());
    let (mut seen, owner) = (run.fired().await.len(), format!("{p}evil_owner"));
    for arguments in COMMANDS {
        let answer = run.run(arguments).await;
        assert_ne!(answer.code, 101, "{arguments:?} panicked: {}", answer.stderr);
        let fired = run.fired().await;
        // This test's own superuser sessions are the careless ones.
        let by_the_test =
            |line: &&String| field(line, "session") == "postgres" && matches!(field(line, "app"), "" | "control");
        for line in fired[seen..].iter().filter(|line| !by_the_test(line)) {
            let (user, session) = (field(line, "user"), field(line, "session"));
            let own = field(line, "super") == "f" && (user == owner || user.starts_with(&format!("{p}evil_app_")));
            // A superuser's table has no owner whose login could read it: that login has SELECT on it and nothing else.
            let reader = field(line, "super") == "f" && field(line, "trap") == "of_a_superuser" && user == session;
            if !(own || reader && user != format!("{p}admin")) {
                wrong.push(format!("{arguments:?}: {line}"));
            }
        }
        let _ = writeln!(story, "{arguments:?}: exit {}, {} fired {}", answer.code, fired.len() - seen, answer.stderr);
        let _ = writeln!(story, "{}", if answer.code == 3 { answer.stdout.as_str() } else { "" });
        seen = fired.len();
    }
    (wrong, story)
}

/// Shows that each trap fires in the session of somebody careless.
async fn controls(run: &Run) {
    let mut connection = PgConnection::connect(&run.url).await.expect("the superuser can connect");
    connection.execute("set application_name = 'control'").await.expect("a setting");
    for (_, _, control) in TRAPS {
        let control = control.replace("{p}", &run.p);
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(control.clone())))
            .await
            .unwrap_or_else(|e| panic!("{e}\n{control}"));
    }
    connection.execute("explain select * from legacy.of_a_superuser where v = 'x'").await.expect("it is planned");
    let fired = run.fired().await;
    let owner = format!("{}evil_owner", run.p);
    let careless = |line: &&String| field(line, "app") == "control" && field(line, "user") != owner;
    let names: BTreeSet<&str> = fired.iter().filter(careless).map(|line| field(line, "trap")).collect();
    let expected: BTreeSet<&str> = TRAPS.iter().map(|(name, ..)| *name).chain(["of_a_superuser"]).collect();
    assert_eq!(names.intersection(&expected).copied().collect::<BTreeSet<_>>(), expected, "each trap can fire");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_runs_a_strangers_code_as_a_superuser() {
    let (wrong, story) = wrong("ts_", "superuser").await;
    assert!(wrong.is_empty(), "{} fired:\n{}\nof what was run:\n{story}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_runs_a_strangers_code_as_an_administrator_without_superuser() {
    let (wrong, story) = wrong("tc_", "createrole").await;
    assert!(wrong.is_empty(), "{} fired:\n{}\nof what was run:\n{story}", wrong.len(), wrong.join("\n"));
}

/// Asks the command line for its commands, and theirs, by its help.
#[tokio::test]
async fn every_command_has_a_line() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    let commands = |path: &[&str]| -> Vec<String> {
        let help = project.run(&[path, &["--help"]].concat()).exits(0).stdout;
        let listed = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
        let listed = listed.split("\n\n").next().unwrap_or_default().lines();
        let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        names.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
    };
    let mut missing = Vec::new();
    let has = |path: &[&str]| COMMANDS.iter().any(|line| line.windows(path.len()).any(|words| words == path));
    let top = commands(&[]);
    assert!(top.len() > 15, "the help lists the commands: {top:?}");
    for command in &top {
        let below = if command == "help" { Vec::new() } else { commands(&[command]) };
        if below.is_empty() && !has(&[command]) {
            missing.push(command.clone());
        }
        let below = below.iter().filter(|name| *name != "help");
        missing.extend(below.filter(|name| !has(&[command, name])).map(|name| format!("{command} {name}")));
    }
    assert!(missing.is_empty(), "the trap test has no line for: {missing:?}");
}
