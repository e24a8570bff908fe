//! What our quoting makes of texts and names, as the server reads it.

use pgcleave::ident::Ident;
use pgcleave::sql;
use pgcleave::sql::Literal;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sqlx::{AssertSqlSafe, Row};

use crate::support::TestDb;

/// How many random texts are tried.
const CASES: usize = 300;

fn samples(strategy: impl Strategy<Value = String>) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    (0..CASES).map(|_| strategy.new_tree(&mut runner).expect("a text").current()).collect()
}

#[tokio::test]
async fn a_literal_reads_back_as_it_was_whatever_the_server_is_set_to() {
    let db = TestDb::new().await;
    let mut connection = db.connect().await;
    let mut texts = samples("[^\\x00]{0,40}");
    texts.extend(["\\", "'", "\\'", "'; drop table t; --", "E'\\n'", "a\\", "$$", "\u{feff}"].map(str::to_owned));
    for setting in ["on", "off"] {
        let set = format!("set standard_conforming_strings = {setting}; set escape_string_warning = off");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut connection).await.expect("a setting");
        for text in &texts {
            let query = sql!("select ", Literal(text), "::text");
            let row = sqlx::raw_sql(AssertSqlSafe(query.as_str())).fetch_one(&mut connection).await;
            assert_eq!(row.expect("it is one literal").get::<String, _>(0), *text);
        }
    }
}

#[tokio::test]
async fn a_name_reads_back_as_it_was() {
    let db = TestDb::new().await;
    let mut connection = db.connect().await;
    let mut names = samples("[^\\x00]{1,15}");
    names.extend(
        ["\"", "\"\"", "a\"; drop schema public; --", "SELECT", " ", "x".repeat(63).as_str()].map(str::to_owned),
    );
    for name in names {
        let ident = Ident::new(&name).expect("at most 60 bytes");
        let query = sql!("select '' as ", ident);
        let row = sqlx::raw_sql(AssertSqlSafe(query.as_str())).fetch_one(&mut connection).await;
        assert_eq!(sqlx::Column::name(row.expect("it is one name").column(0)), name);
    }
}
