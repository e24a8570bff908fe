//! Kills, cuts and full disks.

use std::process::Command;
use std::time::Duration;

use pgcleave::error::Coded as _;

use super::{Room, assert_equal, export, import, needs_pg_dump, options, pgcleave, shop, shop_of, target};
use crate::support::TestDb;

/// Gives pseudo-random numbers, the same in every run.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[tokio::test]
async fn an_import_that_is_killed_again_and_again_ends_with_every_row_once() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    // So that the kills meet its rows, too.
    shop_of(&source, 60_000).await;
    let room = Room::new();
    export(&source, "shop", &room.at("a")).await.expect("an export");
    let path = room.at("a").display().to_string();
    let (mut seed, mut killed) = (7, 0);
    for _ in 0..12 {
        let mut child = pgcleave(&copy, &["import", &path, "--quiet"]).await;
        tokio::time::sleep(Duration::from_millis(100 + random(&mut seed) % 500)).await;
        killed += usize::from(child.try_wait().expect("a child").is_none());
        child.kill().expect("a child");
        child.wait().expect("a child");
        // The server notices a dead client at its next word; until then its lock stands.
        let sessions = "select count(*)::text from pg_catalog.pg_stat_activity
            where datname = pg_catalog.current_database() and application_name = 'pgcleave import'";
        while copy.texts(sessions).await != ["0"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(killed > 0, "no import was killed");
    match import(&room.at("a"), &copy).await {
        Ok(_) => {}
        // The last one had ended before its kill.
        Err(error) => assert_eq!(error.code(), "target-not-empty", "{error}"),
    }
    assert_equal(&room.at("a"), &source, &copy, "shop").await;
}

#[tokio::test]
async fn a_killed_export_leaves_nothing_that_looks_whole_and_does_not_hinder_the_next() {
    let source = TestDb::new().await;
    needs_pg_dump(&source).await;
    shop(&source).await;
    let room = Room::new();
    let path = room.at("a").display().to_string();
    let mut child = pgcleave(&source, &["export", "shop", "--to", &path, "--max-rate", "50K"]).await;
    while !room.names().contains(&"a.partial".to_owned()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    child.kill().expect("a child");
    child.wait().expect("a child");
    assert_eq!(room.names(), ["a.partial"]);
    export(&source, "shop", &room.at("a")).await.expect("an export");
    assert_eq!(room.names(), ["a"]);
    import(&room.at("a"), &TestDb::new().await).await.expect("it is whole");
}

#[tokio::test]
async fn ctrl_c_leaves_nothing_behind() {
    let source = TestDb::new().await;
    needs_pg_dump(&source).await;
    shop(&source).await;
    let room = Room::new();
    let path = room.at("a").display().to_string();
    let mut child = pgcleave(&source, &["export", "shop", "--to", &path, "--max-rate", "50K"]).await;
    while !room.names().contains(&"a.partial".to_owned()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill starts");
    let status = tokio::task::spawn_blocking(move || child.wait()).await.expect("it ends").expect("a child");
    assert_eq!(status.code(), Some(130));
    assert!(room.names().is_empty(), "{:?}", room.names());
}

#[tokio::test]
async fn a_cut_connection_is_an_error_and_leaves_nothing_behind() {
    let source = TestDb::new().await;
    needs_pg_dump(&source).await;
    shop(&source).await;
    // More than the sockets' buffers take in: otherwise a cut can come after the last row.
    let bulk = "set role {p}shop_owner; create table shop.bulk (id int primary key, body text); \
                insert into shop.bulk select g, repeat(md5(g::text), 30000) from generate_series(1, 40) g";
    source.run(&bulk.replace("{p}", source.prefix())).await;
    for victim in ["pgcleave export", "pgcleave snapshot"] {
        let room = Room::new();
        let mut slow = options(&source, "shop").await;
        slow.max_bytes_per_second = Some(50_000);
        let (from, to) = (target(&source), room.at("a"));
        let exporting = tokio::spawn(async move { export::export(&from, &to.into(), &slow, &|_| {}).await });
        while !room.names().contains(&"a.partial".to_owned()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let cut = format!(
            "select pg_catalog.pg_terminate_backend(pid)::text from pg_catalog.pg_stat_activity
             where datname = pg_catalog.current_database() and application_name = '{victim}'"
        );
        // More than once: the first that is cut may be one that had done its work.
        while !exporting.is_finished() {
            source.texts(&cut).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let result = exporting.await.expect("no panic");
        assert!(result.is_err(), "{victim} was cut");
        assert!(room.names().is_empty(), "{:?}", room.names());
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_leaves_nothing_behind() {
    let source = TestDb::new().await;
    needs_pg_dump(&source).await;
    shop(&source).await;
    let room = Room::new();
    let small = room.at("small");
    std::fs::create_dir(&small).expect("writable");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&small).output();
    let mounted = mounted.is_ok_and(|output| output.status.success());
    assert!(mounted, "a small tmpfs must be mounted for this test: run it as root");
    let result = export(&source, "shop", &small.join("a")).await;
    let left = std::fs::read_dir(&small).expect("readable").count();
    Command::new("umount").arg(&small).status().expect("umount starts");
    let error = result.expect_err("the disk is full");
    assert_eq!(error.code(), "file", "{error}");
    assert_eq!(left, 0);
}
