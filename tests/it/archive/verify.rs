//! Differences are found, and named.

use pgcleave::archive::verify::{Place, What};

use super::{Room, compare, database, export, import, needs_pg_dump, shop_of};
use crate::support::TestDb;

#[tokio::test]
async fn the_rows_that_differ_are_named_by_their_key() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    shop_of(&source, 60_000).await;
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

#[tokio::test]
async fn what_is_easily_overlooked_is_a_difference() {
    let (a, b) = (TestDb::new().await, TestDb::new().await);
    let owner = format!("{}owner", a.prefix());
    a.run(&format!("create role {owner}")).await;
    for db in [&a, &b] {
        db.run(&format!(
            "create schema shop authorization {owner}; set role {owner}; create table shop.t (id int primary key); create sequence shop.s;
             create function shop.f(int) returns int language sql as 'select $1'; create domain shop.d as int; create table shop.log (id int)"
        ))
        .await;
    }
    b.run(&format!(
        "select setval('shop.s', 50, false); comment on domain shop.d is 'x'; comment on constraint t_pkey on shop.t is 'x';
         revoke delete on shop.log from {owner}; revoke all on function shop.f from {owner};
         alter default privileges for role {owner} in schema shop grant select on tables to public"
    ))
    .await;
    let verified = compare(database(&a), database(&b), "shop").await;
    let objects: Vec<_> = verified.definitions.iter().map(|d| d.object.replace(&owner, "owner")).collect();
    let expected = [
        "comment constraint t_pkey on table shop.t",
        "comment type shop.d",
        "grant default r of owner",
        "grant relation log",
        "grant routine f(integer)",
        "position s",
    ];
    assert_eq!(objects, expected);
}

#[tokio::test]
async fn rows_without_a_key_are_named_by_their_beginnings() {
    let (a, b) = (TestDb::new().await, TestDb::new().await);
    for (db, end) in [(&a, "x"), (&b, "y")] {
        db.run(&format!(
            "create schema shop; create table shop.t (t text); insert into shop.t values (repeat('ä', 5000) || '{end}');
             insert into shop.t select repeat('ä', 5000) || g from generate_series(1, 9) g"
        ))
        .await;
    }
    let verified = compare(database(&a), database(&b), "shop").await;
    let found = &verified.tables[0].first_differences;
    let shown = "ä".repeat(200) + "…";
    assert!(found.iter().all(|d| d.key == shown), "{found:?}");
    let whats: Vec<_> = found.iter().map(|d| d.what).collect();
    assert!(
        whats.len() == 2 && whats.contains(&What::MissingInFirst) && whats.contains(&What::MissingInSecond),
        "{whats:?}"
    );
}
