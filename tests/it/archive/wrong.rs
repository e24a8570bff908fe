//! The command line given what it cannot use: each told plainly, with the right exit code, and nothing left behind.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{Room, export, needs_pg_dump, restore_with, shop};
use crate::support::{Answer, TestDb, answer, pg_dump_folder};

/// Runs the command line in a folder.
async fn run(db: &TestDb, room: &Room, arguments: &[&str]) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgcleave"));
    command.current_dir(room.at("")).args(arguments).env("DATABASE_URL", db.url());
    command.envs(pg_dump_folder(db.major()).await.map(|folder| ("PGCLEAVE_PG_BIN", folder)));
    answer(command.output().expect("the program is built"))
}

#[tokio::test]
async fn an_export_that_cannot_begin_says_why_and_leaves_nothing() {
    let db = TestDb::new().await;
    needs_pg_dump(&db).await;
    shop(&db).await;
    let room = Room::new();
    let nobody = db.url().replace(db.url().rsplit_once('/').expect("a database").1, "no_such_database");
    let old = room.at("old");
    std::fs::create_dir(&old).expect("a folder");
    std::fs::write(room.at("file"), "mine").expect("writable");
    for (arguments, code, told) in [
        (vec!["export", "shop"], 2, "--to"),
        (vec!["export", "nowhere", "--to", "a"], 2, "error[no-schema]: schema nowhere does not exist"),
        (vec!["export", "shop", "--to", "a", "--jobs", "0"], 2, "0 is not in 1..=64"),
        (vec!["export", "shop", "--to", "a", "--jobs", "x"], 2, "--jobs"),
        (vec!["export", "shop", "--to", "a", "--max-rate", "abc"], 2, "write a number of bytes, as in 50M"),
        (vec!["export", "shop", "--to", "a", "--max-rate", "5x"], 2, "\"x\" is no unit: write K, M or G"),
        (vec!["export", "shop", "--to", "a", "--max-rate", "0"], 2, "more than nothing"),
        (vec!["export", "shop", "--to", "a", "--max-rate", "1.5M"], 2, "a whole number of bytes"),
        (vec!["export", "shop", "--to", "a", "--as", "xml"], 2, "archive, csv, jsonl"),
        (vec!["export", "shop", "--to", "a", "--allow-coupling", "love"], 2, "love"),
        (vec!["export", "shop", "--to", "ftp://host/a"], 2, "neither a folder nor one of s3://, gs://, az://"),
        (vec!["export", "shop", "--to", "s3://"], 2, "s3://bucket/prefix"),
        (vec!["export", "shop", "--to", "s3://bucket"], 2, "s3://bucket/prefix"),
        (vec!["export", "shop", "--to", "file"], 5, "error[archive-exists]: file exists already"),
        (vec!["export", "shop", "--to", "file/a"], 1, "error[file]"),
        (vec!["export", "shop", "--to", "a", "--pg-bin", "old"], 1, "old, which has no pg_dump"),
        (vec!["export", "shop", "--to", "a", "--pg-bin", "nothing"], 1, "nothing, which has no pg_dump"),
        (vec!["export", "shop", "--to", "a", "--database-url", "shop"], 2, "error[bad-database-url]"),
        (
            vec!["export", "shop", "--to", "a", "--database-url", "postgresql://x@127.0.0.1:1/shop"],
            1,
            "Connection refused",
        ),
        (vec!["export", "shop", "--to", "a", "--database-url", &nobody], 1, "\"no_such_database\" does not exist"),
        (vec!["import", "nothing"], 2, "error[not-an-archive]: nothing is not an archive"),
        (vec!["import", "file"], 2, "error[not-an-archive]"),
        (vec!["import", "old"], 2, "SHA256SUMS is missing"),
        (vec!["import", "old", "--jobs", "65"], 2, "65 is not in 1..=64"),
        (vec!["verify", "old"], 2, "<B>"),
        (vec!["verify", "old", "nothing"], 2, "error[not-an-archive]"),
        (vec!["verify", &db.url(), &db.url()], 2, "say which --schema to compare"),
    ] {
        let said = run(&db, &room, &arguments).await;
        assert!(said.code == code && said.stderr.contains(told), "{arguments:?}: {said:?}");
        assert_eq!(room.names(), ["file", "old"], "{arguments:?}");
    }
    // A pg_dump that is there and fails.
    let broken = format!(
        "#!/bin/sh\ncase $1 in --version) echo 'pg_dump (PostgreSQL) {}.1';; *) echo boom >&2; exit 3;; esac\n",
        db.major()
    );
    std::fs::write(old.join("pg_dump"), broken).expect("writable");
    std::fs::set_permissions(old.join("pg_dump"), std::fs::Permissions::from_mode(0o755)).expect("ours");
    let said = run(&db, &room, &["export", "shop", "--to", "a", "--pg-bin", "old"]).await;
    assert!(said.code == 1 && said.stderr.contains("old/pg_dump failed: boom"), "{said:?}");
    assert_eq!(room.names(), ["file", "old"]);
}

#[tokio::test]
async fn a_restore_that_cannot_reach_its_target_says_so_and_nothing_else() {
    let db = TestDb::new().await;
    needs_pg_dump(&db).await;
    shop(&db).await;
    let room = Room::new();
    export(&db, "shop", &room.at("a")).await.expect("an export");
    let script = |url: &str| {
        let output = restore_with(&room.at("a"), url, url, &[]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = script("postgresql://nobody@127.0.0.1:1/nowhere");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("the target cannot be reached; nothing was restored") && !said.contains("not empty"),
        "{said}"
    );
    let (code, said) = script(&db.url());
    assert!(code == Some(1) && said.contains("schema shop is not empty"), "{code:?}: {said}");
}

#[tokio::test]
async fn a_view_over_a_table_that_is_called_like_its_schema_is_the_same_on_a_newer_server() {
    use pgcleave::archive::verify::Place;
    use pgcleave::pg::connect::Target;
    let db = TestDb::new().await;
    needs_pg_dump(&db).await;
    db.run(
        "create schema shop; create table shop.shop (id int primary key, shop int, at timestamp);
         create view shop.every as select id, shop, extract(year from at) as year from shop.shop where shop.shop > 1;
         create view shop.alone as select id from only shop.shop",
    )
    .await;
    let room = Room::new();
    export(&db, "shop", &room.at("a")).await.expect("an export");
    let newest = crate::support::Dedicated::newest().await;
    let to = Target::parse(&newest.url("postgres").into()).expect("a connection string");
    let options = super::importing(pgcleave::interrupt::Interrupt::default());
    pgcleave::archive::import::import(&room.at("a").into(), &to, &options, &|_| {}).await.expect("an import");
    let verified = super::compare(super::database(&db), Place::Database(to), "shop").await;
    assert!(verified.equal, "{}", pgcleave::report::verify::human(&verified));
}
