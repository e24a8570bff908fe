//! What `split check` says, `split start` does: what is in the way is named by both, and what only looks like it moves there
//! and back.

use super::{Move, run, texts};

/// A kind of blocker: a schema that has it, and what takes it out of the way.
struct Blocked {
    kind: &'static str,
    made: &'static str,
    mended: &'static str,
}

const BLOCKED: [Blocked; 7] = [
    Blocked {
        kind: "replica-identity",
        made: "create table {s}.event (n int, body json); alter table {s}.event replica identity full; \
               alter table {s}.event owner to {s}_owner",
        mended: "alter table {s}.event alter body type jsonb",
    },
    Blocked {
        kind: "replica-identity",
        made: "create type {s}.place as (name text, at point); alter type {s}.place owner to {s}_owner; \
               create table {s}.shop (n int, places {s}.place[]); alter table {s}.shop replica identity full; \
               alter table {s}.shop owner to {s}_owner",
        mended: "alter table {s}.shop add id int primary key; alter table {s}.shop replica identity default",
    },
    Blocked {
        kind: "replica-identity",
        made: "create table {s}.price (gross int, net int generated always as (gross * 2) stored primary key); \
               alter table {s}.price owner to {s}_owner",
        mended: "alter table {s}.price replica identity full",
    },
    Blocked {
        kind: "event-trigger",
        made: "create function public.refuse() returns event_trigger language plpgsql as \
                 $$ begin if current_setting('app.ddl', true) is distinct from 'yes' then raise exception 'no'; end if; end $$; \
               create event trigger refuse on ddl_command_start execute function public.refuse()",
        mended: "alter event trigger refuse disable",
    },
    Blocked { kind: "target-not-empty", made: "", mended: "" },
    Blocked {
        kind: "needed-by",
        made: "create schema elsewhere; create view elsewhere.seen as select id from {s}.account",
        mended: "drop view elsewhere.seen",
    },
    Blocked {
        kind: "cpl06",
        made: "create schema elsewhere; create table elsewhere.t (id int); \
               create function {s}.peek() returns bigint language sql as 'select count(*) from elsewhere.t'; \
               alter function {s}.peek() owner to {s}_owner",
        mended: "drop function {s}.peek()",
    },
];

/// What looks like a blocker and is none.
const ALIKE: &str = "
    create table {s}.whole (n int, at date, words text[], spans int4range, body jsonb, mail varchar(20));
    alter table {s}.whole replica identity full; insert into {s}.whole values (1, '2026-01-01', '{a,null}', '[1,2)', '{}', 'a@b');
    create table {s}.spot (id int primary key, at point, body json, net int generated always as (1) stored);
    insert into {s}.spot (id, at, body) values (1, '(1,2)', '{}');
    create table {s}.root (id int not null, at date not null) partition by range (at);
    create table {s}.leaf partition of {s}.root for values from ('2026-01-01') to ('2027-01-01');
    create unique index leaf_id on {s}.leaf (id); alter table {s}.leaf replica identity using index leaf_id;
    create table {s}.rest partition of {s}.root default; alter table {s}.rest add primary key (id);
    insert into {s}.root values (1, '2026-05-05'), (2, '2030-01-01');
    alter table {s}.whole owner to {s}_owner; alter table {s}.spot owner to {s}_owner; alter table {s}.root owner to {s}_owner;
    alter table {s}.leaf owner to {s}_owner; alter table {s}.rest owner to {s}_owner;
    create function public.tell() returns event_trigger language plpgsql as
      $$ begin raise notice 'somebody runs %', tg_tag; end $$;
    create event trigger tell on ddl_command_end execute function public.tell()";

fn with_password(url: &str, login: &str, password: &str) -> String {
    url.replace("postgres:postgres@", &format!("{login}:{password}@"))
}

#[tokio::test]
async fn what_check_names_start_refuses_and_its_fix_takes_it_away() {
    let service = Move::new().await;
    let named = |sql: &str| sql.replace("{s}", &service.name);
    let blockers = async || {
        let told = service.run(&["check", "--format", "json"]).await.json();
        let all = told["blockers"].as_array().expect("a list").clone();
        all.iter().map(|item| (item["kind"].to_string(), item["message"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(blockers().await, []);
    for Blocked { kind, made, mended } in BLOCKED {
        let (url, made, mended) = match kind {
            "target-not-empty" => (&service.target, "create schema {s}", "drop schema {s}"),
            _ => (&service.source, made, mended),
        };
        run(url, &named(made)).await;
        let found = blockers().await;
        assert!(found.len() == 1 && found[0].0 == format!("\"{kind}\""), "{made}: {found:?}");
        let refused = service.run(&["start"]).await.exits(3);
        let message = found[0].1.as_str().expect("a sentence");
        assert!(refused.stderr.contains(message), "{message}: {}", refused.stderr);
        let record = "select 'made' where to_regclass('pgcleave.split') is not null";
        assert_eq!(texts(&service.target, record).await.len(), 0, "{kind}");
        run(url, &named(mended)).await;
        run(&service.source, "drop schema if exists elsewhere cascade").await;
        assert_eq!(blockers().await, [], "{mended}");
    }
    service.run(&["start"]).await.exits(0);
}

#[tokio::test]
async fn what_only_looks_like_a_blocker_moves_there_and_back() {
    let service = Move::new().await;
    run(&service.source, &ALIKE.replace("{s}", &service.name)).await;
    service.run(&["check"]).await.exits(0);
    service.run(&["start"]).await.exits(0);
    let change = "update {s}.whole set n = n + 1; update {s}.spot set at = '(3,4)'; update {s}.root set at = at + 1; \
                  delete from {s}.root where id = 2; insert into {s}.root values (2, '2031-01-01')";
    let change = change.replace("{s}", &service.name);
    run(&service.source, &change).await;
    service.expect_equal().await;
    service.run(&["cutover"]).await.exits(0);
    run(&service.target, &change).await;
    service.run(&["rollback"]).await.exits(0);
    run(&service.source, &change).await;
    service.expect_equal().await;
    assert_eq!(texts(&service.target, &format!("select n::text from {}.whole", service.name)).await, ["4"]);
}

#[tokio::test]
async fn a_materialized_view_is_named_or_refreshed_once_the_other_side_has_the_writes() {
    let service = Move::new().await;
    let s = &service.name;
    let views = format!(
        "set role {s}_owner; create materialized view {s}.seen as select count(*) as n from {s}.nothing; \
         create materialized view {s}.never as select 1 as n with no data; \
         create policy few on {s}.nothing using (id < 100); \
         alter table {s}.nothing enable row level security; alter table {s}.nothing force row level security"
    );
    run(&service.source, &views).await;
    service.run(&["start"]).await.exits(0);
    // The owner sees two of them, also in the copy.
    run(&service.source, &format!("insert into {s}.nothing values (1), (2), (100)")).await;
    let seen = format!("select n::text from {s}.seen");
    let told = service.run(&["cutover"]).await.exits(0);
    assert!(told.stderr.contains("--refresh") && told.stderr.contains("\"seen\""), "{}", told.stderr);
    assert!(!told.stderr.contains("\"never\""), "it was empty before: {}", told.stderr);
    assert_eq!(texts(&service.target, &seen).await, ["0"]);
    let told = service.run(&["cutover", "--refresh"]).await.exits(0);
    assert!(!told.stderr.contains("--refresh"), "{}", told.stderr);
    assert_eq!(texts(&service.target, &seen).await, ["2"]);
    service.run(&["rollback", "--refresh"]).await.exits(0);
    assert_eq!(texts(&service.source, &seen).await, ["2"]);
}

#[tokio::test]
async fn whoever_uses_only_this_schema_logs_in_afterwards_with_the_same_password() {
    let service = Move::new().await;
    let s = &service.name;
    run(
        &service.source,
        &format!(
            "create role {s}x_direct login password 'direct' connection limit 7; create role {s}x_group;
             create role {s}x_inner in role {s}x_group; create role {s}x_member login password 'member' in role {s}x_inner;
             set password_encryption = md5; create role {s}x_old login password 'old'; reset password_encryption;
             alter role {s}x_direct set search_path = {s};
             grant usage on schema {s} to {s}x_direct, {s}x_group, {s}x_old;
             grant select, insert, update on {s}.account to {s}x_direct, {s}x_group, {s}x_old;
             create schema other; create table other.t (id int);
             create role {s}x_mighty login createrole password 'mighty'; grant select on {s}.account to {s}x_mighty;
             create role {s}x_both login password 'both'; grant usage on schema {s}, other to {s}x_both;
             grant select on {s}.account, other.t to {s}x_both"
        ),
    )
    .await;
    let kinds = async |allow: &[&str]| {
        let told = service.run(&[&["check", "--format", "json"], allow].concat()).await.json();
        let all = told["blockers"].as_array().expect("a list").clone();
        all.iter().map(|item| (item["kind"].to_string(), item["object"].clone())).collect::<Vec<_>>()
    };
    let login = |name: &str| ("\"login\"".to_owned(), serde_json::Value::from(format!("{s}x_{name}")));
    // pg_hba.conf of the test servers has scram-sha-256 for everybody from outside.
    assert_eq!(kinds(&[]).await, [login("both"), login("mighty"), login("old")]);
    assert!(service.run(&["start"]).await.exits(3).stderr.contains("--allow login"));
    run(&service.source, &format!("alter role {s}x_old password 'old'")).await;
    assert_eq!(kinds(&[]).await, [login("both"), login("mighty")]);
    let told = service.run(&["check"]).await.stdout;
    assert!(told.contains(&format!("{s}x_direct comes along with its stored password")), "{told}");
    assert_eq!(kinds(&["--allow", "login"]).await, []);
    service.run(&["start", "--allow", "login"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    for name in ["direct", "member", "old"] {
        let url = with_password(&service.target, &format!("{s}x_{name}"), name);
        run(&url, &format!("update {s}.account set balance = balance + 1 where id = 1")).await;
    }
    let direct = with_password(&service.target, &format!("{s}x_direct"), "direct");
    assert_eq!(texts(&direct, "select balance::text from account where id = 1").await, ["3"]);
    let known = format!("select rolname::text from pg_roles where rolname like '{s}x\\_%' order by 1");
    let names = ["both", "direct", "group", "inner", "member", "mighty", "old"].map(|name| format!("{s}x_{name}"));
    assert_eq!(texts(&service.target, &known).await, names);
    let closed =
        format!("select rolname::text from pg_roles where rolname like '{s}x\\_%' and not rolcanlogin order by 1");
    let names = ["both", "group", "inner", "mighty"].map(|name| format!("{s}x_{name}"));
    assert_eq!(texts(&service.target, &closed).await, names, "who stays behind is only a name in grants");
    service.run(&["rollback"]).await.exits(0);
    service.run(&["abort"]).await.exits(0);
    assert_eq!(texts(&service.target, &known).await, Vec::<String>::new());
}
