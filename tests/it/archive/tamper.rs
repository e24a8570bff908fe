//! What an export carries and somebody changes afterwards is a difference.

use pgcleave::archive::export;
use pgcleave::archive::import;
use pgcleave::archive::verify::{NotCompared, Place, Verified};
use pgcleave::interrupt::Interrupt;
use pgcleave::pg::connect::Target;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{Room, compare, importing, needs_pg_dump, options, pgcleave};
use crate::support::{Dedicated, TestDb};

/// What is changed, how it is changed back, and what differs in between.
type Tampering = (&'static str, &'static str, &'static str);

const TAMPERINGS: [Tampering; 18] = [
    (
        "alter table depot.tails disable trigger all",
        "alter table depot.tails enable trigger all",
        "constraint trigger tails.tails_head_fkey",
    ),
    (
        "alter table depot.heads disable trigger all",
        "alter table depot.heads enable trigger all",
        "constraint trigger heads.heads_pos_key, constraint trigger heads.tails_head_fkey",
    ),
    (
        "alter table depot.things validate constraint note_short",
        "alter table depot.things drop constraint note_short;
         alter table depot.things add constraint note_short check (pg_catalog.length(note) < 100) not valid",
        "constraint things.note_short",
    ),
    (
        "alter default privileges for role depot_owner revoke execute on functions from depot_ro",
        "alter default privileges for role depot_owner grant execute on functions to depot_ro",
        "default privileges on routines of depot_owner",
    ),
    (
        "alter role depot_app reset statement_timeout",
        "alter role depot_app set statement_timeout = '7s'",
        "setting statement_timeout of role depot_app",
    ),
    (
        "alter role depot_app in database copy set search_path = public",
        "alter role depot_app in database copy set search_path = depot, public",
        "setting search_path in the database of role depot_app",
    ),
    ("revoke depot_owner from depot_app", "grant depot_owner to depot_app", "membership of depot_app in depot_owner"),
    (
        "grant depot_owner to depot_app with admin option",
        "revoke admin option for depot_owner from depot_app",
        "membership of depot_app in depot_owner",
    ),
    ("grant depot_app to outsider", "revoke depot_app from outsider", "membership of outsider in depot_app"),
    ("alter role depot_app password 'other'", "", "password of role depot_app"),
    ("alter role depot_app password null", "", "password of role depot_app"),
    ("alter role depot_app nologin", "alter role depot_app login", "role depot_app"),
    ("alter role depot_app connection limit 8", "alter role depot_app connection limit 7", "role depot_app"),
    (
        "alter role depot_app valid until '2101-01-01'",
        "alter role depot_app valid until '2100-01-01'",
        "role depot_app",
    ),
    ("alter role depot_ro noinherit", "alter role depot_ro inherit", "role depot_ro"),
    (
        "grant create on database copy to outsider",
        "revoke create on database copy from outsider",
        "privileges on the database of role outsider",
    ),
    (
        "alter operator depot.<<<(int, int) set (restrict = none)",
        "alter operator depot.<<<(int, int) set (restrict = pg_catalog.scalarltsel)",
        "operator depot.<<<(integer,integer)",
    ),
    (
        "update depot.things set note = 'changed' where id = 7; refresh materialized view depot.notes;
         update depot.things set note = 'note 7' where id = 7",
        "refresh materialized view depot.notes",
        "materialized view depot.notes",
    ),
];

/// What only servers from 18 on have.
const SINCE_18: Tampering = (
    "alter table depot.tails alter constraint tails_head_fkey not enforced",
    "alter table depot.tails alter constraint tails_head_fkey enforced",
    "constraint tails.tails_head_fkey",
);

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the superuser can connect");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
    let _ = connection.close().await;
}

/// Names what differs.
fn differing(verified: &Verified) -> String {
    let tables = verified.tables.iter().filter(|t| !t.equal).map(|t| format!("table {}", t.table));
    let views = verified.materialized_views.iter().filter(|v| !v.equal);
    let views = views.map(|v| format!("materialized view {}", v.table));
    let definitions = verified.definitions.iter().map(|d| d.object.clone());
    tables.chain(views).chain(definitions).collect::<Vec<_>>().join(", ")
}

/// Two servers, the second with what was exported from the first.
struct Depot {
    source: Dedicated,
    target: Dedicated,
    room: Room,
}

impl Depot {
    async fn new() -> Self {
        let shared = TestDb::new().await;
        needs_pg_dump(&shared).await;
        let (source, target) = (Dedicated::start().await, Dedicated::start().await);
        run(&source.url("postgres"), "create database shop").await;
        run(&target.url("postgres"), "create database copy").await;
        run(&source.url("shop"), include_str!("tamper.sql")).await;
        let depot = Self { source, target, room: Room::new() };
        let mut with = options(&shared, "depot").await;
        with.verifiers = true;
        let archive = depot.room.at("depot").into();
        export::export(&depot.first(), &archive, &with, &|_| {}).await.expect("an export");
        let how = importing(Interrupt::default());
        import::import(&archive, &depot.second(), &how, &|_| {}).await.expect("an import");
        depot
    }

    fn first(&self) -> Target {
        Target::parse(&self.source.url("shop").into()).expect("a connection string")
    }

    fn second(&self) -> Target {
        Target::parse(&self.target.url("copy").into()).expect("a connection string")
    }

    async fn databases(&self) -> Verified {
        compare(Place::Database(self.first()), Place::Database(self.second()), "depot").await
    }

    async fn with_archive(&self) -> Verified {
        compare(Place::Archive(self.room.at("depot").into()), Place::Database(self.second()), "depot").await
    }
}

#[tokio::test]
async fn each_tampering_is_a_difference_and_is_none_once_it_is_undone() {
    let depot = Depot::new().await;
    let (equal, archived) = (depot.databases().await, depot.with_archive().await);
    assert_eq!((differing(&equal).as_str(), differing(&archived).as_str()), ("", ""));
    assert!(equal.equal && archived.equal && equal.not_compared.is_empty());
    assert_eq!(archived.not_compared, [NotCompared::ViewOfArchive { view: "depot.notes".to_owned() }]);

    let copy = depot.target.url("copy");
    let mut verifier = PgConnection::connect(&depot.source.url("shop")).await.expect("the superuser can connect");
    let query = "select rolpassword from pg_catalog.pg_authid where rolname = 'depot_app'";
    let verifier: String = sqlx::query_scalar(query).fetch_one(&mut verifier).await.expect("a verifier");
    let password = format!("alter role depot_app password '{verifier}'");
    let mut wrong = Vec::new();
    let newer = (depot.target.major() >= 18).then_some(SINCE_18);
    for (tampering, undo, expected) in TAMPERINGS.into_iter().chain(newer) {
        run(&copy, tampering).await;
        let both = depot.databases().await;
        if differing(&both) != expected || both.equal {
            wrong.push(format!("{tampering}: {:?} instead of {expected:?}", differing(&both)));
        }
        let shown = pgcleave::report::verify::human(&both) + &pgcleave::report::verify::json(&both);
        assert!(!shown.contains("SCRAM-SHA-256") && !shown.contains(&verifier), "{shown}");
        let archived = depot.with_archive().await;
        let known = if expected.starts_with("materialized view") { "" } else { expected };
        if differing(&archived) != known {
            wrong.push(format!("{tampering}, archive: {:?} instead of {known:?}", differing(&archived)));
        }
        run(&copy, if undo.is_empty() { &password } else { undo }).await;
    }
    let left = differing(&depot.databases().await);
    if !left.is_empty() {
        wrong.push(format!("left after the last: {left}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_belongs_to_pgcleave_on_one_server_is_no_difference() {
    let depot = Depot::new().await;
    run(
        &depot.source.url("shop"),
        "create role pgcleave_connect; grant pgcleave_connect to depot_app; grant connect on database shop to pgcleave_connect;
         create role stg_pgcleave_temporary_shop; grant stg_pgcleave_temporary_shop to depot_app, depot_owner;
         create role pgcleave_34d392e5_apply_source login; grant depot_owner to pgcleave_34d392e5_apply_source;
         create role pgcleave_34d392e5_forward login; grant usage on schema depot to pgcleave_34d392e5_forward;
         grant select on depot.heads to pgcleave_34d392e5_forward;
         create function public.stop() returns trigger language plpgsql as 'begin raise exception ''moved''; end';
         create trigger pgcleave_34d392e5_moved before insert on depot.heads for each statement execute function public.stop();
         alter table depot.heads enable always trigger pgcleave_34d392e5_moved",
    )
    .await;
    let verified = depot.databases().await;
    assert!(verified.equal, "{}", differing(&verified));
    run(
        &depot.source.url("shop"),
        "create trigger pgcleave_moved before insert on depot.heads for each statement execute function public.stop()",
    )
    .await;
    assert_eq!(differing(&depot.databases().await), "trigger heads.pgcleave_moved");
    run(&depot.source.url("shop"), "drop trigger pgcleave_moved on depot.heads").await;
    // On the other side nothing gives it CONNECT any more.
    run(&depot.target.url("copy"), "revoke connect on database copy from public").await;
    assert_eq!(differing(&depot.databases().await), "connection of role depot_app");
}

#[tokio::test]
async fn a_verifier_that_nobody_may_read_is_named_and_not_compared() {
    let depot = Depot::new().await;
    run(
        &depot.target.url("copy"),
        "create role reader login password 'reads'; grant usage on schema depot to reader;
         grant select on all tables in schema depot to reader; grant usage, select on all sequences in schema depot to reader",
    )
    .await;
    let url = depot.target.url("copy");
    let mut url = url::Url::parse(&url).expect("a connection string");
    url.set_username("reader").expect("it has a host");
    url.set_password(Some("reads")).expect("it has a host");
    let reader = Place::Database(Target::parse(&url.to_string().into()).expect("a connection string"));
    run(&depot.target.url("copy"), "alter role depot_app password 'other'").await;
    let verified = compare(Place::Database(depot.first()), reader, "depot").await;
    assert_eq!(verified.not_compared, [NotCompared::Passwords]);
    assert!(!differing(&verified).contains("password"), "{}", differing(&verified));
    assert!(pgcleave::report::verify::human(&verified).contains("Not compared: passwords"));
}

#[tokio::test]
async fn two_databases_of_one_server_have_the_same_roles() {
    let (a, b) = (TestDb::new().await, TestDb::new().await);
    let role = format!("{}shop_app", a.prefix());
    a.run(&format!("create role {role} login")).await;
    for db in [&a, &b] {
        db.run(&format!(
            "create schema shop; grant usage on schema shop to {role}; grant connect on database {} to {role};
             create table public.other (id int); grant select on public.other to {role}",
            db.name()
        ))
        .await;
    }
    a.run(&format!("alter role {role} in database {} set work_mem = '5MB'", a.name())).await;
    let verified = super::compare(super::database(&a), super::database(&b), "shop").await;
    // It uses other schemas, too, and is only named by a grant: its settings do not go along.
    assert!(verified.equal, "{}", differing(&verified));
    assert_eq!(verified.not_compared, [NotCompared::SameServer]);
    b.run(&format!("revoke connect on database {} from {role}", b.name())).await;
    let verified = super::compare(super::database(&a), super::database(&b), "shop").await;
    assert_eq!(differing(&verified), format!("privileges on the database of role {role}"));
}

#[tokio::test]
async fn inherited_columns_in_another_order_are_the_same_rows() {
    let (a, b) = (TestDb::new().await, TestDb::new().await);
    needs_pg_dump(&a).await;
    let start = "create schema shop; create table shop.pet (id int primary key, name text);";
    a.run(&format!(
        "{start} create table shop.dog (bark text) inherits (shop.pet); alter table shop.pet add age int;
         insert into shop.dog (id, name, bark, age) select g, 'dog ' || g, 'wuff', g from generate_series(1, 99) g"
    ))
    .await;
    b.run(&format!(
        "{start} alter table shop.pet add age int; create table shop.dog (bark text) inherits (shop.pet);
         insert into shop.dog (id, name, bark, age) select g, 'dog ' || g, 'wuff', g from generate_series(1, 99) g"
    ))
    .await;
    let room = Room::new();
    for (name, db) in [("a", &a), ("b", &b)] {
        super::export(db, "shop", &room.at(name)).await.expect("an export");
    }
    let archive = |name: &str| Place::Archive(room.at(name).into());
    let sides = || {
        [
            (super::database(&a), super::database(&b)),
            (archive("a"), super::database(&b)),
            (super::database(&a), archive("b")),
            (archive("a"), archive("b")),
        ]
    };
    for (first, second) in sides() {
        let verified = super::compare(first, second, "shop").await;
        assert!(verified.equal, "{}", pgcleave::report::verify::human(&verified));
    }
    b.run("update shop.dog set bark = 'wau' where id = 7").await;
    for (first, second) in sides().into_iter().take(2) {
        let verified = super::compare(first, second, "shop").await;
        let dog = verified.tables.iter().find(|t| t.table == "shop.dog").expect("it is there");
        assert!(!dog.equal && dog.first_differences.iter().any(|d| d.key.contains('7')), "{dog:?}");
    }
}

#[tokio::test]
async fn verify_ends_with_4_where_something_differs() {
    let (a, b) = (TestDb::new().await, TestDb::new().await);
    for db in [&a, &b] {
        db.run("create schema shop; create table shop.t (id int primary key)").await;
    }
    let verify = async || {
        let child = pgcleave(&a, &["verify", &a.url(), &b.url(), "--schema", "shop"]).await;
        child.wait_with_output().expect("it ends")
    };
    let output = verify().await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    b.run("insert into shop.t values (1)").await;
    let output = verify().await;
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stdout));
}
