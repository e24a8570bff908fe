//! restore.sh and psql: text of an archive is data, on the host as well as in the database.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use pgcleave::error::Coded as _;

use super::import::Archive;
use crate::support::TestDb;

/// Runs restore.sh, with a folder of programs before all others.
fn restore(archive: &Path, admin: &str, owner: &str, programs: Option<&Path>, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.arg(archive.join("restore.sh")).args(arguments).env("ADMIN_URL", admin).env("OWNER_URL", owner);
    if let Some(programs) = programs {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", programs.display()));
    }
    command.output().expect("sh starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A schema with a table, its archive, and a login that restores.
async fn plain(source: &TestDb, copy: &TestDb) -> (Archive, String) {
    let (p, t) = (source.prefix(), copy.prefix());
    source
        .run(&format!(
            "create role {p}o; create schema shop authorization {p}o; set role {p}o;
             create table shop.t (id int primary key, v text); insert into shop.t values (1, 'a'), (2, E'\\\\x');
             create view shop.v as select 1 as a; comment on table shop.t is E'\\\\'' \\\\! id '"
        ))
        .await;
    copy.run(&format!("create role {t}restorer login password 'restorer'")).await;
    (Archive::of(source, "shop").await, copy.url_as(&format!("{t}restorer"), "restorer"))
}

/// A psql that does not know `\restrict`.
fn older(folder: &Path) {
    let text = "#!/bin/sh\nfor a in \"$@\"; do case $a in '\\restrict '*) echo 'invalid command \\restrict' >&2; exit 1;; esac; done\n\
        me=$(dirname \"$0\"); PATH=${PATH#\"$me\":}; export PATH; exec psql \"$@\"\n";
    std::fs::write(folder.join("psql"), text).expect("writable");
    std::fs::set_permissions(folder.join("psql"), std::fs::Permissions::from_mode(0o755)).expect("ours");
}

#[tokio::test]
async fn a_command_in_a_definition_never_leaves_a_hostile_source() {
    let db = TestDb::new().await;
    db.run(
        "create schema evil; create view evil.v as select 1 as a;
         set allow_system_table_mods = on;
         alter function pg_catalog.pg_get_viewdef(oid) rename to pg_get_viewdef_real;
         create function pg_catalog.pg_get_viewdef(v oid) returns text language plpgsql as $f$
         begin return E' SELECT 1 AS a;\\n\\\\! id > witness-psql\\n'; end $f$",
    )
    .await;
    let archive = Archive::empty();
    let error = archive.export(&db, "evil").await.expect_err("psql would run it");
    assert_eq!(error.code(), "psql-command", "{error}");
    assert!(!archive.path().exists());
}

#[tokio::test]
async fn a_command_in_an_archive_is_refused_by_import_and_not_run_by_restore_sh() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    let (archive, owner) = plain(&source, &copy).await;
    let room = tempfile::tempdir().expect("a folder");
    let (witness, programs) = (room.path().join("witness"), room.path().join("bin"));
    std::fs::create_dir(&programs).expect("a folder");
    older(&programs);
    let trap = format!("\n\\! touch {}\n", witness.display());
    for file in ["00_roles.sql", "10_pre-data.sql", "30_post-data.sql", "50_grants.sql"] {
        let (archive, _) = (Archive::of(&source, "shop").await, ());
        archive.change(file, |text| text + &trap);
        let to = pgcleave::pg::connect::Target::parse(&copy.url().into()).expect("a connection string");
        let options = pgcleave::archive::import::Options {
            jobs: 1,
            max_bytes_per_second: None,
            allow: Vec::new(),
            interrupt: pgcleave::interrupt::Interrupt::default(),
        };
        let importing = pgcleave::archive::import::import(&archive.path().into(), &to, &options, &|_| {}).await;
        assert_eq!(importing.expect_err("psql would run it").code(), "psql-command");
        for programs in [None, Some(programs.as_path())] {
            let output = restore(&archive.path(), &copy.url(), &owner, programs, &[]);
            assert!(!output.status.success(), "{file}: {}", said(&output));
            assert!(!witness.exists(), "{file} {programs:?}: {}", said(&output));
            copy.run("drop schema if exists shop cascade").await;
        }
        // The control: psql alone runs it.
        let psql =
            Command::new("psql").args(["-X", "-q", "-f"]).arg(archive.path().join(file)).arg(copy.url()).output();
        psql.expect("psql starts");
        assert!(witness.exists(), "{file}");
        std::fs::remove_file(&witness).expect("it is there");
        copy.run("drop schema if exists shop cascade").await;
    }
    // Both kinds of psql restore what is in order.
    for programs in [None, Some(programs.as_path())] {
        let output = restore(&archive.path(), &copy.url(), &owner, programs, &[]);
        assert!(output.status.success(), "{programs:?}: {}", said(&output));
        assert_eq!(copy.texts("select v from shop.t order by id").await, ["a", "\\x"]);
        let owners = "select distinct relowner::regrole::text from pg_catalog.pg_class where relnamespace = 'shop'::regnamespace";
        assert_eq!(copy.texts(owners).await, [format!("{}o", source.prefix())]);
        let member = format!(
            "select member::regrole::text from pg_catalog.pg_auth_members where member = '{}restorer'::regrole",
            copy.prefix()
        );
        assert!(copy.texts(&member).await.is_empty(), "the login may still act as the owner");
        copy.run("drop schema shop cascade").await;
    }
}

#[tokio::test]
async fn passwords_are_in_no_arguments_of_psql_and_all_parameters_stay() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    let (archive, owner) = plain(&source, &copy).await;
    let room = tempfile::tempdir().expect("a folder");
    let seen = room.path().join("seen");
    // A psql that writes down what `ps` shows of it.
    let text = format!(
        "#!/bin/sh\ntr '\\000' '\\n' < /proc/$$/cmdline >> '{0}'\nme=$(dirname \"$0\"); PATH=${{PATH#\"$me\":}}; export PATH\n\
         exec psql \"$@\"\n",
        seen.display()
    );
    std::fs::write(room.path().join("psql"), text).expect("writable");
    std::fs::set_permissions(room.path().join("psql"), std::fs::Permissions::from_mode(0o755)).expect("ours");
    let t = copy.prefix();
    copy.run(&format!("create role {t}root login superuser password 'gr%eat s''ecret@1'")).await;
    let plain = copy.url_as(&format!("{t}root"), "PLACE");
    let (head, place) = plain.split_once("PLACE@").expect("a password");
    let place = place.split('?').next().expect("a place");
    let (host, database) = place.split_once('/').expect("a database");
    let (host, port) = host.rsplit_once(':').expect("a port");
    let mine = "application_name=the%20restore&connect_timeout=77&sslpassword=k%65y-secret";
    let admins = [
        format!("{head}gr%25eat%20s'ecret%401@{place}?{mine}"),
        format!("{}@{place}?password=gr%25eat%20s'ecret%401&{mine}", head.trim_end_matches(':')),
        format!(
            "host={host} port={port} dbname={database} user={t}root password = 'gr%eat s\\'ecret@1' application_name='the restore' \
             connect_timeout=77 sslpassword=key-secret"
        ),
    ];
    for admin in admins {
        let output = restore(&archive.path(), &admin, &owner, Some(room.path()), &[]);
        assert!(output.status.success(), "{admin}: {}", said(&output));
        let arguments = std::fs::read_to_string(&seen).expect("psql ran");
        for secret in ["ecret", "key-s", "k%65y", "restorer:restorer"] {
            assert!(!arguments.contains(secret), "{secret}: {arguments}");
        }
        assert!(
            arguments.contains("connect_timeout=77")
                && arguments.contains("the%20restore") | arguments.contains("'the restore'")
        );
        std::fs::remove_file(&seen).expect("it is there");
        copy.run("drop schema shop cascade").await;
    }
}

#[tokio::test]
async fn a_superuser_or_an_administrator_restores_rows_only_on_trust() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    let (archive, owner) = plain(&source, &copy).await;
    let t = copy.prefix();
    copy.run(&format!(
        "create role {t}maker login createrole password 'x';
         create role {t}program login password 'x'; grant pg_execute_server_program to {t}program"
    ))
    .await;
    let there = "select 'there' from pg_catalog.pg_namespace where nspname = 'shop'";
    for login in [copy.url(), copy.url_as(&format!("{t}maker"), "x"), copy.url_as(&format!("{t}program"), "x")] {
        let output = restore(&archive.path(), &copy.url(), &login, None, &[]);
        assert!(output.status.code() == Some(1) && said(&output).contains("--trust-archive"), "{}", said(&output));
        assert!(copy.texts(there).await.is_empty());
    }
    let output = restore(&archive.path(), &copy.url(), "", None, &[]);
    assert!(output.status.code() == Some(2) && said(&output).contains("OWNER_URL"), "{}", said(&output));
    let output = restore(&archive.path(), &copy.url(), "", None, &["--trust-archive"]);
    assert!(output.status.success(), "{}", said(&output));
    copy.run("drop schema shop cascade").await;
    // Roles that are superusers here would make whoever becomes one of them one, too.
    source.run("create schema mine; create table mine.t (id int)").await;
    let mine = Archive::of(&source, "mine").await;
    let output = restore(&mine.path(), &copy.url(), &owner, None, &[]);
    assert!(
        output.status.code() == Some(1) && said(&output).contains("superusers here: postgres"),
        "{}",
        said(&output)
    );
    let output = restore(&mine.path(), &copy.url(), &copy.url(), None, &["--trust-archive"]);
    assert!(output.status.success(), "{}", said(&output));
}

#[tokio::test]
async fn what_holds_data_is_for_its_owner_alone() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    let (archive, _) = plain(&source, &copy).await;
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    let (mut folders, mut files) = (vec![archive.path()], 0);
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(&folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let wanted = if path.ends_with("restore.sh") { 0o700 } else { 0o600 };
            assert_eq!(mode(&path), wanted, "{}", path.display());
        }
    }
    assert!(files > 8, "{files}");
}
