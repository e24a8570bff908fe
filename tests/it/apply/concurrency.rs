//! Many at once, and killed at any moment.

use sqlx::{Connection as _, PgConnection};

use std::time::Duration;

use super::Shop;
use crate::support::answer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_at_once_all_end_well_while_tables_are_altered() {
    let shop = Shop::applied().await;
    shop.sql("create table orders.busy (id int); alter table orders.busy owner to \"@orders_owner\"").await;
    shop.sql("revoke select on orders.busy, orders.orders from \"@orders_reader\"").await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (flag, url) = (std::sync::Arc::clone(&stop), shop.db.url());
    let altering = tokio::spawn(async move {
        let mut busy = PgConnection::connect(&url).await.expect("the superuser connects");
        let mut rounds = 0;
        while !flag.load(std::sync::atomic::Ordering::Relaxed) {
            let sql = "begin; alter table orders.busy add c int; select pg_sleep(0.01); alter table orders.busy drop c; commit";
            sqlx::raw_sql(sql).execute(&mut busy).await.expect("only itself in the way");
            rounds += 1;
        }
        rounds
    });
    let runs: Vec<_> = (0..8).map(|_| shop.project.start(&["apply", "--allow", "revoke"])).collect();
    for run in runs {
        let said = answer(run.wait_with_output().expect("it ends")).exits(0);
        assert!(!said.stderr.contains("tuple concurrently updated"), "{}", said.stderr);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(altering.await.expect("it ends") > 0);
    shop.converged();
}

#[tokio::test]
async fn whoever_waits_is_told_who_holds_the_lock() {
    let shop = Shop::new().await;
    let mut holder = shop.db.connect().await;
    let take = "set application_name = 'somebody'; select pg_advisory_lock(1885823852, hashtext('pgcleave apply'))";
    sqlx::raw_sql(take).execute(&mut holder).await.expect("nobody has it");
    let refused = shop.apply(&["--lock-wait", "0"]).exits(5);
    assert!(refused.stderr.contains("locked by somebody"), "{}", refused.stderr);
    let told = shop.apply(&["--lock-wait", "1"]).exits(5);
    assert!(told.stderr.contains("waiting for pgcleave apply: held by somebody"), "{}", told.stderr);
}

#[tokio::test]
async fn killed_at_random_times_the_next_run_converges_and_every_credential_works() {
    let shop = Shop::new().await;
    for round in 0..12u64 {
        let mut run = shop.project.start(&["apply", "--allow", "revoke"]);
        // spread over the whole of a run, from the connection to the last commit
        std::thread::sleep(Duration::from_millis(30 + round * 35));
        let _ = run.kill();
        let _ = run.wait();
    }
    shop.apply(&[]).exits(0);
    shop.converged();
    for (service, credential) in [("orders", "app"), ("orders", "reports"), ("orders", "migrator"), ("billing", "app")]
    {
        let file = shop.project.path().join(format!(".secrets/{}{service}_{credential}.env", shop.db.prefix()));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let url = text.lines().find_map(|line| line.strip_prefix("DATABASE_URL=")).expect("a connection string");
        let login = PgConnection::connect(url.trim_matches(['\'', '"'])).await;
        assert!(login.is_ok(), "{service}/{credential}: {login:?}");
    }
    let temporary = "not exists (select from pg_roles where rolname like '@pgcleave\\_migrate\\_%')";
    assert!(shop.holds(temporary).await, "a killed run's temporary logins are swept");
}
