//! Out of this run's server, into the newest one at hand.

use std::path::Path;
use std::process::Command;

use pgcleave::archive::verify::Place;
use pgcleave::archive::{Error, import};
use pgcleave::interrupt::Interrupt;
use pgcleave::pg::connect::Target;
use pgcleave::transfer::coupling::CouplingKind;

use super::round_trip::museum;
use super::{Room, compare, database, export, importing, needs_pg_dump, options, restore_with, target};
use crate::support::{Dedicated, Project, TestDb};

/// The example shop's services, each after those that it consumes from.
const SERVICES: [&str; 7] = ["users", "catalog", "orders", "billing", "shipping", "support", "recommendations"];

async fn import_into(to: &Target, archive: &Path) -> Result<import::Imported, Error> {
    let options = importing(Interrupt::default());
    import::import(&archive.into(), to, &options, &|_| {}).await
}

async fn assert_same(a: Place, to: &Target, schema: &str) {
    let verified = compare(a, Place::Database(to.clone()), schema).await;
    assert!(verified.equal, "{}", pgcleave::report::verify::human(&verified));
}

#[tokio::test]
async fn one_of_everything_comes_back_on_the_newest_server() {
    let source = TestDb::new().await;
    needs_pg_dump(&source).await;
    museum(&source).await;
    let room = Room::new();
    let archive = room.at("museum");
    export(&source, "museum", &archive).await.expect("an export");
    let newest = Dedicated::newest().await;
    let to = Target::parse(&newest.url("postgres").into()).expect("a connection string");
    import_into(&to, &archive).await.expect("an import");
    assert_same(database(&source), &to, "museum").await;
    assert_same(Place::Archive(archive.clone().into()), &to, "museum").await;

    let url = newest.url("template1");
    let script = restore_with(&archive, &url, &url, &["--trust-archive"]);
    assert!(script.status.success(), "{}", String::from_utf8_lossy(&script.stderr));
    let restored = Target::parse(&url.into()).expect("a connection string");
    assert_same(Place::Archive(archive.into()), &restored, "museum").await;
}

#[tokio::test]
async fn the_example_shop_moves_service_by_service() {
    let source = TestDb::new().await;
    needs_pg_dump(&source).await;
    let project = Project::new(&source);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["manifests", "migrations"] {
        let copied =
            Command::new("cp").arg("-r").arg(root.join(folder)).arg(project.path()).status().expect("cp starts");
        assert!(copied.success());
    }
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);

    let newest = Dedicated::newest().await;
    let to = Target::parse(&newest.url("postgres").into()).expect("a connection string");
    let room = Room::new();
    for service in SERVICES {
        let archive = room.at(service);
        // What it needs of the services before it is there by then.
        let mut accepting = options(&source, service).await;
        accepting.allow = vec![CouplingKind::Needs];
        accepting.verifiers = true;
        pgcleave::archive::export::export(&target(&source), &archive.clone().into(), &accepting, &|_| {})
            .await
            .expect("an export");
        import_into(&to, &archive).await.unwrap_or_else(|error| panic!("{service}: {error}"));
        assert_same(database(&source), &to, service).await;
        assert_same(Place::Archive(archive.into()), &to, service).await;
    }
}
