//! What comes back is what went out.

use std::process::Command;

use super::{Room, assert_equal, export, import, needs_pg_dump, options, pg_dump, restore_with, shop, target};
use crate::support::TestDb;

pub(super) async fn museum(db: &TestDb) {
    let newer = if db.major() >= 18 { include_str!("annex_18.sql") } else { "" };
    for script in [include_str!("museum.sql"), include_str!("annex.sql"), newer] {
        db.run(&script.replace("{p}", db.prefix())).await;
    }
}

/// How many tables and rows there are in it.
pub(super) fn in_the_museum(db: &TestDb) -> (usize, u64) {
    if db.major() >= 18 { (36, 965) } else { (28, 955) }
}

/// Gives what pg_dump says of a schema, without what differs from run to run.
fn dump(db: &TestDb, program: &std::path::Path) -> String {
    let output = Command::new(program)
        .args(["--schema=museum", "--dbname", &db.url()])
        // The original's database has settings that pg_dump does not pin.
        .env("PGOPTIONS", "-c timezone=UTC -c bytea_output=hex")
        .output()
        .expect("pg_dump starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().filter(|l| !l.contains("restrict ") && !l.contains("pg_attver")).flat_map(|l| [l, "\n"]).collect()
}

#[tokio::test]
async fn one_of_everything_comes_back_through_import_and_through_psql() {
    let (source, imported, restored) = (TestDb::new().await, TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    museum(&source).await;
    let room = Room::new();
    let archive = room.at("museum");
    let exported = export(&source, "museum", &archive).await.expect("an export");
    let rows: u64 = exported.archive.tables.iter().map(|t| t.rows).sum();
    assert_eq!((exported.archive.tables.len(), rows), in_the_museum(&source));

    import(&archive, &imported).await.expect("an import");
    assert_equal(&archive, &source, &imported, "museum").await;

    // Whatever the target's settings are.
    restored
        .run(
            "do $$ begin execute format('alter database %I set datestyle = German', current_database());
               execute format('alter database %I set xmloption = document', current_database());
               execute format('alter database %I set search_path = museum', current_database()); end $$",
        )
        .await;
    // Some of it belongs to the superuser.
    let script = restore_with(&archive, &restored.url(), &restored.url(), &["--trust-archive"]);
    assert!(script.status.success(), "{}", String::from_utf8_lossy(&script.stderr));
    assert_equal(&archive, &source, &restored, "museum").await;

    let program = pg_dump(&source).await.expect("it was found before").path;
    let original = dump(&source, &program);
    for copy in [&imported, &restored] {
        assert!(dump(copy, &program) == original, "pg_dump tells the copy from the original");
    }
    let views = "select n::text || b::text from museum.a_second, (select count(*) as b from museum.z_first) x";
    for copy in [&imported, &restored] {
        assert_eq!(copy.texts(views).await, source.texts(views).await);
        let left = "select nspname::text from pg_catalog.pg_namespace where nspname like 'pgcleave%'";
        assert!(copy.texts(left).await.is_empty(), "the journal is gone");
    }
}

#[tokio::test]
async fn a_table_cut_into_pieces_comes_back_whole() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    // Three pieces of 32 MiB, wide rows that are not compressed, and rows that have moved.
    source
        .run(
            "create schema shop; create table shop.big (id int, filler text);
             alter table shop.big alter filler set storage plain;
             insert into shop.big select g, repeat(md5(g::text), 120) from generate_series(1, 26000) g;
             update shop.big set id = -id where id % 7 = 0; delete from shop.big where id % 11 = 0",
        )
        .await;
    let room = Room::new();
    let exported = export(&source, "shop", &room.at("a")).await.expect("an export");
    let pieces = exported.archive.files.iter().filter(|f| f.table.is_some()).count();
    assert!(pieces > 1, "{pieces} piece");
    import(&room.at("a"), &copy).await.expect("an import");
    assert_equal(&room.at("a"), &source, &copy, "shop").await;
}

#[tokio::test]
async fn rows_written_meanwhile_are_in_it_all_together_or_not_at_all() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    source
        .run("create schema shop; create table shop.a (id int primary key, n int); create table shop.b (like shop.a including all);
              insert into shop.a select g, 100 from generate_series(1, 2000) g; insert into shop.b select * from shop.a")
        .await;
    let mut writer = source.connect().await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let mut written = 0;
        while stopped.try_recv().is_err() {
            let sql = "with x as (update shop.a set n = n - 1 where id = 1 + (random() * 1999)::int returning id)
                       update shop.b set n = n + 1 where id in (select id from x)";
            written += sqlx::query(sql).execute(&mut writer).await.expect("a writer is not kept").rows_affected();
        }
        written
    });
    let room = Room::new();
    export(&source, "shop", &room.at("a")).await.expect("an export");
    stop.send(()).expect("the writer still runs");
    assert!(writing.await.expect("the writer ends") > 0);
    import(&room.at("a"), &copy).await.expect("an import");
    let sum = "select (a.n + b.n)::text from (select sum(n) as n from shop.a) a, (select sum(n) as n from shop.b) b";
    assert_eq!(copy.texts(sum).await, ["400000"]);
}

#[tokio::test]
async fn verifiers_settings_and_memberships_travel_when_asked_for() {
    let source = TestDb::new().await;
    needs_pg_dump(&source).await;
    shop(&source).await;
    let p = source.prefix();
    source
        .run(&format!(
            "create role {p}shop_app login password 'secret'; grant {p}shop_owner to {p}shop_app;
             alter role {p}shop_app set search_path = shop, \"a b\""
        ))
        .await;
    let room = Room::new();
    let mut with = options(&source, "shop").await;
    with.verifiers = true;
    let silent = |_| {};
    pgcleave::archive::export::export(&target(&source), &room.at("with").into(), &with, &silent)
        .await
        .expect("an export");
    export(&source, "shop", &room.at("without")).await.expect("an export");
    let read = |folder: &str, file: &str| std::fs::read_to_string(room.at(folder).join(file)).expect("a file");
    assert!(read("with", "00_roles.sql").contains("SCRAM-SHA-256$"));
    assert!(!read("without", "00_roles.sql").contains("SCRAM"));
    let grants = read("with", "50_grants.sql");
    assert!(grants.contains(&format!("grant \"{p}shop_owner\" to \"{p}shop_app\"")), "{grants}");
    assert!(grants.contains(&format!("alter role \"{p}shop_app\" set \"search_path\" = 'shop', 'a b'")), "{grants}");
    // What they say is SQL: everything is dropped, and comes back.
    let before =
        source.texts(&format!("select rolpassword from pg_catalog.pg_authid where rolname = '{p}shop_app'")).await;
    source.run(&format!("drop schema shop cascade; drop role {p}shop_app, {p}shop_owner")).await;
    import(&room.at("with"), &source).await.expect("an import");
    let after =
        source.texts(&format!("select rolpassword from pg_catalog.pg_authid where rolname = '{p}shop_app'")).await;
    assert_eq!(before, after);
    assert!(source.connect_as(&format!("{p}shop_app"), "secret").await.is_ok());
}

#[tokio::test]
async fn plain_rows_tell_null_from_empty_and_are_one_value_a_line() {
    use pgcleave::archive::plain::{self, Kind};
    let source = TestDb::new().await;
    source
        .run(
            "create schema shop; create table shop.\"t/1\" (id int, t text, j json);
              insert into shop.\"t/1\" values (1, '', e'{\"a\":\\n 1}'), (2, null, null), (3, e'q\"\\n,\\\\', '[]')",
        )
        .await;
    let room = Room::new();
    for kind in [Kind::Csv, Kind::Jsonl] {
        let to = room.at(if kind == Kind::Csv { "csv" } else { "jsonl" });
        let written =
            plain::export(&target(&source), &to.clone().into(), kind, &options(&source, "shop").await, &|_| {})
                .await
                .expect("an export");
        assert_eq!(written.files[0].rows, 3);
    }
    let read = |file: &str| std::fs::read_to_string(room.at(file)).expect("a file");
    assert_eq!(
        read("csv/t%2F1.csv"),
        "id,t,j\n\"1\",\"\",\"{\"\"a\"\":\n 1}\"\n\"2\",,\n\"3\",\"q\"\"\n,\\\",\"[]\"\n"
    );
    let lines: Vec<serde_json::Value> =
        read("jsonl/t%2F1.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        lines,
        [
            serde_json::json!({"id": 1, "t": "", "j": {"a": 1}}),
            serde_json::json!({"id": 2, "t": null, "j": null}),
            serde_json::json!({"id": 3, "t": "q\"\n,\\", "j": []}),
        ]
    );
}
