//! A server of one's own: it is there in a moment, and goes away however its process ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pgcleave::embedded::{Options, Server};
use pgcleave::pg::connect::Target;
use pgcleave::pg::session::SessionKind;
use rustix::process::{Pid, Signal, kill_process};

fn pgcleave(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgcleave"));
    // A temporary folder of its own, so that what is left behind shows.
    command.args(arguments).env("TMPDIR", folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A folder that another account may enter, since root's servers run as one.
fn open_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("opened");
    folder
}

fn servers_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("pgcleave-"))).collect()
}

fn postmaster_of(folder: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    Pid::from_raw(text.lines().next()?.parse().ok()?)
}

/// Waits until the condition holds; half a minute is far beyond what it takes.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30), "not so after 30 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the demo has come to its third step, where the server is up and at work.
fn until_provisioning(demo: &mut Child) {
    let mut lines = BufReader::new(demo.stdout.as_mut().expect("it is piped")).lines();
    let found = lines.any(|line| line.expect("text").contains("3. Schemas"));
    assert!(found, "the demo never came to its third step");
}

#[test]
fn the_demo_proves_the_shop_and_leaves_nothing() {
    let folder = open_folder();
    let done = pgcleave(&["demo"], folder.path()).output().expect("it runs");
    let (answer, story) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{answer}\n{story}");
    assert!(answer.contains("Proven: ") && answer.contains("4. Nothing is left to do"), "{answer}");
    assert!(answer.contains("\n0 changes\n"), "{answer}");
    assert_eq!(servers_in(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let folder = open_folder();
    let mut demo = pgcleave(&["demo"], folder.path()).spawn().expect("it runs");
    until_provisioning(&mut demo);
    let server = servers_in(folder.path()).pop().expect("a server's folder");
    let postmaster = postmaster_of(&server).expect("a server");
    kill_process(Pid::from_child(&demo), Signal::INT).expect("it is there");
    let mut rest = String::new();
    demo.stdout.take().expect("it is piped").read_to_string(&mut rest).expect("text");
    assert_eq!(demo.wait().expect("it ends").code(), Some(130), "{rest}");
    assert!(rustix::process::test_kill_process(postmaster).is_err(), "the server is gone");
    assert_eq!(servers_in(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_killed_demo_takes_its_server_along() {
    let folder = open_folder();
    let mut demo = pgcleave(&["demo"], folder.path()).spawn().expect("it runs");
    until_provisioning(&mut demo);
    let server = servers_in(folder.path()).pop().expect("a server's folder");
    let postmaster = postmaster_of(&server).expect("a server");
    demo.kill().expect("it is there");
    demo.wait().expect("it ends");
    eventually("the server is gone", || rustix::process::test_kill_process(postmaster).is_err());
    eventually("its folder is gone", || servers_in(folder.path()).is_empty());
}

#[tokio::test]
async fn a_kept_server_has_its_data_and_its_port_again() {
    let folder = open_folder();
    let start = || Server::start(Options { folder: Some(folder.path().join("server")) });
    let server = start().await.expect("it starts");
    let (url, port) = (server.url(), server.port());
    let mut connection =
        Target::parse(&url).expect("a URL").connect(SessionKind::Administrator, "test").await.expect("it takes logins");
    sqlx::raw_sql("create table public.kept as select 7 as n").execute(&mut connection).await.expect("made");
    drop(connection);
    server.stop().await.expect("it stops");
    let server = start().await.expect("it starts again");
    assert_eq!(server.port(), port);
    let mut connection = Target::parse(&server.url())
        .expect("a URL")
        .connect(SessionKind::Administrator, "test")
        .await
        .expect("the same password");
    let n: i32 = sqlx::query_scalar("select n from public.kept").fetch_one(&mut connection).await.expect("kept");
    assert_eq!(n, 7);
    server.stop().await.expect("it stops");
}

#[tokio::test]
async fn a_kept_server_that_runs_already_is_not_started_twice() {
    let folder = open_folder();
    let start = || Server::start(Options { folder: Some(folder.path().join("server")) });
    let server = start().await.expect("it starts");
    let error = start().await.expect_err("it runs").to_string();
    assert!(error.starts_with("another pgcleave runs a server in "), "{error}");
    let mut connection = Target::parse(&server.url())
        .expect("a URL")
        .connect(SessionKind::Administrator, "test")
        .await
        .expect("the first runs on");
    sqlx::query("select 1").execute(&mut connection).await.expect("the first runs on");
    server.stop().await.expect("it stops");
}

#[test]
fn dev_prints_connection_strings_that_work_and_goes_on_until_ctrl_c() {
    let folder = open_folder();
    let project = folder.path().join("project");
    std::fs::create_dir_all(project.join("manifests")).expect("a folder");
    std::fs::write(project.join("pgcleave.yaml"), "manifests: manifests\n").expect("a file");
    let manifest = "service: orders\ncredentials:\n  app: { access: write }\n";
    std::fs::write(project.join("manifests/orders.yaml"), manifest).expect("a file");
    for _ in 0..2 {
        let mut dev = pgcleave(&["dev"], folder.path()).current_dir(&project).spawn().expect("it runs");
        let mut lines = BufReader::new(dev.stdout.take().expect("it is piped")).lines();
        let url = lines.find_map(|line| line.expect("text").strip_prefix("orders/app  ").map(str::to_owned));
        let url = url.expect("a connection string");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let target = Target::parse(&url.into()).expect("a URL");
            target.connect(SessionKind::Administrator, "test").await.expect("the login works");
        });
        kill_process(Pid::from_child(&dev), Signal::INT).expect("it is there");
        assert!(dev.wait().expect("it ends").success());
        assert!(!project.join(".pgcleave/postgres/data/postmaster.pid").exists(), "the server is stopped");
    }
    assert!(!project.join(".secrets").exists(), "the manifests' own sink is left alone");
}
