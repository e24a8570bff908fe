//! Rows whose checks read other tables: they are loaded once those are full.

use super::{Room, assert_equal, export, import, needs_pg_dump, restore_with};
use crate::support::TestDb;

/// Three tables, each larger than the next: a check of each reads the next one, without naming its schema.
async fn chain(source: &TestDb) {
    source
        .run(&format!(
            "create role {p}o; create schema depot authorization {p}o; set role {p}o; set search_path = depot;
             create table size (id int primary key); insert into size values (1);
             create function sized(int) returns bool language sql stable as 'select exists (select from size where id = $1)';
             create table kind (id int primary key, size int check (sized(size)));
             insert into kind select g, 1 from generate_series(1, 50) g;
             create function known(int) returns bool language plpgsql stable as $$ begin
               if not exists (select from kind where id = $1) then raise exception 'no kind %', $1; end if; return true; end $$;
             create table thing (id int primary key, kind int check (known(kind)), name text);
             insert into thing select g, g % 50 + 1, repeat('x', 100) from generate_series(1, 500) g",
            p = source.prefix()
        ))
        .await;
}

#[tokio::test]
async fn rows_whose_checks_read_other_tables_follow_those() {
    let (source, copy, restored) = (TestDb::new().await, TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    chain(&source).await;
    let room = Room::new();
    let archive = room.at("a");
    export(&source, "depot", &archive).await.expect("an export");
    import(&archive, &copy).await.expect("an import");
    assert_equal(&archive, &source, &copy, "depot").await;
    let script = restore_with(&archive, &restored.url(), &restored.url(), &["--trust-archive"]);
    assert!(script.status.success(), "{}", String::from_utf8_lossy(&script.stderr));
    assert_equal(&archive, &source, &restored, "depot").await;
}

#[tokio::test]
async fn rows_that_stay_refused_are_named() {
    let (source, copy, restored) = (TestDb::new().await, TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    chain(&source).await;
    source.run("delete from depot.size").await;
    let room = Room::new();
    let archive = room.at("a");
    export(&source, "depot", &archive).await.expect("an export");
    let refused = import(&archive, &copy).await.expect_err("no size is left").to_string();
    // Rows of kind have no size, and so rows of thing have no kind: either is named.
    let named = ["load depot.kind: ", "load depot.thing: no kind "];
    assert!(named.iter().any(|text| refused.contains(text)), "{refused}");
    let script = restore_with(&archive, &restored.url(), &restored.url(), &["--trust-archive"]);
    assert!(!script.status.success());
    assert!(String::from_utf8_lossy(&script.stderr).contains("these rows are refused"));
}
