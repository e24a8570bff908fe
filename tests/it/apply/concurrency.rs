//! Many at once, and killed at any moment.

use sqlx::{Connection as _, PgConnection};

use std::time::Duration;

use super::Shop;
use crate::support::{Proxy, answer};

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
            match sqlx::raw_sql(sql).execute(&mut busy).await {
                Ok(_) => rounds += 1,
                // A GRANT takes no lock on its table: PostgreSQL refuses whichever of the two comes second.
                Err(sqlx::Error::Database(error)) if error.message() == "tuple concurrently updated" => {
                    sqlx::raw_sql("rollback").execute(&mut busy).await.expect("it can be ended");
                }
                Err(error) => panic!("only a GRANT is in the way: {error}"),
            }
        }
        rounds
    });
    let runs: Vec<_> = (0..8).map(|_| shop.project.start(&["apply", "--allow", "revoke,close-database"])).collect();
    for run in runs {
        let said = answer(run.wait_with_output().expect("it ends")).exits(0);
        assert!(!said.stderr.contains("tuple concurrently updated"), "{}", said.stderr);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(altering.await.expect("it ends") > 0);
    shop.converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_first_applies_at_once_make_one_database() {
    let shop = Shop::new().await;
    let runs: Vec<_> = (0..8).map(|_| shop.project.start(&["apply", "--allow", "revoke,close-database"])).collect();
    for run in runs {
        let said = answer(run.wait_with_output().expect("it ends")).exits(0);
        assert!(!said.stderr.contains("tuple concurrently updated"), "{}", said.stderr);
    }
    shop.converged();
    shop.project.run(&["credentials", "verify"]).exits(0);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_any_round_trip_the_next_run_converges_and_every_credential_works() {
    let mut shop = Shop::new().await;
    let url = shop.db.url();
    let address = url.rsplit_once('@').expect("a login").1.split(['/', '?']).next().expect("an address");
    let (host, port) = address.rsplit_once(':').expect("a port");
    let proxy = Proxy::start(host, port.parse().expect("a port"), Duration::ZERO).await;
    shop.project.connect_as(proxy.through(&url));
    let mut killed = 0;
    // each run is let a little further, from the first message to the server until one ends before it is killed
    for allowed in (1..).step_by(24) {
        let before = proxy.round_trips();
        let mut run = shop.project.start(&["apply", "--allow", "revoke,close-database", "--lock-wait", "60"]);
        while run.try_wait().expect("it is ours").is_none() && proxy.round_trips() < before + allowed {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if run.try_wait().expect("it is ours").is_some() {
            break;
        }
        run.kill().expect("it is ours");
        run.wait().expect("it is ours");
        killed += 1;
    }
    assert!(killed > 3, "killed {killed} times only");
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

/// Lets the first `times` grants of the database end as a deadlock's victim does; a sequence counts them past rollbacks.
fn deadlocks(times: u32) -> String {
    format!(
        "create sequence public.victims;
         create function public.deadlock() returns event_trigger language plpgsql security definer as $$ begin
           if nextval('public.victims') <= {times} then raise 'deadlock detected' using errcode = '40P01'; end if; end $$;
         create event trigger deadlock on ddl_command_start when tag in ('GRANT') execute function public.deadlock()"
    )
}

#[tokio::test]
async fn a_deadlocks_victim_is_tried_again_by_itself() {
    let shop = Shop::new().await;
    shop.sql(&deadlocks(2)).await;
    let applied = shop.apply(&[]).exits(0);
    assert!(!applied.stderr.contains("deadlock"), "{}", applied.stderr);
    assert!(shop.holds("(select last_value from public.victims) > 2").await, "nobody was a victim");
    shop.sql("drop event trigger deadlock; drop function public.deadlock(); drop sequence public.victims").await;
    shop.converged();
}

#[tokio::test]
async fn a_deadlock_that_comes_again_and_again_is_told_and_left_to_the_next_run() {
    let shop = Shop::new().await;
    shop.sql(&deadlocks(1_000_000)).await;
    let failed = shop.apply(&[]).exits(1);
    assert!(format!("{}{}", failed.stdout, failed.stderr).contains("deadlock detected"), "{failed:?}");
    shop.sql("drop event trigger deadlock; drop function public.deadlock(); drop sequence public.victims").await;
    shop.apply(&[]).exits(0);
    shop.converged();
}
