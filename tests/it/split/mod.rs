//! The live move of a service, on two real servers, with writers that keep their own books.

mod applier;
mod books;
mod change;
mod crash;
mod differ;
mod end;
mod event_trigger;
mod judgement;
mod kill;
mod kinds;
mod late;
mod log;
mod logins;
mod outside;
mod pooler;
mod refusal;
mod route;
mod signal;
mod watch;
mod way;
mod wire;
mod write_block;

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Output, Stdio};

use pgcleave::archive::verify::{Options, Place, Verified};
use pgcleave::ident::Ident;
use pgcleave::interrupt::Interrupt;
use pgcleave::pg::connect::Target;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::OnceCell;

use crate::support::{Answer, Dedicated, afterwards, answer, pg_dump_folder};

/// Two servers of their own, for all tests of this module.
async fn servers() -> &'static (Dedicated, Dedicated) {
    static SERVERS: OnceCell<(Dedicated, Dedicated)> = OnceCell::const_new();
    SERVERS.get_or_init(|| async { (Dedicated::start().await, Dedicated::start().await) }).await
}

/// A service on the one server, and a database for it on the other.
struct Move {
    /// The service's name; its schema's, its databases' and its roles' prefix.
    name: String,
    source: String,
    target: String,
    source_from_target: String,
    target_from_source: String,
    /// Where clients find the source and the target, if that is another way than ours.
    for_clients: Option<[String; 2]>,
    folder: tempfile::TempDir,
    /// Where the servers' pg_dump is, if this machine has none that is new enough.
    programs: Option<std::path::PathBuf>,
    _databases: Databases,
}

/// The databases of one test, which go away after it: replication that is left running reads all that other tests write.
struct Databases {
    /// Each with the superuser's connection strings to it and to `postgres`.
    all: [(String, String, String); 2],
}

impl Drop for Databases {
    fn drop(&mut self) {
        let all = self.all.clone();
        afterwards(async move {
            // Subscriptions on both sides first, so that nobody holds a slot of the other; a server may be gone.
            for (_, url, _) in &all {
                let _ = drop_subscriptions(url).await;
            }
            for (name, _, postgres) in &all {
                let _ = drop_database(postgres, name).await;
            }
        });
    }
}

async fn drop_subscriptions(url: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let here = "select subname::text from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())";
    for name in sqlx::query_scalar::<_, String>(here).fetch_all(&mut connection).await? {
        for statement in
            ["alter subscription {s} disable", "alter subscription {s} set (slot_name = none)", "drop subscription {s}"]
        {
            let statement = statement.replace("{s}", &format!("\"{name}\""));
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
    }
    connection.close().await
}

async fn drop_database(postgres: &str, name: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(postgres).await?;
    let slots = format!("from pg_replication_slots where database = '{name}'");
    for _ in 0..100 {
        let end = format!("select pg_terminate_backend(active_pid) {slots} and active");
        sqlx::raw_sql(AssertSqlSafe(end)).execute(&mut connection).await?;
        let drop = format!("select pg_drop_replication_slot(slot_name) {slots} and not active");
        let dropped = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await;
        let left: i64 =
            sqlx::query_scalar(AssertSqlSafe(format!("select count(*) {slots}"))).fetch_one(&mut connection).await?;
        if dropped.is_ok() && left == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    sqlx::raw_sql(AssertSqlSafe(format!("drop database {name} with (force)"))).execute(&mut connection).await?;
    connection.close().await
}

impl Move {
    /// Makes a schema with foreign keys, partitions, sequences, and some 3,000 rows, and an empty database.
    async fn new() -> Self {
        let (source, target) = servers().await;
        Self::between(source, target).await
    }

    async fn between(source: &Dedicated, target: &Dedicated) -> Self {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).expect("random bytes");
        let name = format!("svc_{:08x}", u32::from_le_bytes(bytes));
        let (shared, own) = (format!("shared_{name}"), format!("own_{name}"));
        run(&source.url("postgres"), &format!("create database {shared}")).await;
        run(&target.url("postgres"), &format!("create database {own}")).await;
        let this = Self {
            source: source.url(&shared),
            target: target.url(&own),
            source_from_target: source.url_from_servers(&shared).await,
            target_from_source: target.url_from_servers(&own).await,
            for_clients: None,
            folder: tempfile::tempdir().expect("a folder"),
            programs: pg_dump_folder(source.major().max(target.major())).await,
            _databases: Databases {
                all: [
                    (shared.clone(), source.url(&shared), source.url("postgres")),
                    (own.clone(), target.url(&own), target.url("postgres")),
                ],
            },
            name,
        };
        run(&this.source, &this.schema()).await;
        this.publish(&this.source);
        this
    }

    fn schema(&self) -> String {
        format!(
            "create role {s}_owner; create role {s}_writer; create role {s}_app login password 'app' in role {s}_writer;
             alter role {s}_app in database shared_{s} set search_path = {s};
             create schema {s} authorization {s}_owner; grant usage on schema {s} to {s}_writer; set role {s}_owner;
             create table {s}.account (id int generated always as identity primary key, balance int not null default 0);
             create table {s}.entry (id bigserial primary key, account int not null references {s}.account,
               writer int not null, n int not null, note text);
             create table {s}.part (id int, k int, primary key (id, k)) partition by list (k);
             create table {s}.part_1 partition of {s}.part for values in (1);
             create table {s}.part_2 partition of {s}.part for values in (2);
             create table {s}.made (id int primary key, twice int generated always as (id * 2) stored);
             create table {s}.nothing (id int primary key);
             create view {s}.balances as select id, balance from {s}.account;
             grant select, insert, update, delete on all tables in schema {s} to {s}_writer;
             grant usage on all sequences in schema {s} to {s}_writer;
             insert into {s}.account (balance) select 0 from generate_series(1, 50);
             insert into {s}.entry (account, writer, n, note) select 1 + g % 50, 0, g, repeat('x', 100) from generate_series(1, 2000) g;
             insert into {s}.part select g, 1 + g % 2 from generate_series(1, 1000) g;
             insert into {s}.made select g from generate_series(1, 100) g",
            s = self.name
        )
    }

    /// Where clients look for the database; a split's --on-cutover command writes it.
    fn route(&self) -> std::path::PathBuf {
        self.folder.path().join("route")
    }

    fn publish(&self, url: &str) {
        std::fs::write(self.route(), url).expect("the route can be written");
    }

    /// Gives the command line, with `--on-cutover` for those that change sides.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgcleave"));
        command.current_dir(self.folder.path()).env("NO_COLOR", "1").stdin(Stdio::null());
        command.env("DATABASE_URL", &self.source).env("TARGET_DATABASE_URL", &self.target);
        command.env("PGCLEAVE_SOURCE_FROM_TARGET", &self.source_from_target);
        command.env("PGCLEAVE_TARGET_FROM_SOURCE", &self.target_from_source);
        let [source, target] = self.for_clients.as_ref().map_or([&self.source, &self.target], |[one, two]| [one, two]);
        command.env("URL_OF_source", source).env("URL_OF_target", target);
        command.envs(self.programs.iter().map(|folder| ("PGCLEAVE_PG_BIN", folder)));
        command.args(["split", arguments[0], &self.name]).args(&arguments[1..]);
        if matches!(arguments[0], "cutover" | "rollback") && !arguments.contains(&"--on-cutover") {
            // Renamed into place, so that no client reads half of it.
            let publish = "printenv URL_OF_$PGCLEAVE_SIDE | tr -d '\\n' > route.new && mv route.new route";
            command.args(["--on-cutover", publish]);
        }
        command
    }

    /// Runs the command line to its end, leaving the runtime free for writers.
    async fn run(&self, arguments: &[&str]) -> Answer {
        answer(self.output(arguments, None).await)
    }

    /// Runs a command that is killed at a named point.
    async fn ended_at(&self, point: &str, arguments: &[&str]) {
        let ended = self.output(arguments, Some(point)).await;
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.signal(), Some(9), "{arguments:?} does not come to {point}: {said}");
    }

    /// Runs the command line; again where the machine was too busy to stop the writers within the pause, which the command
    /// has undone.
    async fn output(&self, arguments: &[&str], failpoint: Option<&str>) -> Output {
        for _ in 0..5 {
            let mut command = self.command(arguments);
            command.envs(failpoint.map(|point| ("PGCLEAVE_FAILPOINT", point)));
            let running = tokio::task::spawn_blocking(move || command.output().expect("the binary runs"));
            let ended = running.await.expect("the command does not panic");
            if !String::from_utf8_lossy(&ended.stderr).contains("error[split-silent]") {
                return ended;
            }
        }
        panic!("{arguments:?}: the pause was too short five times");
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }

    /// Runs a command again and again until it has done its work: a server or the way to it is away meanwhile.
    async fn persist(&self, arguments: &[&str]) {
        let mut last = self.run(arguments).await;
        for _ in 0..20 {
            if last.code == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            last = self.run(arguments).await;
        }
        panic!("{arguments:?}: {last:?}");
    }

    /// Waits until a side's record says a phase, and tells whether it did before the command had ended.
    async fn reaches(&self, side: &str, phase: &str, running: &mut Child) -> bool {
        let mut connection = PgConnection::connect(side).await.expect("the superuser can connect");
        let query = format!(
            "select coalesce((select record->>'phase' from pgcleave.split where service = '{}'), '')",
            self.name
        );
        let there = "select to_regclass('pgcleave.split') is not null";
        loop {
            let made: bool = sqlx::query_scalar(there).fetch_one(&mut connection).await.expect("a query");
            if made {
                let now: Vec<sqlx::postgres::PgRow> =
                    sqlx::raw_sql(AssertSqlSafe(query.as_str())).fetch_all(&mut connection).await.expect("a query");
                if now.iter().any(|row| sqlx::Row::get::<&str, _>(row, 0) == phase) {
                    return true;
                }
            }
            if running.try_wait().expect("it can be asked").is_some() {
                return false;
            }
            // The shortest phase lasts some ten of these; without rest, asking takes a processor of its own.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    async fn phase(&self) -> String {
        let status = self.run(&["status", "--format", "json"]).await.exits(0).json();
        status["phase"].as_str().expect("a word").to_owned()
    }

    /// Compares all rows of both sides, once what is on its way has arrived.
    async fn expect_equal(&self) {
        let compare = || async {
            let place =
                |url: &str| Place::Database(Target::parse(&url.to_owned().into()).expect("a connection string"));
            let options = Options {
                schema: Some(Ident::new(&self.name).expect("a name")),
                jobs: 1,
                rows: 3,
                lock_seconds: 10,
                interrupt: Interrupt::default(),
            };
            let (source, target) = (place(&self.source), place(&self.target));
            pgcleave::archive::verify::verify(&source, &target, &options, &|_| {}).await.expect("both can be read")
        };
        let unequal = |verified: &Verified| verified.tables.iter().any(|table| !table.equal);
        let mut verified = compare().await;
        for _ in 0..100 {
            if !unequal(&verified) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            verified = compare().await;
        }
        panic!("{}", pgcleave::report::verify::human(&verified));
    }

    /// Insists that nothing of any split is left on either side.
    async fn expect_nothing_left(&self) {
        let id = "pgcleave\\_%";
        for url in [&self.source, &self.target] {
            let left = texts(
                url,
                &format!(
                    "select 'slot ' || slot_name from pg_replication_slots where database = current_database()
                     union all select 'publication ' || pubname from pg_publication
                     union all select 'subscription ' || subname from pg_subscription s join pg_database d on d.oid = s.subdbid
                       where d.datname = current_database()
                     union all select 'trigger ' || tgname from pg_trigger where tgname like '{id}'
                     union all select 'record' from pgcleave.split union all select 'fence' from pgcleave.split_fence
                     order by 1"
                ),
            )
            .await;
            assert_eq!(left, Vec::<String>::new(), "{url}");
        }
        let roles = format!("select rolname::text from pg_roles where rolname like '{}\\_%' order by 1", self.name);
        assert_eq!(texts(&self.target, &roles).await, Vec::<String>::new());
        let schemas = format!("select nspname::text from pg_namespace where nspname = '{}'", self.name);
        assert_eq!(texts(&self.target, &schemas).await, Vec::<String>::new());
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the superuser can connect");
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await {
        panic!("{error}\n{sql}");
    }
    let _ = connection.close().await;
}

async fn texts(url: &str, sql: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(url).await.expect("the superuser can connect");
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    let _ = connection.close().await;
    rows.iter().map(|row| sqlx::Row::get::<String, _>(row, 0)).collect()
}
