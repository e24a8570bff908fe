//! Rows that differ once the target has been in use: the target may hold the only copy of what was written there.

use super::{Move, run, texts};

impl Move {
    /// Moves there, loses row 7 of `made` on the source by a write that no trigger sees, and moves back.
    async fn roll_back_with_a_row_lost(&self) -> crate::support::Answer {
        self.run(&["start"]).await.exits(0);
        self.run(&["cutover"]).await.exits(0);
        let lose = format!("set session_replication_role = replica; delete from {}.made where id = 7", self.name);
        run(&self.source, &lose).await;
        self.run(&["rollback"]).await.exits(1)
    }

    async fn case(&self) -> Vec<String> {
        texts(&self.source, "select coalesce(record -> 'unequal' ->> 'case', 'none') from pgcleave.split").await
    }

    async fn row_7_of(&self, url: &str) -> Vec<String> {
        texts(url, &format!("select id::text from {}.made where id = 7", self.name)).await
    }
}

#[tokio::test]
async fn a_rollback_that_finds_differing_rows_says_so_and_keeps_the_targets_rows() {
    let service = Move::new().await;
    let differs = service.roll_back_with_a_row_lost().await;
    let told = &differs.stderr;
    assert!(told.contains("split-differs-rollback") && told.contains(".made"), "{told}");
    assert!(told.contains("writes are on the source") && !told.contains("went back to where they were"), "{told}");
    assert_eq!(service.case().await, ["after-rollback"]);
    let status = service.run(&["status"]).await.exits(0);
    assert!(status.stdout.contains("--discard-differing"), "{}", status.stdout);
    // A change of sides that could not be made has changed nothing of that.
    service.run(&["cutover", "--max-pause", "0", "--wait", "0"]).await.exits(5);
    assert_eq!(service.case().await, ["after-rollback"]);
    let refused = service.run(&["abort"]).await.exits(5);
    let told = &refused.stderr;
    assert!(told.contains("split-differs-rollback") && told.contains("--discard-differing"), "{told}");
    assert_eq!(service.row_7_of(&service.target).await, ["7"]);
    assert_eq!(service.phase().await, "ready");
    // Neither does a start throw it away, as when the copy is to begin anew.
    let anew = "update pgcleave.split set revision = revision + 1, record = record || \
        jsonb_build_object('phase', 'copying', 'revision', revision + 1)";
    run(&service.source, anew).await;
    run(&service.target, anew).await;
    let refused = service.run(&["start"]).await.exits(5);
    assert!(refused.stderr.contains("split-differs-rollback"), "{}", refused.stderr);
    assert_eq!(service.row_7_of(&service.target).await, ["7"]);
    service.run(&["abort", "--discard-differing"]).await.exits(0);
    service.expect_nothing_left().await;
}

#[tokio::test]
async fn rows_brought_over_by_hand_are_found_equal_by_the_next_rollback() {
    let service = Move::new().await;
    service.roll_back_with_a_row_lost().await;
    let take = format!("set session_replication_role = replica; delete from {}.made where id = 7", service.name);
    run(&service.target, &take).await;
    run(&service.source, &format!("insert into {}.made values (7)", service.name)).await;
    service.run(&["rollback"]).await.exits(0);
    assert_eq!(service.case().await, ["none"]);
    service.run(&["abort"]).await.exits(0);
    assert_eq!(service.row_7_of(&service.source).await, ["7"]);
    service.expect_nothing_left().await;
}

#[tokio::test]
async fn a_rollback_killed_before_it_has_compared_is_not_aborted_over() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    let lose = format!("set session_replication_role = replica; delete from {}.made where id = 7", service.name);
    run(&service.source, &lose).await;
    let mut killed = service.command(&["rollback", "--on-cutover", "kill -9 $PPID"]);
    let killed = tokio::task::spawn_blocking(move || killed.output().expect("it runs")).await.expect("no panic");
    assert_eq!(killed.status.code(), None, "it was killed: {killed:?}");
    let refused = service.run(&["abort"]).await.exits(5);
    assert!(refused.stderr.contains("split-uncompared") && refused.stderr.contains("split rollback"), "{refused:?}");
    let again = service.run(&["rollback"]).await.exits(1);
    assert!(again.stderr.contains("split-differs-rollback"), "{}", again.stderr);
    assert_eq!(service.row_7_of(&service.target).await, ["7"]);
}

#[tokio::test]
async fn a_cutover_that_finds_differing_rows_at_its_own_fence_can_be_aborted() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let stray = format!("set session_replication_role = replica; insert into {}.nothing values (99)", service.name);
    run(&service.target, &stray).await;
    let answer = service.run(&["cutover"]).await.exits(1);
    assert!(answer.stderr.contains("split-differs]"), "{}", answer.stderr);
    assert_eq!(service.case().await, ["at-cutover"]);
    service.run(&["abort"]).await.exits(0);
    service.expect_nothing_left().await;
}

#[tokio::test]
async fn rows_found_to_differ_after_the_target_was_in_use_are_not_aborted_over() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    // As a cutover that was killed before its comparison leaves it.
    let forget = "update pgcleave.split set revision = revision + 1, record = jsonb_set(record, '{turn,equal}', 'null') \
        || jsonb_build_object('revision', revision + 1)";
    run(&service.source, forget).await;
    run(&service.target, forget).await;
    let lose = format!("set session_replication_role = replica; delete from {}.made where id = 7", service.name);
    run(&service.source, &lose).await;
    let differs = service.run(&["cutover"]).await.exits(1);
    assert!(differs.stderr.contains("split-differs-rollback"), "{}", differs.stderr);
    assert_eq!((service.phase().await.as_str(), service.case().await), ("ready", vec!["after-rollback".to_owned()]));
    service.run(&["abort"]).await.exits(5);
    assert_eq!(service.row_7_of(&service.target).await, ["7"]);
}
