//! What lies outside of a schema is not dropped with it: by finish --drop, abort, or a copy that begins anew.

use super::{Move, run, texts};

/// Objects of another schema that need extensions in schema `{s}`.
const SHELF: &str = "create extension pg_trgm schema {s}; create extension \"uuid-ossp\" schema {s}; create extension btree_gist schema {s};
    create function {s}.one() returns int language sql immutable return 1; create type {s}.mood as enum ('glad');
    create schema shelf;
    create table shelf.i (id int primary key, title text); create index i_trgm on shelf.i using gin (title {s}.gin_trgm_ops);
    create table shelf.d (id uuid primary key default {s}.uuid_generate_v4());
    create table shelf.c (t text check ({s}.similarity(t, 'x') < 1));
    create view shelf.v as select {s}.similarity('a', 'b') as s;
    create table shelf.x (room int, during tstzrange, exclude using gist (room {s}.gist_int4_ops with =, during with &&));
    create table shelf.e (t text); create index e_un on shelf.e (length(t)) where {s}.similarity(t, 'x') > 0;
    create table shelf.g (t text, s real generated always as ({s}.similarity(t, 'x')) stored);
    create table shelf.m (id int, m {s}.mood);
    create function shelf.f() returns int begin atomic select {s}.one(); end;
    create table shelf.p (id int); alter table shelf.p enable row level security; create policy p on shelf.p using ({s}.one() = 1);
    create publication others for table {s}.nothing";

/// What has to be named.
const NAMED: [&str; 12] = [
    "index shelf.i_trgm",
    "default value for column id of table shelf.d",
    "constraint c_t_check on table shelf.c",
    "view shelf.v",
    "constraint x_room_during_excl on table shelf.x",
    "index shelf.e_un",
    "column s of table shelf.g",
    "column m of table shelf.m",
    "function shelf.f()",
    "policy p on table shelf.p",
    "publication of table",
    "others",
];

/// What is left of them.
const LEFT: &str = "select (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'shelf')
    || ' ' || (select count(*) from pg_constraint where connamespace = 'shelf'::regnamespace)
    || ' ' || (select count(*) from pg_attribute a join pg_class c on c.oid = a.attrelid
      where c.relnamespace = 'shelf'::regnamespace and a.attnum > 0 and not a.attisdropped)
    || ' ' || (select count(*) from pg_attrdef) || ' ' || (select count(*) from pg_policy) || ' ' || (select count(*) from pg_publication_rel)";

async fn refused(service: &Move, url: &str, command: &[&str]) {
    let before = texts(url, LEFT).await;
    let answer = service.run(command).await.exits(5);
    assert!(answer.stderr.contains("split-drops-outside"), "{}", answer.stderr);
    for named in NAMED {
        assert!(answer.stderr.contains(named), "{named}: {}", answer.stderr);
    }
    assert_eq!(texts(url, LEFT).await, before, "{command:?}");
}

const NO_SHELF: &str = "drop schema shelf cascade; drop publication others";

#[tokio::test]
async fn a_kept_schema_is_not_dropped_with_what_others_have_built_on_its_extensions() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    service.run(&["cutover"]).await.exits(0);
    service.run(&["finish", "--bridge", "none", "--keep", "0"]).await.exits(0);
    let kept = service.kept().await.remove(0);
    run(&service.source, &SHELF.replace("{s}", &kept)).await;
    refused(&service, &service.source, &["finish", "--drop", &kept]).await;
    assert_eq!(service.kept().await, [kept.as_str()]);
    run(&service.source, NO_SHELF).await;
    service.run(&["finish", "--drop", &kept]).await.exits(0);
    assert_eq!(service.kept().await, Vec::<String>::new());
}

#[tokio::test]
async fn neither_an_abort_nor_a_new_copy_drops_what_others_have_built_on_the_target() {
    let service = Move::new().await;
    service.run(&["start"]).await.exits(0);
    run(&service.target, &SHELF.replace("{s}", &service.name)).await;
    let anew = "update pgcleave.split set revision = revision + 1, record = record || \
        jsonb_build_object('phase', 'copying', 'revision', revision + 1)";
    run(&service.source, anew).await;
    run(&service.target, anew).await;
    refused(&service, &service.target, &["start"]).await;
    refused(&service, &service.target, &["abort"]).await;
    run(&service.target, NO_SHELF).await;
    // Nor what a role that came along owns elsewhere.
    let own = format!(
        "create table public.own_{s} (id int); alter table public.own_{s} owner to {s}_owner",
        s = service.name
    );
    run(&service.target, &own).await;
    let answer = service.run(&["abort"]).await.exits(5);
    let table = format!("table public.own_{}", service.name);
    assert!(answer.stderr.contains("split-drops-outside") && answer.stderr.contains(&table), "{}", answer.stderr);
    run(&service.target, &format!("drop {table}")).await;
    service.run(&["abort"]).await.exits(0);
    service.expect_nothing_left().await;
}
