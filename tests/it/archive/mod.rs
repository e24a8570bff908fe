//! Archives: out of a database, back into another, and the proof that nothing is missing.

mod binary;
mod bucket;
mod clone;
mod damage;
mod dependents;
mod majors;
mod order;
mod refusal;
mod round_trip;
mod tamper;
mod trouble;
mod upheaval;
mod verify;
mod wide;
mod wrong;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use pgcleave::archive::export::{self, Exported};
use pgcleave::archive::import::{self, Imported};
use pgcleave::archive::verify::{Options as VerifyOptions, Place, Verified};
use pgcleave::archive::{self, Error};
use pgcleave::ident::Ident;
use pgcleave::interrupt::Interrupt;
use pgcleave::pg::connect::Target;
use pgcleave::transfer::pg_dump::PgDump;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use crate::support::{TestDb, pg_dump_folder};

/// Finds a pg_dump for the server, on this machine or in an image.
async fn pg_dump(db: &TestDb) -> Result<PgDump, pgcleave::transfer::error::Error> {
    let folder = pg_dump_folder(db.major()).await;
    PgDump::find_in(folder.as_deref(), db.major()).await
}

/// Fails where there is none: a test that cannot run proves nothing.
async fn needs_pg_dump(db: &TestDb) {
    if let Err(error) = pg_dump(db).await {
        panic!("{error}; install that version's client programs, or let the tests use Docker");
    }
}

fn target(db: &TestDb) -> Target {
    Target::parse(&db.url().into()).expect("the test bed's own connection string")
}

fn ident(name: &str) -> Ident {
    Ident::new(name).expect("a name")
}

async fn options(db: &TestDb, schema: &str) -> export::Options {
    export::Options {
        service: schema.to_owned(),
        schema: ident(schema),
        jobs: 2,
        max_bytes_per_second: None,
        lock_seconds: 10,
        allow: Vec::new(),
        verifiers: false,
        manifest: None,
        programs: pg_dump_folder(db.major()).await,
        interrupt: Interrupt::default(),
    }
}

async fn export(db: &TestDb, schema: &str, to: &Path) -> Result<Exported, Error> {
    export::export(&target(db), &to.into(), &options(db, schema).await, &|_| {}).await
}

/// How tests import: many of their schemas belong to the superuser that runs them.
fn importing(interrupt: Interrupt) -> import::Options {
    let allow = vec![import::Allow::SuperuserObjects, import::Allow::ExistingRoles];
    import::Options { jobs: 2, max_bytes_per_second: None, allow, interrupt }
}

async fn import(path: &Path, db: &TestDb) -> Result<Imported, Error> {
    let options = importing(Interrupt::default());
    import::import(&path.into(), &target(db), &options, &|_| {}).await
}

/// Runs an archive's restore.sh with a login of its own for everything but roles, extensions and the schema.
async fn restore(archive: &Path, admin: &str, login: &str) -> Output {
    let mut connection = PgConnection::connect(admin).await.expect("the target is there");
    let make = format!(
        "do $$ begin create role {login} login password 'restorer'; exception when duplicate_object then null; end $$"
    );
    sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut connection).await.expect("a login");
    let mut owner = url::Url::parse(admin).expect("a connection string");
    owner.set_username(login).expect("it has a host");
    owner.set_password(Some("restorer")).expect("it has a host");
    restore_with(archive, admin, owner.as_str(), &[])
}

/// The same with another login, and arguments.
fn restore_with(archive: &Path, admin: &str, owner: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.arg(archive.join("restore.sh")).args(arguments).env("ADMIN_URL", admin).env("OWNER_URL", owner);
    command.output().expect("sh starts")
}

async fn compare(a: Place, b: Place, schema: &str) -> Verified {
    let options = VerifyOptions {
        schema: Some(ident(schema)),
        jobs: 2,
        rows: 10,
        lock_seconds: 10,
        interrupt: Interrupt::default(),
    };
    archive::verify::verify(&a, &b, &options, &|_| {}).await.expect("both sides can be read")
}

fn database(db: &TestDb) -> Place {
    Place::Database(target(db))
}

/// Asserts that all pairs of an archive and two databases are equal.
async fn assert_equal(archive: &Path, source: &TestDb, restored: &TestDb, schema: &str) {
    let folder = || Place::Archive(archive.into());
    for (a, b) in [(database(source), database(restored)), (folder(), database(restored)), (database(source), folder())]
    {
        let verified = compare(a, b, schema).await;
        assert!(verified.equal, "{}", pgcleave::report::verify::human(&verified));
    }
}

/// A schema `shop` with some 6,000 rows in two tables with a foreign key, an index and an identity column.
async fn shop(db: &TestDb) {
    shop_of(db, 6_000).await;
}

/// The same with so many orders.
async fn shop_of(db: &TestDb, orders: u32) {
    db.run(&format!(
        "create role {p}shop_owner; create schema shop authorization {p}shop_owner; set role {p}shop_owner;
         create table shop.customer (id int generated always as identity primary key, name text not null);
         create table shop.orders (id int primary key, customer int not null references shop.customer, note text);
         insert into shop.customer (name) select 'customer ' || g from generate_series(1, 1000) g;
         insert into shop.orders select g, 1 + g % 1000, md5(g::text) from generate_series(1, {orders}) g;
         create index on shop.orders (note); create index on shop.orders (customer)",
        p = db.prefix()
    ))
    .await;
}

/// A folder for a test's archives.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("the system gives a folder"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Gives what is in the folder, by name.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("it is there");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// Starts the program itself.
async fn pgcleave(db: &TestDb, arguments: &[&str]) -> Child {
    pgcleave_with(db, arguments, Vec::new()).await
}

/// Starts it with more in its environment.
async fn pgcleave_with(db: &TestDb, arguments: &[&str], environment: Vec<(String, String)>) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pgcleave"))
        .args(arguments)
        .envs(pg_dump_folder(db.major()).await.map(|folder| ("PGCLEAVE_PG_BIN", folder)))
        .envs(environment)
        .env("DATABASE_URL", db.url())
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program is built")
}
