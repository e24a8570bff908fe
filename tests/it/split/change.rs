//! Definitions that change while a service moves: noticed, never lost.

use super::books::Writers;
use super::{Move, run, texts};

#[tokio::test]
async fn every_change_of_a_definition_is_noticed_and_done_on_both_sides_it_is_taken_along() {
    let service = Move::new().await;
    run(
        &service.source,
        &format!(
            "set role {s}_owner; create type {s}.mood as enum ('glad'); create table {s}.old (id int primary key, m {s}.mood)",
            s = service.name
        ),
    )
    .await;
    let writers = Writers::start(&service, 1, 2);
    service.run(&["start"]).await.exits(0);
    for change in [
        "alter table {s}.nothing add column more text default 'x'",
        "alter table {s}.nothing alter column more type varchar(20)",
        "create table {s}.fresh (id int primary key, t text); alter table {s}.fresh owner to {s}_owner",
        "create table {s}.part_3 partition of {s}.part for values in (3); alter table {s}.part_3 owner to {s}_owner",
        "create index more_index on {s}.nothing (more)",
        "drop index {s}.more_index",
        "alter type {s}.mood add value 'sad'",
        "create function {s}.f() returns int language sql return 1",
        "create sequence {s}.loose",
        "alter table {s}.entry drop constraint entry_account_fkey",
        "create trigger t before insert on {s}.old for each row execute function suppress_redundant_updates_trigger()",
        "drop table {s}.old",
        "create or replace function {s}.f() returns int language sql return 2",
        "create index concurrently more_index on {s}.nothing (more)",
        "create trigger t before update on {s}.account for each row execute function suppress_redundant_updates_trigger()",
        "alter table {s}.account disable trigger t",
        "comment on table {s}.nothing is 'what it is for'",
        "comment on column {s}.nothing.more is 'what it is for'",
        "grant select on {s}.account to {s}_owner, {s}_app",
        "revoke insert on {s}.entry from {s}_writer",
        "grant insert on {s}.entry to {s}_writer",
        "alter default privileges for role {s}_owner in schema {s} grant select on tables to {s}_writer",
        "alter table {s}.nothing set (fillfactor = 50)",
        "alter table {s}.nothing enable row level security; create policy p on {s}.nothing using (true)",
        "alter sequence {s}.loose increment 7",
        "create materialized view {s}.seen as select id from {s}.account; alter materialized view {s}.seen owner to {s}_owner",
    ] {
        let change = change.replace("{s}", &service.name);
        run(&service.source, &change).await;
        for command in ["cutover", "start"] {
            let answer = service.run(&[command]).await;
            assert!(answer.code == 5 && answer.stderr.contains("split-definitions"), "{change}: {answer:?}");
        }
        run(&service.target, &change).await;
        service.run(&["start"]).await.exits(0);
    }
    // What is no definition does not come by itself, and the check says so.
    let refresh = format!("refresh materialized view {}.seen", service.name);
    run(&service.source, &refresh).await;
    let check = service.run(&["check"]).await.exits(0);
    assert!(check.stdout.contains("materialized view seen is not replicated"), "{}", check.stdout);
    service.run(&["cutover"]).await.exits(0);
    writers.more(20).await;
    writers.settle(&service.target).await;
    service.expect_equal().await;
}

#[tokio::test]
async fn rows_that_a_new_table_has_got_already_are_taken_along() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    let tables =
        "create table {s}.part_3 partition of {s}.part for values in (3); alter table {s}.part_3 owner to {s}_owner;
        create table {s}.\"New Table\" (id int primary key, t text); alter table {s}.\"New Table\" owner to {s}_owner"
            .replace("{s}", &service.name);
    run(&service.source, &tables).await;
    let rows = "insert into {s}.part select g, 3 from generate_series(1, 500) g;
        insert into {s}.\"New Table\" select g, 'x' from generate_series(1, 500) g"
        .replace("{s}", &service.name);
    run(&service.source, &rows).await;
    // As a start leaves it that was killed while it copied new tables.
    let lent = "do $$ declare login text := (select 'pgcleave_' || id || '_forward' from pgcleave.split); begin
        execute format('grant pg_read_all_data to %I', login); execute format('alter role %I bypassrls', login); end $$";
    run(&service.source, lent).await;
    let status = service.run(&["status"]).await.exits(0);
    assert!(status.stdout.contains("_forward reads everything on the source"), "{}", status.stdout);
    service.run(&["cutover"]).await.exits(5);
    let still = "select rolname::text from pg_roles where rolname = (select 'pgcleave_' || id || '_forward' from pgcleave.split)
        and (rolbypassrls or pg_has_role(oid, 'pg_read_all_data', 'member'))";
    assert_eq!(texts(&service.source, still).await, Vec::<String>::new());
    run(&service.target, &tables).await;
    service.run(&["start"]).await.exits(0);
    assert_eq!(texts(&service.source, still).await, Vec::<String>::new());
    run(&service.source, &format!("update {}.part set id = id + 1000 where k = 3", service.name)).await;
    service.run(&["cutover"]).await.exits(0);
    run(&service.target, &format!("delete from {}.part where k = 3 and id > 1400", service.name)).await;
    service.expect_equal().await;
    let count = format!("select count(*)::text from {}.part_3", service.name);
    assert_eq!(texts(&service.source, &count).await, ["400"]);
    service.run(&["rollback"]).await.exits(0);
    service.run(&["abort"]).await.exits(0);
    service.expect_nothing_left().await;
}

#[tokio::test]
async fn a_truncate_is_replicated_with_all_that_it_takes_along() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    run(&service.source, &format!("truncate {}.account cascade", service.name)).await;
    run(&service.source, &format!("truncate {}.part", service.name)).await;
    run(&service.source, &format!("insert into {}.account (balance) values (7)", service.name)).await;
    service.run(&["cutover"]).await.exits(0);
    let counts = format!(
        "select count(*)::text from {s}.entry union all select count(*)::text from {s}.part union all select count(*)::text from {s}.account",
        s = service.name
    );
    assert_eq!(texts(&service.target, &counts).await, ["0", "0", "1"]);
    run(&service.target, &format!("truncate {}.made", service.name)).await;
    service.run(&["rollback"]).await.exits(0);
    service.expect_equal().await;
    assert_eq!(texts(&service.source, &format!("select count(*)::text from {}.made", service.name)).await, ["0"]);
}
