//! An archive that is not what was written is never loaded.

use std::fs;
use std::path::{Path, PathBuf};

use pgcleave::archive::Error;
use pgcleave::error::Coded as _;

use super::{Room, export, import, needs_pg_dump, shop};
use crate::support::TestDb;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

async fn assert_refused(archive: &Path, target: &TestDb, what: &str) {
    let error = import(archive, target).await.expect_err(what);
    assert!(matches!(error, Error::Damaged { .. } | Error::NotAnArchive { .. }), "{what}: {error}");
    let made = "select count(*)::text from pg_catalog.pg_namespace where nspname in ('shop', 'pgcleave_import')";
    assert_eq!(target.texts(made).await, ["0"], "{what}: something was loaded");
}

#[tokio::test]
async fn one_wrong_byte_anywhere_is_found_before_anything_is_loaded() {
    let db = TestDb::new().await;
    needs_pg_dump(&db).await;
    shop(&db).await;
    let room = Room::new();
    let archive = room.at("a");
    export(&db, "shop", &archive).await.expect("an export");
    let empty = TestDb::new().await;
    for file in files(&archive) {
        let whole = fs::read(&file).expect("readable");
        for at in [0, whole.len() / 2, whole.len().saturating_sub(1)] {
            let Some(byte) = whole.get(at) else { continue };
            let mut broken = whole.clone();
            broken[at] = byte ^ 0x20;
            fs::write(&file, &broken).expect("writable");
            assert_refused(&archive, &empty, &format!("byte {at} of {}", file.display())).await;
        }
        fs::write(&file, &whole[..whole.len().saturating_sub(1)]).expect("writable");
        if !whole.is_empty() {
            assert_refused(&archive, &empty, &format!("{} cut short", file.display())).await;
        }
        fs::remove_file(&file).expect("writable");
        assert_refused(&archive, &empty, &format!("{} missing", file.display())).await;
        fs::write(&file, &whole).expect("writable");
    }
    for more in ["extra", "data/9999_more_1.copy.zst", "export.partial"] {
        fs::write(archive.join(more), "x").expect("writable");
        assert_refused(&archive, &empty, more).await;
        fs::remove_file(archive.join(more)).expect("writable");
    }
    import(&archive, &empty).await.expect("the whole archive is still good");
}

#[tokio::test]
async fn names_that_lead_out_and_links_are_refused() {
    let db = TestDb::new().await;
    needs_pg_dump(&db).await;
    shop(&db).await;
    let room = Room::new();
    let archive = room.at("a");
    export(&db, "shop", &archive).await.expect("an export");
    let empty = TestDb::new().await;
    let sums = archive.join("SHA256SUMS");
    let good = fs::read_to_string(&sums).expect("readable");
    for name in ["../a/restore.sh", "/etc/passwd", "data/../restore.sh", "./restore.sh"] {
        fs::write(&sums, good.replace("restore.sh", name)).expect("writable");
        assert_refused(&archive, &empty, name).await;
    }
    fs::write(&sums, &good).expect("writable");
    let file = files(&archive.join("data")).remove(0);
    let elsewhere = room.at("elsewhere");
    fs::rename(&file, &elsewhere).expect("movable");
    std::os::unix::fs::symlink(&elsewhere, &file).expect("a link");
    assert_refused(&archive, &empty, "a link").await;
    fs::remove_file(&file).expect("writable");
    fs::rename(&elsewhere, &file).expect("movable");
    fs::rename(archive.join("data"), room.at("data")).expect("movable");
    std::os::unix::fs::symlink(room.at("data"), archive.join("data")).expect("a link");
    assert_refused(&archive, &empty, "a folder that is a link").await;
}

#[tokio::test]
async fn a_format_of_the_future_is_named() {
    let db = TestDb::new().await;
    let room = Room::new();
    let archive = room.at("a");
    fs::create_dir(&archive).expect("writable");
    let index = "{\"format\": \"pgcleave.archive/2\"}\n";
    fs::write(archive.join("archive.json"), index).expect("writable");
    let hash = {
        use sha2::Digest as _;
        sha2::Sha256::digest(index).iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    fs::write(archive.join("SHA256SUMS"), format!("{hash}  archive.json\n")).expect("writable");
    let error = import(&archive, &db).await.expect_err("an unknown format");
    assert_eq!(error.code(), "not-an-archive");
    assert!(error.to_string().contains("pgcleave.archive/2"), "{error}");
}
