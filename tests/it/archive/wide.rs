//! Rows that are too wide to be gathered in one message.

use std::process::Child;
use std::time::Duration;

use pgcleave::interrupt::Interrupt;
use pgcleave::pg::session::SessionKind;
use pgcleave::transfer::chunk::Chunk;
use pgcleave::transfer::control::Control;
use pgcleave::transfer::copy::{CopyOut, RowSum};
use pgcleave::transfer::readers::Readers;
use pgcleave::transfer::rows;
use pgcleave::transfer::snapshot::Snapshot;
use pgcleave::transfer::table::Form;

use super::{Room, assert_equal, export, ident, import, needs_pg_dump, pgcleave, target};
use crate::support::{TestDb, answer};

/// The wide row's text, in bytes.
const WIDE_BYTES: u64 = 60_000_000;

/// What a command may take beside the widest row, in bytes.
const ROOM_BYTES: u64 = 64 << 20;

/// Hashes a table's rows in a form, as one plain COPY gives them, and as they are poured.
async fn both_ways(db: &TestDb, schema: &str, table: &str, form: Form) -> [RowSum; 2] {
    let mut readers = Readers::open(&target(db), &ident(schema), 1).await.expect("readers");
    let snapshot = Snapshot::take(&target(db), &mut readers, 10).await.expect("a snapshot");
    let at = snapshot.tables.iter().position(|t| t.name.name.as_str() == table).expect("the table");
    let whole = Chunk { table: at, number: 0, pages: None, bytes: 0 };
    let mut connection = target(db).connect(SessionKind::Administrator, "test").await.expect("a session");
    let statement = whole.copy_out(&snapshot.tables, form);
    let mut copy = CopyOut::start(&mut connection, "copy", &statement).await.expect("a copy");
    while !copy.next().await.expect("rows").is_empty() {}
    let plain = copy.sum;
    drop(copy);
    let control = Control::new(Interrupt::default(), None);
    let poured = rows::pour(&mut connection, &snapshot.tables, &whole, form, &control, &mut ()).await.expect("rows");
    [plain, poured.expect("it is not binary").sum]
}

#[tokio::test]
async fn a_wide_row_of_any_kind_is_written_as_copy_writes_it() {
    let (db, restored) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&db).await;
    db.run(
        r#"create schema odd; create type odd.pair as (a int, b text); create domain odd.long as text;
           create view odd.noise as select string_agg(md5(g::text), '') as noise from generate_series(1, 150000) g;
           create table odd.wide (id int primary key, t text, v varchar, c char(10), b bytea, j jsonb, a int[], d odd.long,
             p odd.pair, x xml, ok bool, e text, made int generated always as (id * 2) stored);
           insert into odd.wide (id, t) select g, 'narrow' from generate_series(1, 3000) g;
           insert into odd.wide (id, t, c, ok, e) values
             (4001, repeat(E'\\b\tc\nd\re\bf\x0bg\x0chü€😀', 300000), 'ab', true, '');
           insert into odd.wide (id, b, p) values (4002, decode(repeat('00ff5c0a', 1000000), 'hex'), (null, null)::odd.pair);
           insert into odd.wide (id, j, v) select 4003, jsonb_build_object('k', noise || E'x"\\', 'n', 1.00), 'v' from odd.noise;
           insert into odd.wide (id, a) select 4004, array_agg(g) from generate_series(1, 1000000) g;
           insert into odd.wide (id, d, c) select 4005, noise || repeat('ß', 1000000), '' from odd.noise;
           insert into odd.wide (id, t, v) values (4006, repeat('t', 2500000), repeat('v', 2500000));
           insert into odd.wide (id, p) select 4007, row(1, noise || 'y,"')::odd.pair from odd.noise;
           insert into odd.wide (id, x) select 4008, ('<a>' || noise || '</a>')::xml from odd.noise;
           insert into odd.wide (id, t) select g, 'narrow' from generate_series(5001, 8000) g;
           create table odd."wide ""too" (t text); insert into odd."wide ""too" values (repeat('x', 5000000))"#,
    )
    .await;
    let room = Room::new();
    let archive = room.at("odd");
    export(&db, "odd", &archive).await.expect("an archive");
    let index = std::fs::read_to_string(archive.join("archive.json")).expect("it is there");
    let index: serde_json::Value = serde_json::from_str(&index).expect("JSON");
    let tables = index["tables"].as_array().expect("a list");
    for (table, rows) in [("wide", 6008), ("wide \"too", 1)] {
        for form in [Form::Csv, Form::Jsonl] {
            let [plain, poured] = both_ways(&db, "odd", table, form).await;
            assert_eq!(plain, poured, "{form:?} of {table}");
        }
        let [sum, poured] = both_ways(&db, "odd", table, Form::Text).await;
        assert_eq!((sum, sum.rows), (poured, rows));
        let written = tables.iter().find(|t| t["name"]["name"] == table).expect("the table is listed");
        assert_eq!((written["rows"].as_u64(), written["row_sum"].as_str()), (Some(rows), Some(sum.hex().as_str())));
    }
    import(&archive, &restored).await.expect("it comes back");
    assert_equal(&archive, &db, &restored, "odd").await;
}

/// Waits for a command to end, and gives its exit code and the most memory that it had, in bytes.
fn peak(mut child: Child) -> (i32, u64) {
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().expect("it can be asked").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        most = kibibytes.map_or(most, |kibibytes| most.max(kibibytes << 10));
        std::thread::sleep(Duration::from_millis(2));
    }
    (answer(child.wait_with_output().expect("it has ended")).code, most)
}

#[tokio::test]
async fn no_command_takes_much_more_room_than_the_widest_row() {
    let (db, restored) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&db).await;
    db.run(&format!(
        "create schema heavy; create table heavy.files (id int primary key, body text);
         alter table heavy.files alter body set storage external;
         insert into heavy.files select 1, repeat('0123456789', {WIDE_BYTES} / 10)"
    ))
    .await;
    let room = Room::new();
    let [archive, rows] = ["heavy", "rows"].map(|name| room.at(name).display().to_string());
    let commands = [
        (&db, vec!["export", "heavy", "--to", &archive], 0),
        (&db, vec!["export", "heavy", "--to", &rows, "--as", "jsonl"], 0),
        (&restored, vec!["import", &archive, "--allow", "superuser-objects"], 0),
        (&restored, vec!["verify", &archive, "-"], 0),
        (&restored, vec!["verify", &archive, "-"], 4),
    ];
    for (db, arguments, code) in commands {
        if code == 4 {
            restored.run("update heavy.files set body = body || 'x'").await;
        }
        let child = pgcleave(db, &arguments).await;
        let (ended, peak) = tokio::task::spawn_blocking(move || peak(child)).await.expect("it is waited for");
        assert_eq!(ended, code, "{arguments:?}");
        assert!(peak > 1 << 20, "nothing was measured");
        assert!(peak < WIDE_BYTES + ROOM_BYTES, "{arguments:?} took {peak} bytes");
    }
}
