//! Whoever reads a schema's rows is its owner, or a login that can do nothing else.
//!
//! Every trap raises an error when it runs as anybody but the owner, so a command that springs one fails.

use std::path::PathBuf;

use pgcleave::ident::Ident;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::{Answer, Project, TestDb, pg_dump_folder};

/// A service `shop` with traps, and somebody who exports it.
struct Shop {
    db: TestDb,
    project: Project,
    url: String,
    programs: Option<PathBuf>,
    room: tempfile::TempDir,
}

impl Shop {
    /// As the superuser, and as an administrator with CREATEROLE who can grant the owner but is no member of it.
    async fn both() -> [Self; 2] {
        let (one, two) = (TestDb::new().await, TestDb::new().await);
        let (superuser, admin) = (one.url(), two.createrole_admin().await);
        [Self::new(one, superuser).await, Self::new(two, admin).await]
    }

    async fn new(db: TestDb, url: String) -> Self {
        let owner = format!("{}shop_owner", db.prefix());
        let mut admin = PgConnection::connect(&url).await.expect("a login");
        sqlx::raw_sql(AssertSqlSafe(format!("create role {owner} nologin"))).execute(&mut admin).await.expect("a role");
        admin.close().await.expect("it closes");
        db.run(&format!("create schema shop authorization {owner}")).await;
        let mut project = Project::new(&db);
        project.connect_as(url.clone());
        project.manifest("other", "");
        let programs = pg_dump_folder(db.major()).await;
        Self { db, project, url, programs, room: tempfile::tempdir().expect("a folder") }
    }

    fn owner(&self) -> String {
        format!("{}shop_owner", self.db.prefix())
    }

    /// Runs statements as the owner, who owns what they make.
    async fn own(&self, sql: &str) {
        self.db.run(&format!("set role {}; set search_path = shop; {sql}", self.owner())).await;
    }

    /// Makes `shop.trap()`, which only claims to be immutable: it fails as anybody who is not as `harmless` says.
    async fn trap(&self, harmless: &str) {
        self.own(&format!(
            "create function sprung() returns text language plpgsql volatile as $$ begin
               if not ({harmless}) then raise exception 'the trap ran as % in a session of %', current_user, session_user; end if;
               return ''; end $$;
             create function trap() returns text language plpgsql immutable parallel safe as $$ begin return shop.sprung(); end $$"
        ))
        .await;
    }

    /// Insists that the trap fires for somebody else.
    async fn fires(&self, sql: &str) {
        let mut superuser = self.db.connect().await;
        let error = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut superuser).await.expect_err("the trap is armed");
        assert!(error.to_string().contains("the trap ran as"), "{sql}: {error}");
    }

    fn at(&self, name: &str) -> String {
        self.room.path().join(name).display().to_string()
    }

    fn export(&self, name: &str, kind: &str) -> Answer {
        let (to, jobs) = (self.at(name), "2");
        let mut arguments = vec!["export", "shop", "--to", &to, "--as", kind, "--jobs", jobs];
        let programs = self.programs.as_ref().map(|folder| folder.display().to_string());
        if let (Some(programs), "archive") = (&programs, kind) {
            arguments.extend(["--pg-bin", programs]);
        }
        self.project.run(&arguments)
    }

    fn verify(&self, a: &str, b: &str) -> Answer {
        let mut command = self.project.command(&["verify", a, b, "--schema", "shop", "--format", "json"]);
        command.env("SHOP_URL", &self.url);
        crate::support::answer(command.output().expect("the binary runs"))
    }

    /// Reads the rows in every way that there is; each must succeed.
    fn read_everything(&self) {
        self.export("archive", "archive").exits(0);
        self.export("csv", "csv").exits(0);
        self.export("jsonl", "jsonl").exits(0);
        self.verify("env:SHOP_URL", "env:SHOP_URL").exits(0);
        self.verify(&self.at("archive"), "env:SHOP_URL").exits(0);
    }

    /// Insists that no login is left, and no grant to one.
    async fn nothing_left(&self) {
        let logins = "select count(*)::text from pg_roles where rolname like \
            '%pgcleave_tmp_' || (select lpad(to_hex(oid::int8), 8, '0') from pg_database where datname = current_database()) || '_%'";
        assert_eq!(self.db.texts(logins).await, ["0"]);
        let grants = "select count(*)::text from pg_class c, aclexplode(c.relacl) x \
            where c.relnamespace = 'shop'::regnamespace and not exists (select from pg_roles r where r.oid = x.grantee) and x.grantee <> 0";
        assert_eq!(self.db.texts(grants).await, ["0"]);
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.room.path().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }
}

const OWNER_ONLY: &str = "current_user like '%shop_owner' and session_user not in (select rolname from pg_catalog.pg_roles where rolsuper or rolcreaterole)";

#[tokio::test]
async fn planning_runs_as_the_owner() {
    for shop in Shop::both().await {
        // made by the owner in a superuser's session: the trap is armed afterwards
        shop.trap("true").await;
        shop.own(
            "create table t (id int primary key, v text); insert into t select g, 'v' || g from generate_series(1, 50) g;
             create index on t ((v || shop.trap()));
             create table wide (id int primary key, b text); alter table wide alter b set storage external;
             insert into wide select i, repeat('x', 9000) from generate_series(1, 8) i;
             insert into wide values (9, repeat('y', 5 << 20));
             create index on wide ((id::text || shop.trap())) where shop.trap() = '';
             create statistics st on (v || shop.trap()), id from t;
             create sequence q",
        )
        .await;
        shop.trap_is_armed(OWNER_ONLY).await;
        shop.fires("explain select * from shop.t where v = 'a'").await;
        shop.read_everything();
        shop.nothing_left().await;
    }
}

#[tokio::test]
async fn casts_of_users_decide_no_value() {
    for shop in Shop::both().await {
        shop.own(
            "create type mood as enum ('sad', 'ok'); create type pair as (l int, r text); create domain name2 as mood;
             create function said(mood) returns text language sql immutable as $$ select 'same' $$;
             create function said(pair) returns text language sql immutable as $$ select 'same' $$;
             create function as_json(mood) returns json language sql immutable as $$ select '\"same\"'::json $$;
             create cast (mood as text) with function said(mood) as assignment;
             create cast (pair as text) with function said(pair) as implicit;
             create cast (mood as json) with function as_json(mood) as assignment;
             create table t (id int primary key, m mood, d name2, p pair, ms mood[]);
             insert into t values (1, 'sad', 'ok', row(1, null), '{sad,ok}'), (2, null, null, null, null), (3, 'ok', 'sad', row(null, null), '{}')",
        )
        .await;
        assert_eq!(shop.db.texts("select m::text from shop.t where id = 1").await, ["same"], "the trap is armed");
        shop.read_everything();
        let lines = shop.text("jsonl/t.jsonl");
        assert!(!lines.contains("same"), "{lines}");
        let first: serde_json::Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
        assert_eq!(
            (&first["m"], &first["d"], &first["ms"]),
            (&"sad".into(), &"ok".into(), &"{sad,ok}".into()),
            "{lines}"
        );
        assert!(lines.contains(r#""m":null"#), "{lines}");
        // A change that the casts would hide is found, between two databases and against the archive.
        let copy = TestDb::new().await;
        let at = shop.at("archive");
        let mut import = shop.project.command(&["import", &at, "--jobs", "1"]);
        import.env("DATABASE_URL", copy.url());
        crate::support::answer(import.output().expect("the binary runs")).exits(0);
        let verify = |a: &str| {
            let mut command =
                shop.project.command(&["verify", a, "env:COPY_URL", "--schema", "shop", "--format", "json"]);
            command.env("SHOP_URL", &shop.url).env("COPY_URL", copy.url());
            crate::support::answer(command.output().expect("the binary runs"))
        };
        for side in [at.as_str(), "env:SHOP_URL"] {
            let same = verify(side).json();
            assert_eq!(same["tables"][0]["equal"], true, "{same}");
        }
        for change in [
            "m = 'ok' where id = 1",
            "p = row(2, null)::shop.pair where id = 1",
            "p = null where id = 3",
            "ms = '{ok}' where id = 1",
        ] {
            copy.run(&format!("begin; update shop.t set {change}; commit")).await;
            for side in [at.as_str(), "env:SHOP_URL"] {
                let other = verify(side).json();
                assert_eq!(other["tables"][0]["equal"], false, "{change}: {other}");
            }
            copy.run("update shop.t set m = 'sad', p = row(1, null)::shop.pair, ms = '{sad,ok}' where id = 1; update shop.t set p = row(null, null)::shop.pair where id = 3").await;
        }
        shop.nothing_left().await;
    }
}

#[tokio::test]
async fn each_owner_reads_its_own() {
    for shop in Shop::both().await {
        let other = format!("{}other", shop.db.prefix());
        let mut admin = PgConnection::connect(&shop.url).await.expect("a login");
        sqlx::raw_sql(AssertSqlSafe(format!("create role {other} nologin"))).execute(&mut admin).await.expect("a role");
        shop.trap("true").await;
        shop.own(
            "create table t (id int primary key, v text); insert into t values (1, 'a'); create index on t ((v || shop.trap()));
             create table u (id int primary key, v text); insert into u values (1, 'b'); create sequence q; select nextval('q')",
        )
        .await;
        shop.db.run(&format!(
            "alter table shop.u owner to {other}; alter sequence shop.q owner to {other}; grant usage on schema shop to {other}"
        )).await;
        shop.trap_is_armed(OWNER_ONLY).await;
        shop.read_everything();
        let sequences = shop.text("archive/40_sequences.sql");
        assert!(sequences.contains(r#"'"shop"."q"'::pg_catalog.regclass, 1, true"#), "{sequences}");
        shop.nothing_left().await;
        // What the owner may not read is said with the grant that helps.
        shop.db.run(&format!("revoke select on shop.u from {other}")).await;
        let lacks = shop.export("lacks", "csv").exits(5);
        assert!(
            lacks.stderr.contains(&format!(r#"grant select on table "shop"."u" to "{other}""#)),
            "{}",
            lacks.stderr
        );
        shop.db
            .run(&format!(
                "grant select on table \"shop\".\"u\" to \"{other}\"; revoke usage on schema shop from {other}"
            ))
            .await;
        let lacks = shop.export("lacks", "csv").exits(5);
        assert!(lacks.stderr.contains(&format!(r#"grant usage on schema "shop" to "{other}""#)), "{}", lacks.stderr);
        shop.nothing_left().await;
    }
}

#[tokio::test]
async fn forced_row_security_hides_nothing_and_needs_a_login_that_bypasses_it() {
    let [superuser, admin] = Shop::both().await;
    for shop in [&superuser, &admin] {
        shop.own(
            "create table hidden (id int primary key, v text); insert into hidden select g, 'v' || g from generate_series(1, 20) g;
             alter table hidden enable row level security; alter table hidden force row level security;
             create policy none on hidden using (id < 3); create table t (id int)",
        )
        .await;
    }
    assert_eq!(
        superuser
            .db
            .texts(&format!("set role {}; select count(*)::text from shop.hidden", superuser.owner()))
            .await
            .len(),
        1
    );
    superuser.read_everything();
    assert_eq!(superuser.text("csv/hidden.csv").lines().count(), 21);
    superuser.nothing_left().await;
    let refused = admin.export("csv", "csv").exits(5);
    assert!(refused.stderr.contains("row-security-forced"), "{}", refused.stderr);
    admin.nothing_left().await;
    // From 16 on, an administrator with BYPASSRLS gives it on.
    admin.db.run(&format!("alter role {}admin bypassrls", admin.db.prefix())).await;
    if admin.db.major() >= 16 {
        admin.export("more", "csv").exits(0);
        assert_eq!(admin.text("more/hidden.csv").lines().count(), 21);
    } else {
        let refused = admin.export("more", "csv").exits(5);
        assert!(refused.stderr.contains("row-security-forced"), "{}", refused.stderr);
    }
    admin.nothing_left().await;
}

#[tokio::test]
async fn relations_of_a_superuser_are_read_by_a_login_that_is_no_member() {
    let shop = {
        let db = TestDb::new().await;
        let url = db.url();
        Shop::new(db, url).await
    };
    // Whoever owns the schema can give a superuser's table an index only by a trick; its function is enough.
    shop.trap("true").await;
    shop.db.run(
        "create table shop.t (id int primary key, v text); insert into shop.t select g, 'v' from generate_series(1, 9) g;
         create index on shop.t ((v || shop.trap())); create sequence shop.q; select nextval('shop.q');
         create table shop.closed (id int); insert into shop.closed values (1), (2); alter table shop.closed enable row level security",
    )
    .await;
    shop.trap_is_armed(
        "not exists (select from pg_catalog.pg_roles where rolsuper and pg_catalog.pg_has_role(session_user, oid, 'member')) \
         and current_user like '%pgcleave_tmp_%'",
    )
    .await;
    shop.fires("explain select * from shop.t where v = 'a'").await;
    let before = shop
        .db
        .texts("select coalesce(relacl::text, 'none') from pg_class where relname in ('t', 'q') order by relname")
        .await;
    assert_eq!(before, ["none", "none"]);
    shop.read_everything();
    assert_eq!(shop.text("csv/closed.csv").lines().count(), 3);
    // The grants that the run gave itself are in no archive.
    for file in ["10_pre-data.sql", "30_post-data.sql", "00_roles.sql", "50_grants.sql", "archive.json"] {
        let text = shop.text(&format!("archive/{file}"));
        // The trap's own text has the beginning of such a name, and no digit behind it.
        let named = text.split("pgcleave_tmp_").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
        assert!(!named, "{file}: {text}");
    }
    shop.nothing_left().await;
}

#[tokio::test]
async fn login_that_is_no_administrator_reads_as_itself_or_says_whom_it_needs() {
    let shop = {
        let db = TestDb::new().await;
        let url = db.url();
        Shop::new(db, url).await
    };
    let prefix = shop.db.prefix().to_owned();
    shop.own("create table t (id int primary key); insert into t values (1), (2); create sequence q").await;
    shop.db.run(&format!("create role {prefix}nobody login password 'x'; create role {prefix}member login noinherit password 'x';
        grant {prefix}shop_owner to {prefix}member; create role {prefix}reader login password 'x'; grant pg_read_all_data to {prefix}reader")).await;
    for (who, code) in [("nobody", 5), ("member", 0), ("reader", 0)] {
        let mut project = Project::new(&shop.db);
        project.connect_as(shop.db.url_as(&format!("{prefix}{who}"), "x"));
        project.manifest("other", "");
        let answer = project.run(&["export", "shop", "--to", &shop.at(who), "--as", "csv"]).exits(code);
        if code == 5 {
            assert!(
                answer.stderr.contains("needs-owner") && answer.stderr.contains(&shop.owner()),
                "{}",
                answer.stderr
            );
        }
    }
}

#[tokio::test]
async fn killed_export_leaves_a_login_that_the_next_command_removes() {
    for shop in Shop::both().await {
        shop.own("create table t (id int primary key, v text); insert into t select g, repeat('x', 1000) from generate_series(1, 2000) g").await;
        let mut child =
            shop.project.start(&["export", "shop", "--to", &shop.at("slow"), "--as", "csv", "--max-rate", "20K"]);
        let here = "select count(*)::text from pg_roles where rolname like \
            '%pgcleave_tmp_' || (select lpad(to_hex(oid::int8), 8, '0') from pg_database where datname = current_database()) || '_%'";
        while shop.db.texts(here).await != ["1"] {
            assert!(child.try_wait().expect("it can be asked").is_none(), "it runs slowly");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        // Alive: another export leaves it alone.
        shop.export("other", "csv").exits(0);
        assert_eq!(shop.db.texts(here).await, ["1"]);
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
        // The server sees within a second that the client has gone.
        let gone = "select count(*)::text from pg_stat_activity where datname = current_database() and application_name = 'pgcleave readers'";
        while shop.db.texts(gone).await != ["0"] {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        shop.export("next", "csv").exits(0);
        shop.nothing_left().await;
    }
}

impl Shop {
    /// Replaces what the trap takes for harmless.
    async fn trap_is_armed(&self, harmless: &str) {
        self.own(&format!(
            "create or replace function sprung() returns text language plpgsql volatile as $$ begin
               if not ({harmless}) then raise exception 'the trap ran as % in a session of %', current_user, session_user; end if;
               return ''; end $$"
        ))
        .await;
    }
}

/// A sequence that became a view between the catalog and the read is seen by its OID.
#[tokio::test]
async fn sequence_that_was_swapped_for_a_view_is_refused() {
    use pgcleave::pg::connect::Target;
    use pgcleave::transfer::readers::Readers;
    use pgcleave::transfer::sequences;
    use pgcleave::transfer::snapshot::Snapshot;
    for shop in Shop::both().await {
        shop.own("create sequence q; create table t (id int); select setval('q', 7)").await;
        let target = Target::parse(&shop.url.clone().into()).expect("a connection string");
        let schema = Ident::new("shop").expect("a name");
        let mut readers = Readers::open(&target, &schema, 1).await.expect("readers");
        let snapshot = Snapshot::take(&target, &mut readers, 10).await.expect("a snapshot");
        let positions = sequences::positions(&mut readers).await.expect("positions");
        assert_eq!(positions.facts.get("position q").map(String::as_str), Some("7"), "positive control");
        readers.release().await.expect("the tables go");
        shop.trap("current_user like '%shop_owner'").await;
        shop.own("alter sequence q rename to r; create view q as select 99::int8 as last_value, true as is_called, 1::oid as tableoid, shop.trap() as f").await;
        let refused = sequences::positions(&mut readers).await;
        let said = refused.map(|positions| positions.facts);
        drop(snapshot);
        let said = readers.end(said).await.expect_err("it is another relation");
        assert!(said.to_string().contains("kept changing"), "{said}");
        shop.nothing_left().await;
    }
}
