//! Write blocks that somebody has taken away or changed: seen in the catalog, made again, and what came past them is found.

use super::{Move, run, texts};

impl Move {
    /// Gives a statement about the write block, with `{s}` for the schema and `{t}` for the trigger.
    async fn on_the_block(&self, statement: &str) -> String {
        let id = texts(&self.source, "select id from pgcleave.split").await.remove(0);
        statement.replace("{s}", &self.name).replace("{t}", &format!("pgcleave_{id}_moved"))
    }

    async fn told(&self) -> serde_json::Value {
        self.run(&["status", "--format", "json"]).await.exits(0).json()
    }

    /// Gives how many tables of the source have a write block that is enabled as it was made.
    async fn closed_tables(&self) -> Vec<String> {
        let closed = "select count(*)::text from pg_trigger t where tgenabled = 'O' and tgtype = 62 and tgqual is null \
            and tgname = (select 'pgcleave_' || id || '_moved' from pgcleave.split)";
        texts(&self.source, closed).await
    }
}

#[tokio::test]
async fn writes_past_a_write_block_that_was_dropped_are_found_by_finish() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    let before = service.closed_tables().await;
    run(&service.source, &service.on_the_block("drop trigger {t} on {s}.made").await).await;
    run(&service.source, &format!("delete from {}.made where id < 6", service.name)).await;
    let told = service.told().await;
    let blockers = told["blockers"].to_string();
    assert!(blockers.contains(&format!("the write block of {}.made on the source is missing", service.name)), "{told}");
    assert_eq!(told["cutover"]["equal"], serde_json::Value::Null, "{told}");
    for _ in 0..2 {
        let refused = service.run(&["finish", "--bridge", "none"]).await.exits(1);
        assert!(refused.stderr.contains("split-differs-finish") && refused.stderr.contains(".made"), "{refused:?}");
        assert_eq!(service.closed_tables().await, before, "it is made again");
        assert_eq!(service.phase().await, "reversed");
    }
    let told = service.told().await;
    assert!(told["warnings"].to_string().contains("rows differ in"), "{told}");
    assert_eq!(told["cutover"]["equal"], false, "{told}");
    let seen = service.run(&["status"]).await.exits(0);
    assert!(!seen.stdout.contains("all rows were the same"), "{}", seen.stdout);
    // Another cutover does not send the writes back on its own.
    service.run(&["cutover"]).await.exits(0);
    assert_eq!(service.phase().await, "reversed");
    run(&service.target, &format!("delete from {}.made where id < 6", service.name)).await;
    service.run(&["finish", "--bridge", "none"]).await.exits(0);
    service.expect_only_the_record_left().await;
}

#[tokio::test]
async fn a_rollback_finds_what_came_past_a_write_block() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    let pass = "alter table {s}.made disable trigger {t}; delete from {s}.made where id = 7; alter table {s}.made enable always trigger {t}";
    run(&service.source, &service.on_the_block(pass).await).await;
    let differs = service.run(&["rollback"]).await.exits(1);
    assert!(differs.stderr.contains("is enabled always"), "{}", differs.stderr);
    assert!(differs.stderr.contains("split-differs-rollback"), "{}", differs.stderr);
    service.run(&["abort"]).await.exits(5);
    let still = format!("select id::text from {}.made where id = 7", service.name);
    assert_eq!(texts(&service.target, &still).await, ["7"]);
}

#[tokio::test]
async fn whatever_is_done_to_a_write_block_is_seen_and_undone() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let words = "('schema {s} is written at nowhere', 'The service moves or has moved: connect there.')";
    for (change, seen) in [
        ("drop trigger {t} on {s}.nothing".to_owned(), "is missing"),
        ("alter table {s}.nothing disable trigger {t}".to_owned(), "is disabled"),
        ("alter table {s}.nothing disable trigger all".to_owned(), "is disabled"),
        ("alter table {s}.nothing enable always trigger {t}".to_owned(), "is enabled always"),
        ("alter table {s}.nothing enable replica trigger {t}".to_owned(), "is enabled for replication only"),
        ("alter trigger {t} on {s}.nothing rename to harmless".to_owned(), "was changed"),
        (
            format!(
                "create or replace trigger {{t}} before insert on {{s}}.nothing for each statement \
                 execute function pgcleave.split_moved{words}"
            ),
            "was changed",
        ),
        (
            format!(
                "create or replace trigger {{t}} before insert or update or delete or truncate on {{s}}.nothing \
                 for each statement when (false) execute function pgcleave.split_moved{words}"
            ),
            "was changed",
        ),
        (
            // What has only the name is not ours.
            "drop trigger {t} on {s}.nothing; create trigger {t} before insert or update or delete or truncate on {s}.nothing \
             for each statement execute function suppress_redundant_updates_trigger()"
                .to_owned(),
            "is missing",
        ),
    ] {
        service.run(&["cutover"]).await.exits(0);
        let change = service.on_the_block(&change).await;
        // A function for row triggers can be no statement trigger's; any other does for the name's sake.
        let other = format!(
            "create or replace function public.{s}_no() returns trigger language plpgsql as 'begin return null; end'",
            s = service.name
        );
        run(&service.source, &other).await;
        let change = change.replace("suppress_redundant_updates_trigger", &format!("public.{}_no", service.name));
        run(&service.source, &change).await;
        let told = service.told().await;
        assert!(told["blockers"].to_string().contains(&format!(".nothing on the source {seen}")), "{change}: {told}");
        let back = service.run(&["rollback"]).await.exits(0);
        assert!(back.stderr.contains("made again"), "{change}: {}", back.stderr);
        let told = service.told().await;
        assert_eq!((&told["blockers"], &told["unequal"]), (&serde_json::json!([]), &serde_json::Value::Null), "{change}");
        let left = "select tgname::text from pg_trigger where tgname = 'harmless'";
        assert_eq!(texts(&service.source, left).await, Vec::<String>::new());
    }
    service.run(&["abort"]).await.exits(0);
    service.expect_nothing_left().await;
}

#[tokio::test]
async fn the_targets_write_blocks_are_seen_before_the_cutover_and_those_of_an_older_record_too() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let older = "update pgcleave.split set revision = revision + 1, \
        record = (record - 'blocks' - 'unequal') || jsonb_build_object('revision', revision + 1)";
    run(&service.source, older).await;
    run(&service.target, older).await;
    assert_eq!(service.told().await["blockers"], serde_json::json!([]));
    let id = texts(&service.target, "select id from pgcleave.split").await.remove(0);
    run(&service.target, &format!("drop trigger pgcleave_{id}_moved on {}.entry", service.name)).await;
    let told = service.told().await;
    assert!(told["blockers"].to_string().contains(".entry on the target is missing"), "{told}");
    service.run(&["start"]).await.exits(0);
    assert_eq!(service.told().await["blockers"], serde_json::json!([]));
    // One of the open side would stop the service's own writes.
    run(&service.source, &service.on_the_block("alter table {s}.made enable trigger {t}").await).await;
    let told = service.told().await;
    assert!(told["blockers"].to_string().contains(".made on the source is enabled, although"), "{told}");
    service.run(&["start"]).await.exits(0);
    run(&service.source, &format!("insert into {}.made values (4711)", service.name)).await;
    service.run(&["cutover"]).await.exits(0);
    service.expect_equal().await;
}
