//! What names a constraint or an index travels with it, wherever a load puts that.

use pgcleave::archive::import as archive_import;
use pgcleave::event::Event;
use pgcleave::interrupt::Interrupt;

use super::{Room, assert_equal, export, import, importing, needs_pg_dump, restore, target};
use crate::support::TestDb;

#[tokio::test]
async fn comments_choices_and_statistics_follow_what_they_name() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    source
        .run(&format!(
            "create role {p}o; create schema depot authorization {p}o; create extension citext; set role {p}o;
             create table depot.shelf (id int primary key, code int not null, constraint shelf_code unique (code));
             create table depot.box (id int primary key, shelf int constraint box_shelf_fk references depot.shelf,
               note text, at int4range,
               constraint box_at exclude using gist (at with &&));
             alter table depot.box add constraint note_short check (length(note) < 100) not valid;
             create table depot.part (id int, box int, primary key (id)) partition by range (id);
             create table depot.part_1 partition of depot.part for values from (1) to (10);
             alter table depot.part add constraint part_box_fk foreign key (box) references depot.box deferrable;
             insert into depot.shelf values (1, 1); insert into depot.box values (1, 1, 'n', '[1,2)');
             insert into depot.part values (1, 1);
             create index box_note on depot.box ((lower(note)), shelf);
             alter index depot.box_note alter column 1 set statistics 77;
             alter table depot.box cluster on box_note;
             alter table depot.shelf replica identity using index shelf_code;
             create function depot.t() returns trigger language plpgsql as $$ begin return new; end $$;
             create trigger t before insert on depot.box for each row execute function depot.t();
             create domain depot.d as int constraint positive check (value > 0);
             create view depot.grouped as select id, code, count(*) from depot.shelf group by id;
             comment on constraint box_shelf_fk on depot.box is 'a box; stands on a shelf';
             comment on constraint part_box_fk on depot.part is 'p'; comment on constraint shelf_code on depot.shelf is 'u';
             comment on constraint shelf_pkey on depot.shelf is 'k'; comment on constraint note_short on depot.box is 'c';
             comment on constraint box_at on depot.box is 'x'; comment on constraint positive on domain depot.d is 'd';
             comment on index depot.box_note is 'i'; comment on trigger t on depot.box is 't';
             reset role; alter index depot.box_note depends on extension citext;
             alter trigger t on depot.box depends on extension citext",
            p = source.prefix()
        ))
        .await;
    let room = Room::new();
    export(&source, "depot", &room.at("a")).await.expect("an export");
    import(&room.at("a"), &copy).await.expect("an import");
    assert_equal(&room.at("a"), &source, &copy, "depot").await;
    let comments = "select count(*)::text from pg_catalog.pg_description
        where classoid = 'pg_catalog.pg_constraint'::regclass and description in ('a box; stands on a shelf', 'p', 'u', 'k', 'c', 'x', 'd')";
    assert_eq!(copy.texts(comments).await, ["7"]);
    let dependents = "select count(*)::text from pg_catalog.pg_depend where deptype = 'x'";
    assert_eq!(copy.texts(dependents).await, source.texts(dependents).await);
}

#[tokio::test]
async fn a_forced_policy_hides_no_row_from_the_check_of_a_key() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    source
        .run(&format!(
            "create role {p}o; create schema depot authorization {p}o; set role {p}o;
             create table depot.shelf (id int primary key);
             create table depot.box (id int primary key, shelf int references depot.shelf);
             insert into depot.shelf values (1), (2); insert into depot.box values (1, 1), (2, 2);
             create policy mine on depot.shelf using (id > 1); create policy mine on depot.box using (id > 1);
             alter table depot.shelf enable row level security; alter table depot.shelf force row level security;
             alter table depot.box enable row level security; alter table depot.box force row level security;
             create materialized view depot.seen as select id from depot.box",
            p = source.prefix()
        ))
        .await;
    let room = Room::new();
    export(&source, "depot", &room.at("a")).await.expect("an export");
    import(&room.at("a"), &copy).await.expect("an import");
    let facts = "select conname || convalidated from pg_catalog.pg_constraint where contype = 'f'
        union all select relname || relrowsecurity || relforcerowsecurity from pg_catalog.pg_class where relname in ('shelf', 'box')
        union all select id::text from depot.seen order by 1";
    assert_eq!(copy.texts(facts).await, source.texts(facts).await);
    assert_eq!(copy.texts("select count(*)::text from depot.box").await, ["2"]);
}

#[tokio::test]
async fn a_materialized_view_whose_query_fails_in_the_copy_stays_empty_and_is_named() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&source).await;
    source
        .run(&format!(
            "create role {p}o; create schema depot authorization {p}o; set role {p}o;
             create table depot.box (id int primary key); insert into depot.box values (1), (2);
             create function depot.count_boxes() returns bigint language plpgsql as
               'begin if current_database() <> ''{here}'' then raise exception ''not here''; end if; return (select count(*) from depot.box); end';
             create materialized view depot.counted as select depot.count_boxes() as n;
             create materialized view depot.twice as select 2 * n as n from depot.counted;
             create materialized view depot.seen as select id from depot.box",
            p = source.prefix(),
            here = source.name()
        ))
        .await;
    let room = Room::new();
    export(&source, "depot", &room.at("a")).await.expect("an export");
    let said = std::sync::Mutex::new(Vec::new());
    let listener = |event: Event| {
        if let Event::Warning { message } = event {
            said.lock().expect("nobody panics with it").push(message);
        }
    };
    let options = importing(Interrupt::default());
    archive_import::import(&room.at("a").into(), &target(&copy), &options, &listener).await.expect("an import");
    let filled =
        "select relname::text || ' ' || relispopulated from pg_catalog.pg_class where relkind = 'm' order by 1";
    assert_eq!(copy.texts(filled).await, ["counted false", "seen true", "twice false"]);
    let restored = TestDb::new().await;
    let output = restore(&room.at("a"), &restored.url(), &format!("{}restorer", restored.prefix())).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.contains("not here"), "{errors}");
    assert_eq!(errors.matches("a materialized view stays empty").count(), 2, "{errors}");
    assert_eq!(restored.texts(filled).await, ["counted false", "seen true", "twice false"]);
    let said = said.into_inner().expect("nobody panics with it");
    let of = |view: &str, why: &str| said.iter().any(|s| s.contains(&format!("\"{view}\"")) && s.contains(why));
    assert!(said.len() == 2 && of("counted", "not here") && of("twice", "has not been populated"), "{said:#?}");
}
