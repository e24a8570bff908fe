//! Archives in object storage.

use std::process::Command;
use std::time::Duration;

use pgcleave::archive::location::Location;
use pgcleave::archive::verify::Place;
use pgcleave::archive::{export, import};
use pgcleave::error::Coded as _;
use pgcleave::interrupt::Interrupt;

use super::round_trip::museum;
use super::{compare, database, needs_pg_dump, options, pgcleave_with, shop, target};
use crate::support::{Storage, TestDb};

fn location(storage: &Storage, prefix: &str) -> Location {
    Location::parse(&storage.at(prefix), storage.settings()).expect("an address")
}

fn importing() -> import::Options {
    super::importing(Interrupt::default())
}

#[tokio::test]
async fn one_of_everything_comes_back_from_object_storage() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    museum(&source).await;
    // More than one part, and hardly to be compressed.
    source
        .run(
            "create table museum.wide as select g as id, string_agg(md5((g * 1000 + i)::text), '') as noise
             from generate_series(1, 500) g, generate_series(1, 1100) i group by g",
        )
        .await;
    let storage = Storage::start().await;
    let place = location(&storage, "exports/museum");
    let options = options(&source, "museum").await;
    export::export(&target(&source), &place, &options, &|_| {}).await.expect("an export");
    let names = storage.names("exports/museum");
    assert!(names.contains(&"archive.json".to_owned()) && !names.contains(&"export.partial".to_owned()), "{names:?}");

    let error = export::export(&target(&source), &place, &options, &|_| {}).await.expect_err("it is there");
    assert_eq!(error.code(), "archive-exists");
    import::import(&place, &target(&copy), &importing(), &|_| {}).await.expect("an import");
    for side in [database(&source), Place::Archive(place)] {
        let verified = compare(side, database(&copy), "museum").await;
        assert!(verified.equal, "{}", pgcleave::report::verify::human(&verified));
    }
}

#[tokio::test]
async fn an_object_that_is_not_what_was_written_is_found_before_anything_is_loaded() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    shop(&source).await;
    let storage = Storage::start().await;
    let place = location(&storage, "shop");
    export::export(&target(&source), &place, &options(&source, "shop").await, &|_| {}).await.expect("an export");
    for name in storage.names("shop") {
        let file = storage.file(&format!("shop/{name}"));
        let whole = std::fs::read(&file).expect("readable");
        let Some(last) = whole.len().checked_sub(1) else { continue };
        let mut broken = whole.clone();
        broken[last] ^= 0x20;
        for content in [Some(broken), None] {
            match &content {
                Some(content) => std::fs::write(&file, content).expect("writable"),
                None => std::fs::remove_file(&file).expect("writable"),
            }
            let refused = import::import(&place, &target(&copy), &importing(), &|_| {}).await;
            let error = refused.expect_err(&name);
            assert!(["archive-damaged", "not-an-archive"].contains(&error.code()), "{name}: {error}");
        }
        std::fs::write(&file, &whole).expect("writable");
    }
    let made = "select count(*)::text from pg_catalog.pg_namespace where nspname in ('shop', 'pgcleave_import')";
    assert_eq!(copy.texts(made).await, ["0"]);
}

#[tokio::test]
async fn an_export_that_was_cut_off_never_looks_whole_and_does_not_hinder_the_next() {
    let source = TestDb::new().await;
    needs_pg_dump(&source).await;
    shop(&source).await;
    let storage = Storage::start().await;
    let place = location(&storage, "shop");
    let arguments = ["export", "shop", "--to", &storage.at("shop"), "--max-rate", "50K"];

    let mut child = pgcleave_with(&source, &arguments, storage.settings()).await;
    while storage.names("shop").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    child.kill().expect("a child");
    child.wait().expect("a child");
    assert_eq!(storage.names("shop"), ["export.partial"]);
    let error = import::import(&place, &target(&TestDb::new().await), &importing(), &|_| {}).await;
    assert_eq!(error.expect_err("it is not whole").code(), "not-an-archive");

    let mut child = pgcleave_with(&source, &arguments, storage.settings()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill starts");
    let status = tokio::task::spawn_blocking(move || child.wait()).await.expect("it ends").expect("a child");
    assert_eq!(status.code(), Some(130));
    assert!(storage.names("shop").is_empty(), "{:?}", storage.names("shop"));

    export::export(&target(&source), &place, &options(&source, "shop").await, &|_| {}).await.expect("an export");
    import::import(&place, &target(&TestDb::new().await), &importing(), &|_| {}).await.expect("it is whole");
}

#[tokio::test]
async fn objects_of_somebody_else_are_never_touched() {
    let source = TestDb::new().await;
    needs_pg_dump(&source).await;
    shop(&source).await;
    let storage = Storage::start().await;
    std::fs::create_dir(storage.file("mine")).expect("writable");
    std::fs::write(storage.file("mine/letter"), "dear").expect("writable");
    let place = location(&storage, "mine");
    let refused = export::export(&target(&source), &place, &options(&source, "shop").await, &|_| {}).await;
    assert_eq!(refused.expect_err("something is there").code(), "archive-exists");
    assert_eq!(storage.names("mine"), ["letter"]);
    let error = Location::parse("s3://bucket", storage.settings()).expect_err("a whole bucket");
    assert_eq!(error.code(), "bad-location");
}
