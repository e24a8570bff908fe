//! Export, import, clone and verify, each as a ratio against the program that people would use instead, in the same run
//! on the same data.
//!
//! `cargo bench --bench archive` makes a schema of about 1,000 MB on a server of its own, from the newest PostgreSQL
//! that is installed; `PGCLEAVE_BENCH_MEGABYTES=100` makes a smaller one, `PGCLEAVE_BENCH_ONLY=export,clone` leaves out
//! what is not named. Peers that are missing are named in their lines.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its figures, and ends at the first trouble"
)]

#[path = "archive/clone.rs"]
mod clone;
#[path = "archive/data.rs"]
mod data;
#[path = "archive/table.rs"]
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgcleave::embedded::{self, Server};
use pgcleave::ident::Ident;
use pgcleave::pg::connect::Target;
use pgcleave::transfer::chunk;
use pgcleave::transfer::error::Error as TransferError;
use pgcleave::transfer::readers::Readers;
use pgcleave::transfer::snapshot::Snapshot;
use pgcleave::transfer::table::Form;
use secrecy::ExposeSecret as _;

use table::{Figures, Run, run, sh};

/// For the server and its peers alike. Autovacuum would come at some runs and not at others.
const SETTINGS: &[&str] = &[
    "shared_buffers = '2GB'",
    "max_wal_size = '16GB'",
    "checkpoint_timeout = '1h'",
    "maintenance_work_mem = '256MB'",
    "autovacuum = off",
];

const SCHEMA: &str = "shop";

#[tokio::main]
async fn main() {
    if std::env::args().any(|a| a == "--list") {
        return;
    }
    if clone::is_child() {
        return clone::child().await;
    }
    let only = std::env::var("PGCLEAVE_BENCH_ONLY").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only.split(',').any(|o| o == name);
    let bench = Bench::start().await;
    let megabytes = std::env::var("PGCLEAVE_BENCH_MEGABYTES").map_or(1000, |m| m.parse().expect("a number"));
    bench.psql("source", &data::sql(megabytes));
    println!("schema {SCHEMA}: {}", bench.ask("source", data::SIZE));
    let mut figures = Figures::new();
    if wanted("export") {
        bench.exports(&mut figures).await;
    }
    if wanted("import") {
        bench.imports(&mut figures);
    }
    if wanted("clone") {
        bench.clones(&mut figures);
    }
    if wanted("rows") {
        bench.rows(&mut figures).await;
    }
    if wanted("verify") {
        bench.verifies(&mut figures).await;
    }
    figures.peaks();
    bench.server.stop().await.unwrap();
}

struct Bench {
    server: Server,
    folder: tempfile::TempDir,
    url: String,
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("pgcleave-bench-").tempdir().unwrap();
        let options = embedded::Options { folder: Some(folder.path().join("server")) };
        open_to_all(folder.path());
        let server = Server::start(options.clone()).await.unwrap();
        let url = server.url().expose_secret().to_owned();
        let settings: String = SETTINGS.iter().map(|s| format!("alter system set {s};\n")).collect();
        sh(Command::new("psql").args(["-Xqc", "select"]).arg(&url));
        for statement in settings.lines() {
            sh(Command::new("psql").args(["-Xqc", statement]).arg(&url));
        }
        server.stop().await.unwrap();
        let server = Server::start(options).await.unwrap();
        let url = server.url().expose_secret().to_owned();
        let bench = Self { server, folder, url };
        bench.psql("postgres", "create database source");
        bench
    }

    fn url(&self, database: &str) -> String {
        self.url.replace("/postgres", &format!("/{database}")).replacen(&format!("//{database}"), "//postgres", 1)
    }

    fn target(&self, database: &str) -> Target {
        Target::parse(&self.url(database).into()).unwrap()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn psql(&self, database: &str, sql: &str) {
        let script = self.at("script.sql");
        std::fs::write(&script, sql).unwrap();
        sh(Command::new("psql").args(["-Xq", "-v", "ON_ERROR_STOP=1", "-f"]).arg(&script).arg(self.url(database)));
    }

    fn ask(&self, database: &str, sql: &str) -> String {
        let output = Command::new("psql").args(["-XqAtc", sql]).arg(self.url(database)).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes an empty database, and leaves nothing for the next checkpoint.
    fn empty(&self, database: &str) {
        self.psql("postgres", &format!("drop database if exists {database} with (force);"));
        self.psql("postgres", &format!("create database {database};"));
        self.psql("postgres", "checkpoint;");
    }

    /// Makes a folder's name free.
    fn free(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    fn pgcleave(&self, database: &str, arguments: &[&str]) -> Command {
        let binary = std::env::var_os("PGCLEAVE_TEST_BINARY").unwrap_or(env!("CARGO_BIN_EXE_pgcleave").into());
        let mut command = Command::new(binary);
        command.arg("--quiet").args(arguments).env("DATABASE_URL", self.url(database)).current_dir(self.folder.path());
        command
    }

    fn export(&self) -> Run {
        let to = self.free("ours");
        run(self.pgcleave("source", &["export", SCHEMA, "--jobs", "2", "--to"]).arg(to))
    }

    fn pg_dump(&self, more: &[&str]) -> Run {
        let to = self.free("theirs");
        let mut command = Command::new("pg_dump");
        run(command.args(["-Fd", "-j2", "-n", SCHEMA, "-f"]).arg(to).args(more).arg(self.url("source")))
    }

    async fn exports(&self, figures: &mut Figures) {
        let gzip = figures.line("export, against pg_dump -Fd -j2", 0.33, || self.export(), || self.pg_dump(&[]));
        figures.peak("export", &gzip);
        let bytes = (self.size("ours"), self.size("theirs"));
        figures.ratio("export, bytes", 1.1, bytes);
        figures.line("export, against pg_dump -Fd -j2 -Z0", 0.95, || self.export(), || self.pg_dump(&["-Z0"]));
        let scripts = self.reading("stdout").await;
        let floor = || {
            let both: String =
                scripts.iter().map(|s| format!("psql -Xqf {} $URL > /dev/null & ", s.display())).collect();
            run(Command::new("sh").args(["-c", &(both + "wait")]).env("URL", self.url("source")))
        };
        figures.line("export, against COPY of the same ranges by 2 psql", 1.6, || self.export(), floor);
    }

    /// Writes two scripts that read all ranges between them.
    async fn reading(&self, name: &str) -> Vec<PathBuf> {
        let mut readers = Readers::open(&self.target("source"), &Ident::new(SCHEMA).unwrap(), 2).await.unwrap();
        let snapshot = Snapshot::take(&self.target("source"), &mut readers, 10).await.unwrap();
        let mut scripts = [String::new(), String::new()];
        let mut bytes = [0, 0];
        for chunk in chunk::cut(&snapshot.tables, 2) {
            let to = usize::from(bytes[1] < bytes[0]);
            bytes[to] += chunk.bytes;
            scripts[to] += &format!("{};\n", chunk.copy_out(&snapshot.tables, Form::Text).as_str());
        }
        drop(snapshot);
        readers.end(Ok::<_, TransferError>(())).await.unwrap();
        let write = |(i, script): (usize, String)| {
            let path = self.at(&format!("{name}-{i}.sql"));
            std::fs::write(&path, script).unwrap();
            path
        };
        scripts.into_iter().enumerate().map(write).collect()
    }

    fn size(&self, name: &str) -> f64 {
        fn bytes(path: &Path) -> u64 {
            let entries = std::fs::read_dir(path).unwrap().map(Result::unwrap);
            entries.map(|e| if e.path().is_dir() { bytes(&e.path()) } else { e.metadata().unwrap().len() }).sum()
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more")]
        let bytes = bytes(&self.at(name)) as f64;
        bytes / 1e6
    }

    fn imports(&self, figures: &mut Figures) {
        self.export();
        self.pg_dump(&[]);
        let ours = || {
            self.empty("copy");
            run(self.pgcleave("copy", &["import", "--jobs", "2"]).arg(self.at("ours")))
        };
        let theirs = || {
            self.empty("copy");
            run(Command::new("pg_restore").args(["-j2", "-d"]).arg(self.url("copy")).arg(self.at("theirs")))
        };
        let found = figures.line("import, against pg_restore -j2 of its gzip archive", 0.95, ours, theirs);
        figures.peak("import", &found);
        self.binary(figures);
    }

    /// What pieces in binary would give to an import: the largest table's rows out of a file, into the bare table.
    fn binary(&self, figures: &mut Figures) {
        self.empty("copy");
        self.psql("copy", &self.definitions());
        for form in ["text", "binary"] {
            let file = self.at(form);
            self.psql("source", &format!("\\copy {SCHEMA}.orders to '{}' with (format {form})\n", file.display()));
        }
        let load = |form: &str| {
            self.psql("copy", &format!("truncate {SCHEMA}.orders;\n"));
            let copy = format!("\\copy {SCHEMA}.orders from '{}' with (format {form})", self.at(form).display());
            run(Command::new("psql").args(["-Xqc", &copy]).arg(self.url("copy")))
        };
        figures.line("(binary pieces would load so, against text)", 1.0, || load("binary"), || load("text"));
    }

    fn definitions(&self) -> String {
        let mut command = Command::new("pg_dump");
        let dump = command.args(["--section=pre-data", "-n", SCHEMA]).arg(self.url("source")).output().unwrap();
        String::from_utf8(dump.stdout).unwrap()
    }

    fn clones(&self, figures: &mut Figures) {
        let ours = || {
            self.empty("copy");
            run(&mut clone::command("whole", &self.url("source"), &self.url("copy")))
        };
        let what = "clone, against pgcopydb clone";
        if Command::new("pgcopydb").arg("--version").stderr(Stdio::null()).output().is_err() {
            let found = figures.alone(what, ours, "pgcopydb is not installed");
            return figures.peak("clone", &found);
        }
        let filter = self.at("filter.ini");
        std::fs::write(&filter, "[exclude-schema]\nother_1\nother_2\nother_3\n").unwrap();
        let theirs = || {
            self.empty("copy");
            let work = self.free("pgcopydb");
            let mut command = Command::new("pgcopydb");
            command.args(["clone", "--table-jobs", "2", "--index-jobs", "2", "--no-owner", "--skip-large-objects"]);
            command.args(["--split-tables-larger-than", "100MB"]);
            command.arg("--dir").arg(work).arg("--filters").arg(&filter);
            run(command.args(["--source", &self.url("source"), "--target", &self.url("copy")]))
        };
        let found = figures.line(what, 0.7, ours, theirs);
        figures.peak("clone", &found);
    }

    /// Rows alone, of all tables of at least a megabyte: a psql has to be started for each range.
    async fn rows(&self, figures: &mut Figures) {
        let mut readers = Readers::open(&self.target("source"), &Ident::new(SCHEMA).unwrap(), 2).await.unwrap();
        let snapshot = Snapshot::take(&self.target("source"), &mut readers, 10).await.unwrap();
        let tables = clone::large(&snapshot.tables);
        let mut scripts = [String::new(), String::new()];
        let mut bytes = [0, 0];
        for chunk in chunk::cut(&tables, 2) {
            let to = usize::from(bytes[1] < bytes[0]);
            bytes[to] += chunk.bytes;
            let out = chunk.copy_out(&tables, Form::Binary).as_str().replace('"', "\\\"");
            let into = tables[chunk.table].copy_in(Form::Binary).as_str().replace('"', "\\\"");
            scripts[to] += &format!("psql -Xqc \"{out}\" $FROM | psql -Xqc \"{into}\" $TO\n");
        }
        drop(snapshot);
        readers.end(Ok::<_, TransferError>(())).await.unwrap();
        let ours = || {
            self.empty("copy");
            run(&mut clone::command("rows", &self.url("source"), &self.url("copy")))
        };
        let definitions = self.definitions();
        let theirs = || {
            self.empty("copy");
            self.psql("copy", &definitions);
            let both = format!("( true; {} ) & ( true; {} ) & wait", scripts[0], scripts[1]);
            run(Command::new("sh").args(["-c", &both]).env("FROM", self.url("source")).env("TO", self.url("copy")))
        };
        figures.line("rows alone, against 2 pairs of psql, binary", 1.1, ours, theirs);
    }

    async fn verifies(&self, figures: &mut Figures) {
        self.empty("copy");
        run(&mut clone::command("whole", &self.url("source"), &self.url("copy")));
        let mut readers = Readers::open(&self.target("source"), &Ident::new(SCHEMA).unwrap(), 2).await.unwrap();
        let snapshot = Snapshot::take(&self.target("source"), &mut readers, 10).await.unwrap();
        let mut script = String::new();
        for table in snapshot.tables.iter().filter(|t| !t.partitioned) {
            let columns: Vec<_> = table.columns.iter().map(|c| format!("count({})", c.name.quoted())).collect();
            script += &format!("select {} from only {};\n", columns.join(", "), table.name.sql().as_str());
        }
        drop(snapshot);
        readers.end(Ok::<_, TransferError>(())).await.unwrap();
        let path = self.at("count.sql");
        std::fs::write(&path, "set max_parallel_workers_per_gather = 0;\n".to_owned() + &script).unwrap();
        let path = path.display();
        let both = format!("psql -Xqf {path} $A > /dev/null & psql -Xqf {path} $B > /dev/null & wait");
        let (a, b) = (self.url("source"), self.url("copy"));
        let ours = || run(self.pgcleave("source", &["verify", "-", "env:OTHER", "--schema", SCHEMA]).env("OTHER", &b));
        let theirs = || run(Command::new("sh").args(["-c", &both]).env("A", &a).env("B", &b));
        let found = figures.line("verify, against count of every column, both sides", 2.0, ours, theirs);
        figures.peak("verify", &found);
    }
}

/// The server's account must be able to enter.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
