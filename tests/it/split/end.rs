//! `finish`, and what is dropped after it, killed anywhere.

use super::kill::{killed_after, through};
use super::{Move, run, texts};

impl Move {
    /// Insists that of a finished split nothing is left but its record, and that the target takes writes.
    pub(super) async fn expect_only_the_record_left(&self) {
        for url in [&self.source, &self.target] {
            let left = "select 'slot ' || slot_name from pg_replication_slots where database = current_database()
                union all select 'publication ' || pubname from pg_publication
                union all select 'subscription ' || subname from pg_subscription s join pg_database d on d.oid = s.subdbid
                  where d.datname = current_database()
                union all select 'fence' from pgcleave.split_fence order by 1";
            assert_eq!(texts(url, left).await, Vec::<String>::new(), "{url}");
            let logins = "select 'login ' || rolname from pgcleave.split s
                join pg_roles on rolname in ('pgcleave_' || s.id || '_forward', 'pgcleave_' || s.id || '_back') order by 1";
            assert_eq!(texts(url, logins).await, Vec::<String>::new(), "{url}");
            let phases = "select record->>'phase' from pgcleave.split";
            assert_eq!(texts(url, phases).await, ["finished"]);
        }
        let triggers = "select tgname::text from pg_trigger where tgname like 'pgcleave\\_%'";
        assert_eq!(texts(&self.target, triggers).await, Vec::<String>::new());
        run(&self.target, &format!("insert into {}.nothing values (4711)", self.name)).await;
    }

    /// Gives the name under which the old schema is kept.
    pub(super) async fn kept(&self) -> Vec<String> {
        texts(&self.source, "select nspname::text from pg_namespace where nspname like '%before_split%'").await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finish_that_is_killed_anywhere_goes_on() {
    let finish = ["finish", "--bridge", "none", "--keep", "0"];
    let mut turns = 4;
    loop {
        let mut service = Move::new().await;
        service.run(&["start"]).await.exits(0);
        service.run(&["cutover"]).await.exits(0);
        let (proxy, plain) = through(&mut service).await;
        let killed = killed_after(&service, &proxy, turns, &finish).await;
        service.run(&finish).await.exits(0);
        service.expect_only_the_record_left().await;
        let kept = service.kept().await;
        assert_eq!(kept.len(), 1, "{kept:?}");
        killed_after(&service, &proxy, turns, &["finish", "--drop", &kept[0]]).await;
        let again = service.run(&["finish", "--drop", &kept[0]]).await;
        // Killed after its last word, there is nothing left to drop.
        assert!(again.code == 0 || again.stderr.contains("no schema of it is kept"), "{again:?}");
        assert_eq!(service.kept().await, Vec::<String>::new());
        service.source = plain;
        if !killed {
            assert!(turns > 20, "only {turns} turns");
            return;
        }
        turns += 7;
    }
}

#[tokio::test]
async fn what_others_have_built_on_the_kept_schema_is_not_dropped_with_it() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    service.run(&["finish", "--bridge", "none", "--keep", "0"]).await.exits(0);
    let kept = service.kept().await.remove(0);
    run(&service.source, &format!("create view public.still as select id from {kept}.nothing")).await;
    let answer = service.run(&["finish", "--drop", &kept]).await.exits(5);
    assert!(answer.stderr.contains("public.still"), "{}", answer.stderr);
    assert_eq!(texts(&service.source, "select count(*)::text from public.still").await, ["0"]);
    run(&service.source, "drop view public.still").await;
    service.run(&["finish", "--drop", &kept]).await.exits(0);
}
