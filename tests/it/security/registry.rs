//! The registry is read only where nobody but the administrator can have made it.

use pgcleave::ident::Ident;
use pgcleave::pg::connect::Target;
use pgcleave::pg::session::SessionKind;
use pgcleave::registry;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::{Project, TestDb};

/// Code that leaves a row when a superuser, or the administrator, runs it.
fn trap(prefix: &str) -> String {
    format!(
        "create function pgcleave.g(of text) returns text language plpgsql volatile as $$ begin \
           if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) or current_user = '{prefix}admin' then \
             insert into public.witness values (of, current_user, pg_catalog.current_setting('application_name')); end if; \
           return of; end $$; grant execute on function pgcleave.g(text) to public;"
    )
}

/// The registry's tables as views and as tables that run the trap.
fn variants(prefix: &str) -> [String; 3] {
    let trap = trap(prefix);
    let view = "create view pgcleave.split as select pgcleave.g('split') as service, ''::text as id, 'source'::text as side, \
        1::bigint as revision, '{\"phase\":\"aborted\"}'::jsonb as record, pg_catalog.now() as updated_at; \
        create view pgcleave.credential as select pgcleave.g('credential') as service, 'app'::text as name, 'a'::\"char\" as active, \
        'steady'::text as phase, now() as issued_at, now() as rotated_at, now() as retire_after; \
        create view pgcleave.applied_plan as select pgcleave.g('plan') as plan; \
        create view pgcleave.service as select pgcleave.g('service') as name, 'a'::text as schema, ''::text as role_prefix; \
        create view pgcleave.migrated as select pgcleave.g('m') as schema, 0::oid as history; \
        create view pgcleave.refinery_schema_history as select 3 as version, pgcleave.g('v') as name";
    let table = "create table pgcleave.split (service text primary key, id text not null, side text not null, \
        revision bigint not null, record jsonb not null, updated_at timestamptz not null default now()); \
        create function pgcleave.f() returns text language plpgsql immutable parallel safe as $$ begin return pgcleave.g('index'); end $$; \
        create index on pgcleave.split ((service || pgcleave.f()))";
    let open = "grant usage on schema pgcleave to public; grant select on all tables in schema pgcleave to public; \
        grant execute on all functions in schema pgcleave to public";
    [
        format!("create schema pgcleave; {trap} {view}; {open}"),
        format!("create schema pgcleave; {trap} {table}; {open}"),
        "create schema pgcleave; grant all on schema pgcleave to public".to_owned(),
    ]
}

async fn as_role(db: &TestDb, role: &str, sql: &str) {
    let mut connection = db.connect_as(role, "p").await.expect("a login");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_or_else(|e| panic!("{e}\n{sql}"));
    let _ = connection.close().await;
}

#[tokio::test]
async fn schema_that_somebody_else_made_first_is_not_read() {
    for superuser in [true, false] {
        for at in 0..3 {
            let db = TestDb::new().await;
            let (name, prefix, legacy) = (db.name(), db.prefix(), format!("{}legacy", db.prefix()));
            let url = if superuser { db.url() } else { db.createrole_admin().await };
            db.run(&format!(
                "create role {legacy} login password 'p'; grant create on database {name} to {legacy}; \
                 create table public.witness (what text, who text, application text); grant insert on public.witness to public"
            ))
            .await;
            as_role(&db, &legacy, &variants(prefix)[at]).await;
            if at == 0 {
                let mut plain = PgConnection::connect(&url).await.expect("a login");
                let fired = "begin; select service from pgcleave.split";
                sqlx::raw_sql(fired).execute(&mut plain).await.expect("the trap works");
                sqlx::raw_sql("rollback").execute(&mut plain).await.expect("undone");
            }
            let mut project = Project::new(&db);
            project.connect_as(url);
            project.write("migrations/a/V1__a.sql", "create table t (id int primary key);");
            project.manifest("a", "migrations: ../migrations/a\ncredentials: { app: { access: write } }\n");
            for command in [
                &["plan"][..],
                &["apply", "--allow", "revoke,close-database"],
                &["migrate"],
                &["credentials", "list"],
                &["credentials", "verify"],
                &["credentials", "rotate", "--all"],
                &["adopt"],
            ] {
                let answer = project.run(command);
                let refused = answer.stderr.contains("error[foreign-registry]");
                assert!(refused, "{at} {command:?}: {}\n{}", answer.stdout, answer.stderr);
                assert!(answer.stderr.contains(&legacy), "{at} {command:?}: {}", answer.stderr);
            }
            let audit = project.run(&["audit"]).exits(4);
            assert!(audit.stdout.contains("REG01"), "{at}: {}", audit.stdout);
            assert!(audit.stdout.contains("DB03"), "{at}: {}", audit.stdout);
            project.run(&["graph", "--live"]);
            project.run(&["why", "postgres", "schema public"]);
            assert_eq!(db.texts("select what || ' ' || who from public.witness").await, Vec::<String>::new(), "{at}");
            let made = db.texts("select count(*)::text from pg_namespace where nspname = 'a'").await;
            assert_eq!(made, ["0"], "{at}: nothing was made");
        }
    }
}

/// What can be done to a registry, by whom it may, and how it is undone.
const CHANGES: &[(&str, &str)] = &[
    ("alter schema pgcleave owner to @x", "alter schema pgcleave owner to postgres"),
    ("grant create on schema pgcleave to @x", "revoke all on schema pgcleave from @x"),
    ("grant usage on schema pgcleave to public", "revoke all on schema pgcleave from public"),
    ("alter table pgcleave.service owner to @x", "alter table pgcleave.service owner to postgres"),
    ("grant trigger on pgcleave.split to @x", "revoke all on pgcleave.split from @x"),
    ("grant select (record) on pgcleave.split to @x", "revoke all on pgcleave.split from @x"),
    (
        "grant usage on sequence pgcleave.applied_plan_id_seq to @x",
        "revoke all on sequence pgcleave.applied_plan_id_seq from @x",
    ),
    (
        "create trigger t before insert on pgcleave.split for each row execute function pgcleave.split_moved()",
        "drop trigger t on pgcleave.split",
    ),
    ("create rule r as on insert to pgcleave.split do also notify x", "drop rule r on pgcleave.split"),
    ("create policy p on pgcleave.split", "drop policy p on pgcleave.split"),
    ("alter table pgcleave.split enable row level security", "alter table pgcleave.split disable row level security"),
    ("alter table pgcleave.split force row level security", "alter table pgcleave.split no force row level security"),
    ("alter table pgcleave.split alter id set default public.f()", "alter table pgcleave.split alter id drop default"),
    (
        "alter table pgcleave.split alter id set default pg_catalog.query_to_xml('select 1', true, true, '')::text",
        "alter table pgcleave.split alter id drop default",
    ),
    (
        "alter table pgcleave.split add constraint c check (public.f() <> '')",
        "alter table pgcleave.split drop constraint c",
    ),
    ("create index i on pgcleave.split ((public.f()))", "drop index pgcleave.i"),
    ("create index i on pgcleave.split (id) where public.f() <> ''", "drop index pgcleave.i"),
    ("create index i on pgcleave.split using hash (id)", "drop index pgcleave.i"),
    ("create statistics public.s on (public.f()), id from pgcleave.split", "drop statistics public.s"),
    ("create table public.child () inherits (pgcleave.split)", "drop table public.child"),
    ("alter table pgcleave.split add extra public.d", "alter table pgcleave.split drop extra"),
    ("alter table pgcleave.split add extra text collate public.c", "alter table pgcleave.split drop extra"),
    ("create table public.far (s text references pgcleave.split)", "drop table public.far"),
    ("create view pgcleave.v as select 1", "drop view pgcleave.v"),
    ("create unlogged table pgcleave.u (id int)", "drop table pgcleave.u"),
    ("create table pgcleave.u (id int, twice int generated always as (id * 2) stored)", "drop table pgcleave.u"),
    ("create function pgcleave.h() returns int language sql as 'select 1'", "drop function pgcleave.h()"),
    (
        "grant execute on function pgcleave.split_moved() to public",
        "revoke all on function pgcleave.split_moved() from public",
    ),
    (
        "alter function pgcleave.split_moved() security definer",
        "alter function pgcleave.split_moved() security invoker",
    ),
    ("alter function pgcleave.split_moved() reset all", "alter function pgcleave.split_moved() set search_path = ''"),
    ("create domain pgcleave.d as text", "drop domain pgcleave.d"),
];

#[tokio::test]
async fn registry_that_is_not_as_its_migrations_made_it_is_not_read() {
    let db = TestDb::new().await;
    let x = format!("{}x", db.prefix());
    db.run(&format!(
        "create role {x}; create function public.f() returns text immutable language sql as 'select ''x'''; \
         create domain public.d as text; create collation public.c (provider = icu, locale = 'de')"
    ))
    .await;
    let target = Target::parse(&db.url().into()).expect("a connection string");
    let mut admin = target.connect(SessionKind::Administrator, "test").await.expect("a session");
    registry::ensure(&mut admin).await.expect("made");
    registry::verified(&mut admin).await.expect("trusted").expect("there");
    for (change, undo) in CHANGES {
        db.run(&change.replace("@x", &x)).await;
        let error = registry::verified(&mut admin).await.expect_err(change);
        assert!(error.to_string().starts_with("schema pgcleave is not trusted"), "{change}: {error}");
        registry::split::all(&mut admin).await.expect_err(change);
        registry::credential::all(&mut admin).await.expect_err(change);
        registry::migrations(&mut admin).await.expect_err(change);
        registry::services(&mut admin).await.expect_err(change);
        pgcleave::catalog::splits(&mut admin).await.expect_err(change);
        registry::ensure(&mut admin).await.expect_err(change);
        for undo in undo.split("; ") {
            db.run(&undo.replace("@x", &x)).await;
        }
        registry::verified(&mut admin).await.unwrap_or_else(|e| panic!("{undo}: {e}"));
    }
}

#[tokio::test]
async fn default_privileges_of_the_administrator_let_nobody_in() {
    for superuser in [true, false] {
        let db = TestDb::new().await;
        let url = if superuser { db.url() } else { db.owning_admin().await };
        let x = format!("{}x", db.prefix());
        db.run(&format!("create role {x}")).await;
        let mut connection = PgConnection::connect(&url).await.expect("a login");
        for kind in ["schemas", "tables", "sequences", "functions", "types"] {
            let grant = format!("alter default privileges grant all on {kind} to {x}");
            sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut connection).await.expect("granted");
        }
        let mut project = Project::new(&db);
        project.connect_as(url);
        project.manifest("a", "credentials: { app: { access: write } }\n");
        project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        let held = format!(
            "select c.relname::text from pg_class c, aclexplode(c.relacl) a where a.grantee = '{x}'::regrole \
               and c.relnamespace = 'pgcleave'::regnamespace \
             union all select 'schema' from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = 'pgcleave' and a.grantee = '{x}'::regrole"
        );
        assert_eq!(db.texts(&held).await, Vec::<String>::new());
        project.run(&["plan"]).exits(0);
        let reset = ["schemas", "tables", "sequences", "functions", "types"];
        for kind in reset {
            let revoke = format!("alter default privileges revoke all on {kind} from {x}");
            sqlx::raw_sql(AssertSqlSafe(revoke)).execute(&mut connection).await.expect("revoked");
        }
    }
}

#[tokio::test]
async fn only_a_declared_administrator_is_trusted_besides_superusers_and_the_login() {
    let db = TestDb::new().await;
    let url = db.owning_admin().await;
    let mut project = Project::new(&db);
    project.connect_as(url.clone());
    project.manifest("a", "credentials: { app: { access: write } }\n");
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let admin = format!("{}admin", db.prefix());
    // what the database says of itself proves nothing
    db.run(&format!("alter database {} set pgcleave.administrator = '{admin}'", db.name())).await;
    let superuser = Target::parse(&db.url().into()).expect("a connection string");
    let mut session = superuser.connect(SessionKind::Administrator, "test").await.expect("a session");
    let error = registry::verified(&mut session).await.expect_err("the owner is not known");
    assert!(error.to_string().contains(&format!("belongs to {admin}")), "{error}");
    let declared = superuser.administered_by(Ident::new(&admin).expect("a name"));
    let mut session = declared.connect(SessionKind::Administrator, "test").await.expect("a session");
    registry::verified(&mut session).await.expect("declared").expect("there");
    // the fixes that the message names
    db.run(&format!("alter database {} reset all", db.name())).await;
    project.run(&["plan"]).exits(0);
}
