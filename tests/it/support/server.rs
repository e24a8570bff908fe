//! The one server of a test run: which it is, and how to reach it.

use std::io::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use super::{docker, local};

/// The superuser of a server that we start, and its password.
pub(super) const SUPERUSER: &str = "postgres";

/// The verifier of that password, made with one iteration (RFC 5802): the usual 4,096 at each login are much of the tests' time.
const VERIFIER: &str = "SCRAM-SHA-256$1:cGdjbGVhdmUgdGVzdCAxNg==$EpzPhyygjEtjHNxfQdjf7hRPOX+K19Z+gfkWrFd14rY=:\
    lYJfWXxLGONGHH9kR6cZoK3ixuvx3CfNKPeYR/3tFIo=";

/// The majors that are not end-of-life.
pub(super) const MAJORS: [u32; 4] = [15, 16, 17, 18];

/// What every server that we start is given.
const SETTINGS: [&str; 17] = [
    "max_connections=300",
    "shared_buffers=64MB",
    // Tests need no durability: a crash of the machine ends them too.
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=logical",
    "max_replication_slots=64",
    "max_wal_senders=64",
    "max_worker_processes=64",
    "max_logical_replication_workers=32",
    // A worker that was ended is back at once: tests end many.
    "wal_retrieve_retry_interval=100ms",
    "autovacuum_naptime=1h",
    // One file, which SQL can read. Statements are logged only in the databases of the tests that look for them.
    "logging_collector=on",
    "log_filename=postgresql.log",
    "log_rotation_age=0",
    "log_rotation_size=0",
    "log_line_prefix=%m [%p] %q%u@%d ",
];

/// What makes a database's new sessions log all that they can be made to log.
const LOG_STATEMENTS: [&str; 4] = [
    "log_statement = 'all'",
    "log_min_duration_statement = 0",
    "log_min_error_statement = 'debug5'",
    "log_parameter_max_length_on_error = -1",
];

/// Gives what a server of a major is started with. From 18 on, subscriptions have a limit of their own: all tests' splits
/// live on the same two servers.
pub(super) fn settings(major: u32) -> impl Iterator<Item = &'static str> {
    SETTINGS.into_iter().chain((major >= 18).then_some("max_active_replication_origins=64"))
}

/// How long a server may take to answer its first connection.
const START_SECONDS: u64 = 60;

/// How long a line may take to show in the log.
const LOG_SECONDS: u64 = 20;

/// A server that answers.
pub(super) struct Server {
    address: Address,
    pub(super) major: u32,
    home: Home,
}

/// The parts of a connection string; a database comes between `login` and `query`.
pub(super) struct Address {
    user: String,
    password: Option<String>,
    host: String,
    database: String,
    query: String,
}

/// What a server runs in.
pub(super) enum Home {
    Container(Box<docker::Running>),
    Process(local::Running),
    /// Somebody else's.
    Lent,
}

/// Which server is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Major(u32),
    Oldest,
    Newest,
}

impl Wanted {
    /// Reads what `PGCLEAVE_TEST_SERVER` says.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" | "newest" => Ok(Self::Newest),
            "oldest" => Ok(Self::Oldest),
            major => major.parse().map(Self::Major).map_err(|_| {
                format!("PGCLEAVE_TEST_SERVER is {major:?}: say oldest, newest, or a major version such as 17")
            }),
        }
    }

    /// Picks one of the majors at hand.
    pub(super) fn pick(self, at_hand: impl IntoIterator<Item = u32>) -> Option<u32> {
        let mut at_hand = at_hand.into_iter();
        match self {
            Self::Major(major) => at_hand.find(|m| *m == major),
            Self::Oldest => at_hand.min(),
            Self::Newest => at_hand.max(),
        }
    }
}

impl Address {
    /// Describes a server that we have started.
    pub(super) fn started(host: &str, port: u16) -> Self {
        Self {
            user: SUPERUSER.to_owned(),
            password: Some(SUPERUSER.to_owned()),
            host: format!("{host}:{port}"),
            database: "postgres".to_owned(),
            query: String::new(),
        }
    }

    /// Takes a connection string apart.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))?;
        let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, host) = authority.rsplit_once('@')?;
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password.to_owned())),
            None => (login, None),
        };
        let database = if database.is_empty() { user } else { database };
        Some(Self {
            user: user.to_owned(),
            password,
            host: host.to_owned(),
            database: database.to_owned(),
            query: query.to_owned(),
        })
    }

    pub(super) fn url(&self, user: &str, password: Option<&str>, database: &str) -> String {
        let password = password.map(|p| format!(":{p}")).unwrap_or_default();
        format!("postgresql://{user}{password}@{}/{database}{}", self.host, self.query)
    }

    pub(super) fn admin_url(&self, database: &str) -> String {
        self.url(&self.user, self.password.as_deref(), database)
    }
}

impl Server {
    pub(super) fn url(&self, user: &str, password: &str, database: &str) -> String {
        self.address.url(user, Some(password), database)
    }

    pub(super) fn admin_url(&self, database: &str) -> String {
        self.address.admin_url(database)
    }

    pub(super) fn maintenance_url(&self) -> String {
        self.address.admin_url(&self.address.database)
    }

    pub(super) async fn connect_admin(&self) -> PgConnection {
        PgConnection::connect(&self.maintenance_url()).await.expect("the superuser can connect to the test server")
    }

    /// Tells whether the server was started by this process, and ends with it.
    pub(super) fn is_ours(&self) -> bool {
        !matches!(self.home, Home::Lent)
    }

    /// Makes the later sessions of a database write every statement to the server's log.
    pub(super) async fn log_statements(&self, database: &str) {
        let mut admin = self.connect_admin().await;
        for setting in LOG_STATEMENTS {
            let alter = format!("alter database {database} set {setting}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&mut admin).await.expect("a superuser may set it");
        }
    }

    /// Gives all that the server has logged until now; other tests' lines are in it, too.
    pub(super) async fn log(&self) -> String {
        static MARKS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = MARKS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mark = format!("end of log {} {number}", std::process::id());
        let mut admin = self.connect_admin().await;
        let write = format!("do $$ begin raise log '{mark}'; end $$");
        sqlx::raw_sql(sqlx::AssertSqlSafe(write)).execute(&mut admin).await.expect("a superuser may write to the log");
        let read = "select pg_catalog.pg_read_file(pg_catalog.pg_current_logfile())";
        for _ in 0..LOG_SECONDS * 20 {
            let log: Option<String> =
                sqlx::query_scalar(read).fetch_one(&mut admin).await.expect("a superuser may read it");
            let log = log.expect("a lent server has logging_collector = on");
            if log.contains(&mark) {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("a line has not shown in the server's log for {LOG_SECONDS} s")
    }
}

/// Gives the runtime on which the server is kept: a test's own ends with the test.
pub(super) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("a runtime starts")
    });
    &RUNTIME
}

/// Does something on the runtime of the servers, after the test that asks for it.
pub(crate) fn afterwards(work: impl Future<Output = ()> + Send + 'static) {
    runtime().spawn(work);
}

/// Gives the server of this run; starts it at the first call.
pub(super) async fn server() -> &'static Server {
    static SERVER: OnceCell<Result<Server, String>> = OnceCell::const_new();
    let starting = || async {
        let started = runtime().spawn(start()).await;
        started.unwrap_or_else(|error| Err(format!("the test server's start panicked: {error}")))
    };
    match SERVER.get_or_init(starting).await {
        Ok(server) => server,
        Err(message) => panic!("{message}"),
    }
}

/// A server for one test alone, which may do with its roles as it likes; never a lent one.
pub(crate) struct Dedicated(Server);

impl Dedicated {
    /// Starts it; it goes away with the test process.
    pub(crate) async fn start() -> Self {
        Self::start_wanted(variable("PGCLEAVE_TEST_SERVER")).await
    }

    /// Starts one of the newest major that is at hand.
    pub(crate) async fn newest() -> Self {
        Self::start_wanted("newest".to_owned()).await
    }

    async fn start_wanted(wanted: String) -> Self {
        let starting = runtime().spawn(async move { start_own(&wanted).await }).await;
        let started = starting.unwrap_or_else(|error| Err(format!("the server's start panicked: {error}")));
        Self(started.unwrap_or_else(|message| panic!("{message}")))
    }

    /// Gives the superuser's connection string to a database.
    pub(crate) fn url(&self, database: &str) -> String {
        self.0.admin_url(database)
    }

    /// Gives the superuser's connection string as other servers use it.
    pub(crate) async fn url_from_servers(&self, database: &str) -> String {
        let bridge = match &self.0.home {
            Home::Container(container) => container.bridge(),
            Home::Process(_) | Home::Lent => None,
        };
        match bridge {
            Some(host) => Address::started(host, 5432).admin_url(database),
            None => self.url(database),
        }
    }

    /// Gives the address by which the server reaches this machine.
    pub(crate) async fn host_from_servers(&self) -> String {
        let gateway = match &self.0.home {
            Home::Container(container) => container.gateway(),
            Home::Process(_) | Home::Lent => None,
        };
        gateway.unwrap_or("127.0.0.1").to_owned()
    }

    /// Freezes the server: connections stay, and nothing is answered.
    pub(crate) fn pause(&self) {
        self.freeze(true);
    }

    /// Lets a frozen server go on.
    pub(crate) fn resume(&self) {
        self.freeze(false);
    }

    fn freeze(&self, frozen: bool) {
        match &self.0.home {
            Home::Container(container) => container.freeze(frozen),
            Home::Process(server) => server.freeze(frozen),
            Home::Lent => unreachable!("a server for one test is never a lent one"),
        }
    }

    /// Kills one of the server's own processes without a word: it ends all others, and recovers from its log.
    pub(crate) async fn crash(&self) {
        let url = self.url("postgres");
        let pid = "select pid::text from pg_stat_activity where backend_type = 'checkpointer'";
        let now = || async {
            let mut connection = PgConnection::connect(&url).await.ok()?;
            sqlx::query_scalar::<_, String>(pid).fetch_optional(&mut connection).await.ok()?
        };
        let before = now().await.expect("it runs");
        let mut connection = PgConnection::connect(&url).await.expect("the superuser can connect");
        let kill = format!("copy ({pid}) to program 'read pid; kill -9 $pid'");
        let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(kill)).execute(&mut connection).await;
        for _ in 0..START_SECONDS * 20 {
            if now().await.is_some_and(|pid| pid != before) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server has not come back");
    }

    /// Makes the later sessions of a database write every statement to the server's log.
    pub(crate) async fn log_statements(&self, database: &str) {
        self.0.log_statements(database).await;
    }

    /// Gives what the server has logged so far.
    pub(crate) async fn log(&self) -> String {
        self.0.log().await
    }

    /// Gives the server's major version.
    pub(crate) fn major(&self) -> u32 {
        self.0.major
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

async fn start() -> Result<Server, String> {
    let url = variable("PGCLEAVE_TEST_DATABASE_URL");
    if url.is_empty() {
        return start_own(&variable("PGCLEAVE_TEST_SERVER")).await;
    }
    let address = Address::parse(&url);
    let address = address.ok_or("PGCLEAVE_TEST_DATABASE_URL is not of the form postgresql://user@host/database")?;
    ready(address, Home::Lent, "PGCLEAVE_TEST_DATABASE_URL").await
}

async fn start_own(wanted: &str) -> Result<Server, String> {
    let wanted = Wanted::parse(wanted)?;
    let no_container = match docker::start(wanted).await {
        Ok((address, container)) => {
            let what = container.label();
            return ready(address, Home::Container(Box::new(container)), &what).await;
        }
        Err(why) => why,
    };
    if !matches!(variable("PGCLEAVE_TEST_REQUIRE_DOCKER").as_str(), "" | "0") {
        return Err(format!("PGCLEAVE_TEST_REQUIRE_DOCKER is set, but no container: {no_container}"));
    }
    let no_binaries = match local::start(wanted) {
        Ok((address, server)) => {
            let what = format!("{} ({no_container})", server.label());
            return ready(address, Home::Process(server), &what).await;
        }
        Err(why) => why,
    };
    Err(format!(
        "the tests need a PostgreSQL server, and none was found.\n  container: {no_container}\n  installed: {no_binaries}\n\
         Any of these gives one:\n  start Docker and run .ci/images\n  apt-get install postgresql\n  \
         export PGCLEAVE_TEST_DATABASE_URL=postgresql://superuser:password@host:5432/postgres"
    ))
}

/// Waits until the server answers, and asks for its version.
async fn ready(address: Address, home: Home, what: &str) -> Result<Server, String> {
    let url = address.admin_url(&address.database);
    let mut last = String::new();
    // The official image answers for a moment on its socket only, while it sets itself up: TCP is the sign.
    for _ in 0..START_SECONDS * 20 {
        let attempt = tokio::time::timeout(Duration::from_secs(5), PgConnection::connect(&url)).await;
        match attempt {
            Ok(Ok(mut connection)) => {
                let asked: Result<String, _> =
                    sqlx::query_scalar("select pg_catalog.current_setting('server_version_num')")
                        .fetch_one(&mut connection)
                        .await;
                let number: u32 = asked.map_err(|e| e.to_string())?.parse().map_err(|_| "an odd version number")?;
                let major = number / 10_000;
                if !matches!(home, Home::Lent) {
                    let alter = format!("alter role {SUPERUSER} password '{VERIFIER}'");
                    let altered = sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&mut connection).await;
                    altered.map_err(|error| error.to_string())?;
                }
                // Past the harness's capture, so that every run says what it ran on.
                let _ = writeln!(std::io::stderr(), "test server: PostgreSQL {major}, {what}");
                return Ok(Server { address, major, home });
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => "no answer".clone_into(&mut last),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(format!("{what} has not answered within {START_SECONDS} s: {last}"))
}
