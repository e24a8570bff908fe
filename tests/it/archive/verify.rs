//! Differences are found, and named.

use pgcleave::archive::verify::{Place, What};

use super::{Room, can_export, compare, database, export, import, shop};
use crate::support::TestDb;

#[tokio::test]
async fn the_rows_that_differ_are_named_by_their_key() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    if !can_export(&source).await {
        return;
    }
    shop(&source).await;
    let room = Room::new();
    export(&source, "shop", &room.at("a")).await.expect("an export");
    import(&room.at("a"), &copy).await.expect("an import");
    copy.run(
        "update shop.orders set note = 'changed' where id = 17; delete from shop.orders where id = 4711;
         insert into shop.orders values (99999, 1, null)",
    )
    .await;
    for first in [database(&source), Place::Archive(room.at("a").into())] {
        let verified = compare(first, database(&copy), "shop").await;
        assert!(!verified.equal);
        assert!(verified.definitions.is_empty(), "{:?}", verified.definitions);
        let (customers, orders) = (&verified.tables[0], &verified.tables[1]);
        assert!(customers.equal && customers.first_differences.is_empty());
        assert_eq!((orders.rows, orders.other_rows, orders.equal), (60_000, 60_000, false));
        assert_eq!(orders.chunks.map(|c| (c.differ, c.of)), Some((2, 14)));
        let mut found: Vec<_> = orders.first_differences.iter().map(|d| (d.key.as_str(), d.what)).collect();
        found.sort_by_key(|(key, _)| key.len());
        let expected =
            [("id=17", What::Differs), ("id=4711", What::MissingInSecond), ("id=99999", What::MissingInFirst)];
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn equal_numbers_that_are_written_differently_are_not_the_same() {
    let (a, b) = (TestDb::new().await, TestDb::new().await);
    for (db, n, f, c) in [(&a, "1.0", "0", "'x'"), (&b, "1.00", "-0", "'x '")] {
        db.run(&format!(
            "create schema shop; create table shop.n (n numeric); create table shop.f (f float8); create table shop.c (c bpchar);
             insert into shop.n values ({n}); insert into shop.f values ('{f}'); insert into shop.c values ({c})"
        ))
        .await;
    }
    let verified = compare(database(&a), database(&b), "shop").await;
    let differ: Vec<_> = verified.tables.iter().map(|t| (t.table.as_str(), t.equal)).collect();
    assert_eq!(differ, [("shop.c", false), ("shop.f", false), ("shop.n", false)]);
}

#[tokio::test]
async fn enums_with_other_oids_are_the_same() {
    let (a, b) = (TestDb::new().await, TestDb::new().await);
    b.run("create type public.before as enum ('shifts', 'the', 'oids')").await;
    for db in [&a, &b] {
        db.run(
            "create schema shop; create type shop.e as enum ('x', 'y'); create table shop.t (e shop.e, es shop.e[]);
                insert into shop.t values ('x', '{y,x}')",
        )
        .await;
    }
    assert!(compare(database(&a), database(&b), "shop").await.equal);
}

#[tokio::test]
async fn definitions_positions_and_grants_are_compared_too() {
    let (a, b) = (TestDb::new().await, TestDb::new().await);
    let role = format!("{}guest", a.prefix());
    a.run(&format!("create role {role}")).await;
    for db in [&a, &b] {
        db.run("create schema shop; create table shop.t (id int primary key); create sequence shop.s").await;
    }
    b.run(&format!(
        "grant select on shop.t to {role}; select nextval('shop.s'); create index extra on shop.t (id); create table shop.more ()"
    ))
    .await;
    let verified = compare(database(&a), database(&b), "shop").await;
    let objects: Vec<_> = verified.definitions.iter().map(|d| d.object.as_str()).collect();
    assert_eq!(objects, ["grant relation t", "index extra", "position s", "table more"]);
    assert_eq!(verified.tables.iter().map(|t| t.equal).collect::<Vec<_>>(), [false, true]);
}
