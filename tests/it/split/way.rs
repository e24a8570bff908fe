//! The whole way, forward and back.

use super::books::Writers;
use super::{Move, run, texts};
use crate::support::Dedicated;

#[tokio::test]
async fn a_service_moves_under_writes_and_back_and_no_acknowledged_commit_is_lost() {
    let service = Move::new().await;
    let writers = Writers::start(&service, 1, 4);
    writers.more(20).await;
    service.run(&["start"]).await.exits(0);
    assert_eq!(service.phase().await, "ready");
    writers.more(20).await;
    for turn in 0..2 {
        let there = service.run(&["cutover", "--format", "json"]).await.exits(0).json();
        assert_eq!(there["phase"], "reversed", "turn {turn}");
        assert_eq!(there["cutover"]["equal"], true);
        writers.more(50).await;
        let back = service.run(&["rollback", "--format", "json"]).await.exits(0).json();
        assert_eq!((&back["phase"], &back["cutover"]["equal"]), (&"ready".into(), &true.into()));
        writers.more(50).await;
    }
    service.run(&["cutover"]).await.exits(0);
    writers.more(50).await;
    let refusals = writers.settle(&service.target).await;
    for refusal in &refusals {
        assert!(refusal.contains("is written at"), "{refusals:?}");
    }
    service.expect_equal().await;

    service.run(&["finish", "--bridge", "none", "--keep", "7"]).await.exits(0);
    let kept = texts(&service.source, "select nspname::text from pg_namespace where nspname like 'svc%'").await;
    assert!(kept.len() == 1 && kept[0].starts_with(&format!("{}_before_split_", service.name)), "{kept:?}");
    run(&service.target, &format!("insert into {}.nothing values (1)", service.name)).await;
    service.run(&["finish", "--drop", &kept[0]]).await.exits(5);
}

#[tokio::test]
async fn a_service_moves_to_the_newest_server_and_back() {
    let (source, target) = (Dedicated::start().await, Dedicated::newest().await);
    let service = Move::between(&source, &target).await;
    let writers = Writers::start(&service, 1, 4);
    service.run(&["start"]).await.exits(0);
    writers.more(20).await;
    for (step, phase) in [("cutover", "reversed"), ("rollback", "ready"), ("cutover", "reversed")] {
        let turned = service.run(&[step, "--format", "json"]).await.exits(0).json();
        assert_eq!((&turned["phase"], &turned["cutover"]["equal"]), (&phase.into(), &true.into()), "{step}");
        writers.more(50).await;
    }
    writers.settle(&service.target).await;
    service.expect_equal().await;
}

#[tokio::test]
async fn logins_keep_their_passwords_and_the_old_side_names_the_new_place() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let login =
        |url: &str, password: &str| url.replace("postgres:postgres@", &format!("{}_app:{password}@", service.name));
    let insert = "insert into nothing values (1)";
    let refused = |error: sqlx::Error| error.as_database_error().map(|e| e.message().to_owned()).unwrap_or_default();
    let try_it = async |url: &str, password: &str| {
        let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&login(url, password)).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe("set search_path = ".to_owned() + &service.name))
            .execute(&mut connection)
            .await?;
        sqlx::raw_sql(insert).execute(&mut connection).await.map(|_| ())
    };
    let closed = refused(try_it(&service.target, "app").await.expect_err("the target is closed"));
    assert!(closed.contains(&format!("schema {} is written at", service.name)), "{closed}");
    // Rotated since the copy.
    let rotated = format!("alter role {s}_app nologin; alter role {s}_app login password 'new'", s = service.name);
    run(&service.source, &rotated).await;
    service.run(&["cutover"]).await.exits(0);
    assert!(try_it(&service.target, "app").await.is_err(), "the old password is void");
    try_it(&service.target, "new").await.expect("the target is open");
    let moved = refused(try_it(&service.source, "new").await.expect_err("the source is closed"));
    let target = service.target.rsplit_once('@').expect("a login").1;
    assert!(moved.contains(target), "{moved} does not name {target}");
    let read = format!("select count(*)::text from {}.made", service.name);
    assert_eq!(texts(&service.source, &read).await, ["100"], "readers go on");
}

#[tokio::test]
async fn sequences_never_give_a_value_twice() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let next = format!("select nextval('{}.entry_id_seq')::text", service.name);
    let number = async |url: &str| texts(url, &next).await[0].parse::<i64>().expect("a number");
    let before = number(&service.source).await;
    service.run(&["cutover"]).await.exits(0);
    let there = number(&service.target).await;
    assert!(there > before, "{there} after {before}");
    service.run(&["rollback"]).await.exits(0);
    let back = number(&service.source).await;
    assert!(back > there, "{back} after {there}");
}

#[tokio::test]
async fn an_abort_leaves_nothing_behind_and_a_new_start_works() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let checked = service.run(&["check"]).await;
    assert!(!checked.stdout.contains("split_moved"), "its own triggers are in nobody's way: {}", checked.stdout);
    let aborted = service.run(&["abort"]).await.exits(0);
    assert!(!aborted.stdout.contains("waits for"), "{}", aborted.stdout);
    service.expect_nothing_left().await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    service.run(&["abort"]).await.exits(5);
    service.run(&["rollback"]).await.exits(0);
    service.run(&["abort"]).await.exits(0);
    service.expect_nothing_left().await;
    run(&service.source, &format!("insert into {}.nothing values (1)", service.name)).await;
}

#[tokio::test]
async fn when_one_side_is_gone_for_good_the_other_is_left_clean_and_open() {
    let left = "select 'slot ' || slot_name from pg_replication_slots where database = current_database()
        union all select 'publication ' || pubname from pg_publication
        union all select 'subscription ' || subname from pg_subscription s join pg_database d on d.oid = s.subdbid
          where d.datname = current_database()
        union all select 'trigger ' || tgname from pg_trigger where tgname like 'pgcleave\\_%'
        union all select 'fence' from pgcleave.split_fence order by 1";
    for (cut_over, end, gone) in [
        (false, ["abort", "--target-is-gone"], "target"),
        (true, ["abort", "--target-is-gone"], "target"),
        (true, ["finish", "--source-is-gone"], "source"),
    ] {
        let mut service = Move::new().await;
        service.run(&["start"]).await.exits(0);
        if cut_over {
            service.run(&["cutover"]).await.exits(0);
        }
        let refused = service.run(&end).await.exits(5);
        assert!(refused.stderr.contains("is not gone"), "{}", refused.stderr);
        let nowhere = "postgresql://postgres@127.0.0.1:1/nothing".to_owned();
        let lost = if gone == "target" { &mut service.target } else { &mut service.source };
        *lost = nowhere;
        // What one thing keeps from going keeps nothing else.
        let rest = if gone == "target" { service.source.clone() } else { service.target.clone() };
        let server = rest.replace(rest.rsplit_once('/').expect("a database").1, "postgres");
        let login = "select rolname::text from pg_roles where rolname in (select 'pgcleave_' || id || suffix
            from pgcleave.split, unnest(array['_forward', '_back']) suffix)";
        let login = texts(&rest, login).await;
        for login in &login {
            run(&server, &format!("grant usage on schema public to {login}")).await;
            let stopped = service.run(&end).await.exits(1);
            let by_hand = format!("drop role \"{login}\"");
            assert!(stopped.stderr.contains(&by_hand), "{}", stopped.stderr);
            assert_eq!(texts(&rest, left).await, Vec::<String>::new());
            run(&server, &format!("revoke usage on schema public from {login}")).await;
        }
        let ended = service.run(&end).await.exits(0);
        assert!(ended.stderr.contains("drop subscription"), "what the lost side has is named: {}", ended.stderr);
        let roles = format!("select rolname::text from pg_roles where rolname in ('{}')", login.join("', '"));
        assert_eq!(texts(&rest, &roles).await, Vec::<String>::new());
        assert_eq!(ended.stderr.contains("is lost"), cut_over && gone == "target", "{}", ended.stderr);
        let rest = if gone == "target" { &service.source } else { &service.target };
        assert_eq!(texts(rest, left).await, Vec::<String>::new());
        run(rest, &format!("insert into {}.nothing values (1)", service.name)).await;
    }
}

#[tokio::test]
async fn no_log_has_the_password_that_the_servers_follow_each_other_with() {
    let service = Move::new().await;
    let (source, target) = super::servers().await;
    source.log_statements(&format!("shared_{}", service.name)).await;
    target.log_statements(&format!("own_{}", service.name)).await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    for server in [source, target] {
        let log = server.log().await.to_lowercase();
        assert!(log.contains("create publication"), "the log does not show what was done");
        assert!(!log.contains("password="), "a connection string is in the log");
        assert!(!log.contains("create subscription"), "the statement with the password is in the log");
    }
}
