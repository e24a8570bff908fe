//! An archive's text becomes binary on its way into a database.

use futures_util::TryStreamExt as _;
use pgcleave::pg::session::SessionKind;
use pgcleave::transfer::encode::Encoder;
use pgcleave::transfer::wires;
use sqlx::postgres::PgConnection;

use super::{compare, database, export, ident, import, needs_pg_dump, target};
use crate::support::TestDb;

/// Values of every type whose binary form we know, the odd ones first; more is made from a series of numbers.
const VALUES: [(&str, &[&str]); 19] = [
    ("bool", &["true", "false"]),
    ("int2", &["-32768", "32767", "0"]),
    ("int4", &["-2147483648", "2147483647", "0"]),
    ("int8", &["-9223372036854775808", "9223372036854775807", "0"]),
    ("float4", &["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "1e-45", "3.4028235e38", "0.1", "16777216", "1e10"]),
    (
        "float8",
        &[
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "'-0'",
            "5e-324",
            "1.7976931348623157e308",
            "0.1",
            "1e22",
            "123456.789e-30",
        ],
    ),
    (
        "numeric",
        &[
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "0",
            "0.00",
            "-0.0001",
            "1.0",
            "1.00",
            "10000",
            "99990000",
            "100000000.00010000",
            "-1234567.89",
            "0.00001",
            "1e100",
            "-1e-100",
            "1e-16383",
            "1e131071",
            "12345678901234567890.12345678901234567890",
        ],
    ),
    ("numeric(12,2)", &["0", "-12.3", "9999999999.99"]),
    (
        "text",
        &[
            "''",
            "'a'",
            r"E'\t\n\r\b\f\v\\'",
            r"E'\\N'",
            r"E'\\.'",
            "'grün 日本 🐘'",
            "' '",
            "repeat('x', 70000)",
            r"E'\\x41'",
        ],
    ),
    ("varchar(9)", &["''", "'a '", "'ümlauts'"]),
    ("char(5)", &["''", "'a'", "'ab   '"]),
    ("name", &["'a'", "repeat('n', 63)"]),
    ("json", &[r#"'{"a" :1.0}'"#, "'null'", r#"'"\n\\"'"#]),
    ("jsonb", &[r#"'{"a":1.00,"b":[null,true,"\n\\\t"]}'"#, "'null'", "'[]'"]),
    ("uuid", &["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00000000-0000-0000-0000-000000000000'"]),
    ("bytea", &[r"'\x'", r"'\x00ff5c0a'", r"decode(repeat('0a5c', 50000), 'hex')"]),
    (
        "date",
        &[
            "'infinity'",
            "'-infinity'",
            "'4714-11-24 BC'",
            "'0001-12-31 BC'",
            "'0001-01-01'",
            "'1900-02-28'",
            "'2000-02-29'",
            "'5874897-12-31'",
        ],
    ),
    ("time", &["'00:00'", "'24:00'", "'23:59:59.999999'", "'01:02:03.5'"]),
    (
        "timestamp",
        &[
            "'infinity'",
            "'-infinity'",
            "'4714-11-24 00:00:00 BC'",
            "'0044-03-15 12:00 BC'",
            "'294276-12-31 23:59:59.999999'",
            "'1999-12-31 23:59:59.000001'",
        ],
    ),
];

async fn copied(connection: &mut PgConnection, sql: &str) -> Vec<u8> {
    let rows = connection.copy_out_raw(sql).await.expect("a copy");
    rows.try_collect::<Vec<_>>().await.expect("all rows").concat()
}

#[tokio::test]
async fn rows_become_the_very_bytes_that_the_server_would_send() {
    let db = TestDb::new().await;
    db.run(
        "create schema wire; create type wire.mood as enum ('glad', 'so\\so', 'tab\there');
         create domain wire.positive as int4 check (value > 0); create domain wire.small as wire.positive check (value < 100);
         create domain wire.feeling as wire.mood",
    )
    .await;
    let mut expected = Vec::new();
    let mut tables: Vec<(String, Vec<String>)> = VALUES
        .iter()
        .map(|(sql, values)| ((*sql).to_owned(), values.iter().map(|v| (*v).to_owned()).collect()))
        .collect();
    let zoned = VALUES[18].1.iter().map(|v| v.replace("0044-03-15 12:00", "0044-03-15 12:00+01:02:03"));
    tables.push(("timestamptz".to_owned(), zoned.collect()));
    tables.push(("wire.small".to_owned(), vec!["1".to_owned(), "99".to_owned()]));
    tables.push((
        "wire.feeling".to_owned(),
        vec!["'glad'".to_owned(), r"'so\so'".to_owned(), "E'tab\\there'".to_owned()],
    ));
    for (number, (sql, values)) in tables.iter().enumerate() {
        let rows: Vec<_> =
            values.iter().map(|v| format!("(cast({v} as {sql}), null), (null, cast({v} as {sql}))")).collect();
        db.run(&format!(
            "create table wire.t{number} (a {sql}, b {sql}); insert into wire.t{number} values {}",
            rows.join(", ")
        ))
        .await;
        expected.push((format!("t{number}"), sql.clone()));
    }
    db.run(
        "create table wire.series as select g::int8 as i, (g - 500) * 7919::int4 as j, (g * g - 9999)::numeric / (1 + g % 17) as n,
           ((g - 500) * 1e300::float8 / (1 + g * g)) as f, (g / 7.0)::float4 as r, timestamptz '1600-01-01 00:00Z' + g * interval '297 days 3.0123 seconds' as at,
           date '0100-01-01 BC' + g * 1009 as day, time '00:00' + g * interval '83.77 seconds' as clock, md5(g::text)::uuid as u,
           decode(md5(g::text), 'hex') as raw, chr(g) || E'\\\\' || chr(g) as t, round(g * 1.5, g % 20) as scaled from generate_series(1, 1000) g",
    )
    .await;
    expected.push(("series".to_owned(), "a series".to_owned()));

    let mut connection = target(&db).connect(SessionKind::Administrator, "test").await.expect("a session");
    let wires = wires::read(&mut connection, &ident("wire")).await.expect("the types");
    for (table, what) in expected {
        let names: Vec<String> = sqlx::query_scalar(
            "select attname::text from pg_attribute where attrelid = ('wire.' || $1)::regclass and attnum > 0 order by attnum",
        )
        .bind(&table)
        .fetch_all(&mut connection)
        .await
        .expect("columns");
        let names: Vec<_> = names.iter().map(|name| ident(name)).collect();
        let columns = wires.of(&ident(&table), &names).unwrap_or_else(|| panic!("{what} is known"));
        let text = copied(&mut connection, &format!("copy wire.{table} to stdout")).await;
        let binary = copied(&mut connection, &format!("copy wire.{table} to stdout with (format binary)")).await;
        for size in [text.len(), 7] {
            let (mut encoder, mut encoded) = (Encoder::new(&columns), Vec::new());
            for batch in text.chunks(size) {
                encoder.push(batch, &mut encoded).unwrap_or_else(|_| panic!("{what} is understood"));
            }
            encoder.finish(&mut encoded).expect("whole rows");
            let differs = encoded.iter().zip(&binary).position(|(a, b)| a != b);
            assert!(encoded == binary, "{what} differs at {differs:?}, {} and {} bytes", encoded.len(), binary.len());
        }
    }
}

#[tokio::test]
async fn rows_too_wide_for_it_and_types_of_others_come_back_all_the_same() {
    let db = TestDb::new().await;
    needs_pg_dump(&db).await;
    db.run(
        "create schema odd; create table odd.wide (id int primary key, t text);
         insert into odd.wide select g, case when g = 9000 then repeat(md5(g::text), 200000) else 'narrow' end from generate_series(1, 10000) g;
         create table odd.spans (s interval, words text[], r int4range, n int); insert into odd.spans values ('1 day', '{a,b}', '[1,2)', 3);
         create type odd.pair as (a int, b text); create table odd.pairs (p odd.pair); insert into odd.pairs values ((1, 'x'));
         create table odd.none (); insert into odd.none default values",
    )
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let archive = folder.path().join("odd");
    export(&db, "odd", &archive).await.expect("an archive");
    let restored = TestDb::new().await;
    import(&archive, &restored).await.expect("it comes back");
    let verified = compare(database(&db), database(&restored), "odd").await;
    assert!(verified.equal, "{verified:?}");
    // What was sent before the wide row came is not kept as room that nobody uses.
    let mut sizes = Vec::new();
    for db in [&db, &restored] {
        sizes.push(db.texts("select pg_relation_size('odd.wide')::text").await[0].parse::<u64>().expect("a size"));
    }
    assert!(sizes[1] < sizes[0] * 3 / 2, "{sizes:?} bytes, the source's first");
}
