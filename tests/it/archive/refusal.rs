//! What is refused, and what is said of it.

use pgcleave::archive::{Error, plain};
use pgcleave::error::Coded as _;
use pgcleave::pg::connect::Target;
use pgcleave::transfer::coupling::CouplingKind;

use super::{Room, export, import, needs_pg_dump, options, shop, target};
use crate::support::TestDb;

fn kinds(error: &Error) -> Vec<(CouplingKind, &str)> {
    match error {
        Error::Coupled { couplings, .. } => couplings.iter().map(|c| (c.kind, c.object.as_str())).collect(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_archive_is_never_overwritten() {
    let db = TestDb::new().await;
    needs_pg_dump(&db).await;
    shop(&db).await;
    let room = Room::new();
    std::fs::write(room.at("file"), "mine").expect("writable");
    let error = export(&db, "shop", &room.at("file")).await.expect_err("a file is there");
    assert_eq!(error.code(), "archive-exists");
    export(&db, "shop", &room.at("a")).await.expect("an export");
    let before = std::fs::read(room.at("a").join("SHA256SUMS")).expect("readable");
    let error = export(&db, "shop", &room.at("a")).await.expect_err("an archive is there");
    assert_eq!(error.code(), "archive-exists");
    assert_eq!(std::fs::read(room.at("a").join("SHA256SUMS")).expect("readable"), before);
    assert_eq!(room.names(), ["a", "file"]);
    // Nor what only has the name of an archive under way.
    std::fs::create_dir(room.at("b.partial")).expect("a folder");
    std::fs::write(room.at("b.partial").join("mine"), "mine").expect("writable");
    std::os::unix::fs::symlink(room.at("a"), room.at("c.partial")).expect("a link");
    for name in ["b", "c"] {
        let error = export(&db, "shop", &room.at(name)).await.expect_err("something is there");
        assert_eq!(error.code(), "archive-exists");
    }
    assert_eq!(std::fs::read(room.at("b.partial").join("mine")).expect("readable"), b"mine");
    assert_eq!(std::fs::read(room.at("a").join("SHA256SUMS")).expect("readable"), before);
    assert!(!room.at("a").join("export.partial").exists());
}

#[tokio::test]
async fn a_target_that_holds_the_schema_is_refused() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    shop(&source).await;
    let room = Room::new();
    export(&source, "shop", &room.at("a")).await.expect("an export");
    // An empty schema, as `apply` makes it, is no hindrance; anything in it is.
    copy.run("create schema shop; create type shop.mine as enum ('x')").await;
    let error = import(&room.at("a"), &copy).await.expect_err("something is there");
    assert_eq!(error.code(), "target-not-empty");
    assert!(error.to_string().contains("type shop.mine"), "{error}");
    copy.run("drop type shop.mine").await;
    import(&room.at("a"), &copy).await.expect("an import");
    let error = import(&room.at("a"), &copy).await.expect_err("it is there now");
    assert_eq!(error.code(), "target-not-empty");
}

#[tokio::test]
async fn what_reaches_over_the_edge_is_named_before_anything_is_written() {
    let db = TestDb::new().await;
    needs_pg_dump(&db).await;
    db.run(
        "create schema other; create schema shop;
         create table other.t (id int primary key); create domain other.d as int; create function other.f() returns int language sql as 'select 1';
         create table shop.fk (id int references other.t); create table shop.typed (d other.d);
         create table shop.defaulted (n int default other.f()); create view shop.reads as select * from other.t;
         create table shop.p (id int) partition by list (id); create table other.p1 partition of shop.p for values in (1);
         create table shop.blob (content oid); select lo_create(0);
         create extension file_fdw; create server files foreign data wrapper file_fdw;
         create foreign table shop.far (line text) server files options (filename '/dev/null');
         create view other.theirs as select * from shop.blob; create publication pub for table shop.blob;
         do $$ begin execute format('alter database %I set search_path = shop, other', current_database()); end $$",
    )
    .await;
    let role = format!("{}maker", db.prefix());
    db.run(&format!("create role {role} createdb bypassrls; alter schema shop owner to {role}")).await;
    // No server at hand has a provider loaded.
    db.run(
        "set allow_system_table_mods = on;
         insert into pg_catalog.pg_seclabel values ('shop.blob'::regclass, 'pg_class'::regclass, 0, 'guard', 'secret')",
    )
    .await;
    let room = Room::new();
    let error = export(&db, "shop", &room.at("a")).await.expect_err("it cannot leave");
    let found = kinds(&error);
    use CouplingKind::*;
    for expected in [
        (ForeignKey, "constraint fk_id_fkey on table shop.fk"),
        (Needs, "table shop.typed"),
        (Needs, "default value for column n of table shop.defaulted"),
        (PartitionElsewhere, "table shop.p"),
        (LargeObjects, "blob.content"),
        (ForeignTable, "foreign table shop.far"),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not in {found:#?}");
    }
    assert!(found.iter().any(|(kind, object)| *kind == Needs && object.contains("shop.reads")), "{found:#?}");
    assert!(found.iter().all(|(kind, _)| kind.blocks()), "{found:#?}");
    assert!(room.names().is_empty());
    let mut accepting = options(&db, "shop").await;
    accepting.allow = found.iter().map(|(kind, _)| *kind).collect();
    let exported =
        export::export(&target(&db), &room.at("a").into(), &accepting, &|_| {}).await.expect("all is allowed");
    let listed: Vec<_> = exported.archive.couplings.iter().map(|c| c.kind).collect();
    for kind in [Publication, NeededBy, Setting, SecurityLabel, RoleAttribute] {
        assert!(listed.contains(&kind), "{kind:?} is not in {listed:?}");
    }
    // Rows alone lack nothing for a foreign key, only what is elsewhere.
    let (from, to) = (target(&db), room.at("csv").into());
    let plain = plain::export(&from, &to, plain::Kind::Csv, &options(&db, "shop").await, &|_| {}).await;
    let error = plain.expect_err("rows are elsewhere");
    let found: Vec<_> = kinds(&error).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(found, [ForeignTable, LargeObjects, PartitionElsewhere]);
}

#[tokio::test]
async fn rows_that_the_exporting_role_cannot_see_are_an_error_even_when_allowed() {
    let db = TestDb::new().await;
    needs_pg_dump(&db).await;
    let role = format!("{}reader", db.prefix());
    db.run(&format!(
        "create role {role} login password 'x'; create schema shop; grant usage on schema shop to {role};
         create table shop.secret (id int); alter table shop.secret enable row level security;
         create policy p on shop.secret using (id > 1); insert into shop.secret values (1), (2);
         grant select on shop.secret to {role}; create table shop.closed (id int)"
    ))
    .await;
    let reader = Target::parse(&db.url_as(&role, "x").into()).expect("a connection string");
    let room = Room::new();
    let mut all = options(&db, "shop").await;
    all.allow = vec![CouplingKind::RowLevelSecurity, CouplingKind::Inaccessible];
    let error = export::export(&reader, &room.at("a").into(), &all, &|_| {}).await.expect_err("rows are hidden");
    assert_eq!(error.code(), "needs-owner", "{error}");
    db.run(&format!("grant select on shop.closed to {role}")).await;
    let error = export::export(&reader, &room.at("a").into(), &all, &|_| {}).await.expect_err("rows are hidden");
    assert_eq!(error.code(), "needs-owner", "{error}");
    assert!(room.names().is_empty());
}

#[tokio::test]
async fn a_table_that_stays_locked_is_not_waited_for_without_end() {
    let db = TestDb::new().await;
    needs_pg_dump(&db).await;
    shop(&db).await;
    let mut other = db.connect().await;
    let lock = "begin; lock table shop.orders in access exclusive mode";
    sqlx::raw_sql(lock).execute(&mut other).await.expect("a lock");
    let room = Room::new();
    let mut impatient = options(&db, "shop").await;
    impatient.lock_seconds = 1;
    let error =
        export::export(&target(&db), &room.at("a").into(), &impatient, &|_| {}).await.expect_err("it is locked");
    assert_eq!(error.code(), "table-locked");
    assert!(room.names().is_empty());
}

#[tokio::test]
async fn a_missing_schema_is_named() {
    let db = TestDb::new().await;
    let error = export(&db, "nowhere", &Room::new().at("a")).await.expect_err("there is none");
    assert_eq!(error.code(), "no-schema");
}
