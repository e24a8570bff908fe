//! Runs at once, killed ones, interrupted ones.

use std::collections::BTreeSet;

use pgcleave::migrate::{self, Error, Options};
use pgcleave::pg;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::shop::Shop;

#[tokio::test]
async fn two_runs_at_once_apply_each_file_once() {
    let shop = Shop::new(&["billing", "orders"]).await;
    for service in ["billing", "orders"] {
        shop.write(service, "V1__a.sql", "create table a (id int); select pg_sleep(0.2)");
        shop.write(service, "V2__b.sql", "create table b (id int)");
        // waits for every snapshot: a run that waited in a statement for its lock would wait for itself
        shop.write(service, "V3__c.sql", "-- pgcleave: no-transaction\ncreate index concurrently b_id on b (id)");
    }
    let (one, two) = tokio::join!(shop.migrate(), shop.migrate());
    for service in ["billing", "orders"] {
        assert!(one[service].error.is_none() && two[service].error.is_none(), "{one:?} {two:?}");
        assert_eq!(one[service].applied.len() + two[service].applied.len(), 3, "{one:?} {two:?}");
        assert_eq!(shop.history(service).await, ["1 a", "2 b", "3 c"]);
    }
    shop.assert_no_login_left().await;
}

#[tokio::test]
async fn services_do_not_wait_for_each_other() {
    let shop = Shop::new(&["billing", "orders"]).await;
    shop.write("billing", "V1__a.sql", "create table a (id int)");
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    let mut other = shop.db.connect().await;
    pg::lock::take(&mut other, "the migrations of schema orders", 0, &|_| ()).await.expect("nobody holds it");
    let options = Options { lock_wait_seconds: 0, ..Options::default() };
    let outcomes =
        migrate::run(&shop.target(), &shop.project, &BTreeSet::new(), &options, &|_| ()).await.expect("runs");
    assert_eq!(outcomes[0].applied, ["V1__a.sql"]);
    assert!(matches!(outcomes[1].error, Some(Error::Lock(_))), "{outcomes:?}");
}

#[tokio::test]
async fn a_killed_runs_login_and_its_session_are_swept() {
    for shop in [Shop::new(&["orders"]).await, Shop::managed(&["orders"]).await] {
        shop.write("orders", "V1__a.sql", "create table a (id int)");
        shop.result("orders").await.expect("migrates");
        // The name of a login that a run on this schema makes, taken from the run itself.
        shop.write("orders", "V2__name.sql", "create table name as select session_user::text as n");
        shop.result("orders").await.expect("migrates");
        let name = shop.db.texts("select n from orders.name").await.remove(0);
        let left = format!("{}{}", &name[..name.len() - 8], "0badc0de");
        let mut admin = PgConnection::connect(&shop.admin).await.expect("a login");
        let make = format!(
            "create role {left} login password 'x'; alter role {left} in database {} set role = '{}'; grant {} to {left}",
            shop.db.name(),
            shop.owner("orders"),
            shop.owner("orders")
        );
        sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut admin).await.expect("a leftover");
        let mut session = shop.db.connect_as(&left, "x").await.expect("it can log in");
        sqlx::raw_sql("begin; lock table orders.a").execute(&mut session).await.expect("a lock that stands in the way");
        shop.write("orders", "V3__b.sql", "alter table a add b int");
        assert_eq!(shop.result("orders").await, Ok(vec!["V3__b.sql".to_owned()]));
        assert!(sqlx::query("select 1").execute(&mut session).await.is_err(), "its session was ended");
        shop.assert_no_login_left().await;
    }
}

#[tokio::test]
async fn an_interrupt_cancels_the_statement_and_drops_the_login() {
    let shop = Shop::managed(&["orders"]).await;
    shop.write("orders", "V1__a.sql", "create table a (id int)");
    shop.write("orders", "V2__slow.sql", "create table b (id int); select pg_sleep(60)");
    let options = Options::default();
    let interrupt = options.interrupt.clone();
    let (target, services) = (shop.target(), BTreeSet::new());
    let run = migrate::run(&target, &shop.project, &services, &options, &|_| ());
    let pull = async {
        while shop.db.texts("select count(*)::text from pg_stat_activity where query like '%pg_sleep(60)%' and usename like '%pgcleave_tmp%' and state = 'active'").await != ["1"] {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        interrupt.request();
    };
    let (outcomes, ()) = tokio::join!(run, pull);
    let outcomes = outcomes.expect("the run as a whole ends");
    assert!(matches!(outcomes[0].error, Some(Error::Interrupted)), "{outcomes:?}");
    assert_eq!(outcomes[0].applied, ["V1__a.sql"]);
    assert_eq!(shop.history("orders").await, ["1 a"]);
    shop.assert_no_login_left().await;
}
