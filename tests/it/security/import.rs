//! An archive from somebody else: what its text can do to the database that it is imported into.

use std::path::Path;
use std::process::Command;

use pgcleave::archive::import::{self, Allow, Imported};
use pgcleave::archive::{Error, export};
use pgcleave::error::Coded as _;
use pgcleave::ident::Ident;
use pgcleave::interrupt::Interrupt;
use pgcleave::pg::connect::Target;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::{TestDb, pg_dump_folder};

/// A schema whose definitions call `g`, which writes down as whom it runs; the service needs no right for any of it.
const TRAPS: &str = "
    create role {p}evil_owner; create schema evil authorization {p}evil_owner; set role {p}evil_owner;
    create function evil.g(what text) returns text language plpgsql volatile as $$ begin
      insert into public.witness values (what, current_user, session_user); return ''; end $$;
    create function evil.f(what text) returns text language plpgsql immutable parallel safe as
      $$ begin return evil.g(what); end $$;
    create domain evil.d as text check (evil.f('domain') = '' and value is not null);
    create table evil.generated (id int primary key, v text generated always as (evil.f('generated')) stored);
    create table evil.checked (id int primary key, v text check (evil.g('check ' || v) = ''), w evil.d);
    create table evil.defaulted (id int primary key, v text default evil.g('default'));
    create table evil.parent (id int, v text) partition by list ((v || evil.f('partition')));
    create table evil.child partition of evil.parent for values in ('a');
    create index on evil.checked ((v || evil.f('index')));
    create statistics evil.s on (v || evil.f('statistics')), id from evil.checked;
    create materialized view evil.seen as select id, evil.g('view ' || v) from evil.checked;
    create view evil.plain as select evil.g('plain view');
    create function evil.t() returns trigger language plpgsql as $$ begin perform evil.g('trigger'); return new; end $$;
    create trigger t before insert on evil.checked for each row execute function evil.t();
    insert into evil.generated values (1); insert into evil.checked values (1, 'a', 'w');
    insert into evil.defaulted values (1); insert into evil.parent values (1, 'a');
    refresh materialized view evil.seen; reset role";

/// Where traps write.
const WITNESS: &str = "create table public.witness (what text, as_whom name, session name);
    grant insert on public.witness to public; grant usage on schema public to public";

pub(super) struct Archive {
    room: TempDir,
}

impl Archive {
    /// Exports a schema.
    pub(super) async fn of(db: &TestDb, schema: &str) -> Self {
        let archive = Self { room: tempfile::tempdir().expect("a folder") };
        archive.export(db, schema).await.expect("an export");
        archive
    }

    /// Gives a place for one.
    pub(super) fn empty() -> Self {
        Self { room: tempfile::tempdir().expect("a folder") }
    }

    pub(super) fn path(&self) -> std::path::PathBuf {
        self.room.path().join("a")
    }

    pub(super) async fn export(&self, db: &TestDb, schema: &str) -> Result<export::Exported, Error> {
        let options = export::Options {
            service: schema.to_owned(),
            schema: Ident::new(schema).expect("a name"),
            jobs: 2,
            max_bytes_per_second: None,
            lock_seconds: 10,
            allow: Vec::new(),
            verifiers: false,
            manifest: None,
            programs: pg_dump_folder(db.major()).await,
            interrupt: Interrupt::default(),
        };
        let from = Target::parse(&db.url().into()).expect("a connection string");
        export::export(&from, &self.path().into(), &options, &|_| {}).await
    }

    /// Changes a file, and the hashes that speak of it: whoever makes an archive can make them right.
    pub(super) fn change(&self, file: &str, change: impl FnOnce(String) -> String) {
        let new = change(self.read(file));
        let hash = sha256(&new);
        std::fs::write(self.path().join(file), new).expect("writable");
        self.change_sum(file, &hash);
        self.change_index(|index| {
            let files = index["files"].as_array_mut().expect("a list");
            let entry = files.iter_mut().find(|entry| entry["path"] == file).expect("it is listed");
            entry["sha256"] = hash.into();
        });
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path().join(file)).expect("readable")
    }

    fn change_index(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut index = serde_json::from_str(&self.read("archive.json")).expect("JSON");
        change(&mut index);
        let text = serde_json::to_string_pretty(&index).expect("JSON");
        self.change_sum("archive.json", &sha256(&text));
        std::fs::write(self.path().join("archive.json"), text).expect("writable");
    }

    fn change_sum(&self, file: &str, hash: &str) {
        let line = |line: &str| match line.split_once("  ") {
            Some((_, name)) if name == file => format!("{hash}  {file}\n"),
            _ => format!("{line}\n"),
        };
        let sums: String = self.read("SHA256SUMS").lines().map(line).collect();
        std::fs::write(self.path().join("SHA256SUMS"), sums).expect("writable");
    }

    /// Replaces a text in all small files.
    fn replace(&self, from: &str, to: &str) {
        for file in ["00_roles.sql", "05_extensions.sql", "10_pre-data.sql", "30_post-data.sql", "50_grants.sql"] {
            self.change(file, |text| text.replace(from, to));
        }
        self.change_index(|index| {
            let text = index.to_string().replace(from, to);
            *index = serde_json::from_str(&text).expect("JSON");
        });
    }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect()
}

async fn import(archive: &Path, url: &str, allow: &[Allow]) -> Result<Imported, Error> {
    let options =
        import::Options { jobs: 2, max_bytes_per_second: None, allow: allow.to_vec(), interrupt: Interrupt::default() };
    let to = Target::parse(&url.to_owned().into()).expect("a connection string");
    import::import(&archive.into(), &to, &options, &|_| {}).await
}

async fn traps(db: &TestDb) {
    db.run(WITNESS).await;
    db.run(&TRAPS.replace("{p}", db.prefix())).await;
}

/// Roles of the server that are nobody's any more.
const LEFT: &str = "select rolname::text from pg_catalog.pg_roles where rolname like '%pgcleave%temporary%'
    and rolname like '%' || (select oid::text from pg_catalog.pg_database where datname = pg_catalog.current_database()) || '%'";

#[tokio::test]
async fn definitions_and_rows_run_as_the_owner_whoever_imports() {
    let source = TestDb::new().await;
    traps(&source).await;
    // The control: whoever runs the definitions is whom the traps see.
    let direct = "select distinct what from public.witness where session_user = session order by 1";
    let fired = source.texts(direct).await;
    let (p, archive) = (source.prefix(), Archive::of(&source, "evil").await);
    for superuser in [true, false] {
        let copy = TestDb::new().await;
        copy.run(WITNESS).await;
        let admin = if superuser { copy.url() } else { copy.owning_admin().await };
        if !superuser {
            copy.run(&format!("grant {p}evil_owner to {}admin with admin option", copy.prefix())).await;
        }
        import(&archive.path(), &admin, &[]).await.expect("an import");
        let seen = copy.texts("select distinct what from public.witness order by 1").await;
        for what in ["check a", "generated", "index", "partition", "statistics", "view a"] {
            assert!(seen.iter().any(|s| s == what), "{what} does not fire: {seen:?}; the control: {fired:?}");
        }
        let others = format!(
            "select distinct what || ' as ' || as_whom || ' by ' || session from public.witness w
             where as_whom <> '{p}evil_owner' or exists (select from pg_catalog.pg_roles r
               where r.rolname = w.session and (r.rolsuper or r.rolcreaterole))"
        );
        assert!(copy.texts(&others).await.is_empty(), "{:?}", copy.texts(&others).await);
        assert!(copy.texts(LEFT).await.is_empty(), "{:?}", copy.texts(LEFT).await);
        let owners = "select distinct relowner::regrole::text from pg_catalog.pg_class where relnamespace = 'evil'::regnamespace";
        assert_eq!(copy.texts(owners).await, [format!("{p}evil_owner")]);
        let members = format!(
            "select m.member::regrole::text from pg_catalog.pg_auth_members m
             where m.roleid = '{p}evil_owner'::regrole and m.member <> '{}admin'::name::text::regrole",
            copy.prefix()
        );
        if !superuser {
            assert!(copy.texts(&members).await.is_empty(), "{:?}", copy.texts(&members).await);
        }
    }
}

#[tokio::test]
async fn text_for_the_administrator_is_read_and_never_run() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    source
        .run(&format!(
            "create role {p}o; create schema evil authorization {p}o; create role {p}lone login",
            p = source.prefix()
        ))
        .await;
    let p = source.prefix();
    for (file, statement) in [
        ("00_roles.sql", format!("alter role \"{p}o\" superuser;\n")),
        ("00_roles.sql", format!("do 'begin alter role \"{p}o\" superuser; end';\n")),
        ("00_roles.sql", format!("create role \"{p}new\" superuser;\n")),
        ("05_extensions.sql", "create table public.pwned ();\n".to_owned()),
        (
            "05_extensions.sql",
            "create extension if not exists \"file_fdw\" with schema \"public\" cascade;\n".to_owned(),
        ),
        ("50_grants.sql", format!("alter role \"{p}o\" set \"a\" = 'b' superuser;\n")),
        ("50_grants.sql", format!("grant all on schema public to \"{p}o\";\n")),
        ("50_grants.sql", "select public.pwned();\n".to_owned()),
    ] {
        let archive = Archive::of(&source, "evil").await;
        archive.change(file, |text| text + &statement);
        let error = import(&archive.path(), &copy.url(), &[]).await.expect_err("it is no statement of ours");
        assert_eq!(error.code(), "archive-statement", "{statement}: {error}");
        let made = "select nspname::text from pg_catalog.pg_namespace where nspname in ('evil', 'pgcleave_import')";
        assert!(copy.texts(made).await.is_empty(), "{statement}");
    }
    // What is left for an administrator is never run as text.
    let archive = Archive::of(&source, "evil").await;
    archive.change("70_leave.sql", |text| text + "create table public.pwned ();\n");
    import(&archive.path(), &copy.url(), &[]).await.expect("an import");
    let pwned = "select relname::text from pg_catalog.pg_class where relname = 'pwned'
        union all select rolname::text from pg_catalog.pg_roles where rolsuper and rolname like '{p}%'";
    assert!(copy.texts(&pwned.replace("{p}", p)).await.is_empty());
}

#[tokio::test]
async fn definitions_can_do_only_what_their_owner_may() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    let p = source.prefix();
    source.run(&format!("create role {p}o; create schema evil authorization {p}o")).await;
    for statement in [
        format!("alter role \"{p}o\" superuser"),
        format!("reset role; alter role \"{p}o\" createrole"),
        "reset session authorization; create table public.pwned ()".to_owned(),
        "set role postgres".to_owned(),
        "copy (select 1) to program 'true'".to_owned(),
        "create schema pwned".to_owned(),
        "update pgcleave_import.pwned set step = ''".to_owned(),
    ] {
        let archive = Archive::of(&source, "evil").await;
        archive.change("10_pre-data.sql", |text| text + &statement + ";\n");
        let error = import(&archive.path(), &copy.url(), &[]).await.expect_err("the owner may not");
        assert!(["server", "psql-command"].contains(&error.code()) || error.code().len() > 2, "{statement}: {error}");
        let pwned = format!(
            "select nspname::text from pg_catalog.pg_namespace where nspname = 'pwned'
             union all select relname::text from pg_catalog.pg_class where relname = 'pwned'
             union all select rolname::text from pg_catalog.pg_roles where rolname = '{p}o' and (rolsuper or rolcreaterole)"
        );
        assert!(copy.texts(&pwned).await.is_empty(), "{statement}");
        assert!(copy.texts(LEFT).await.is_empty(), "{statement}: {:?}", copy.texts(LEFT).await);
        copy.run("drop schema if exists evil cascade; drop schema if exists pgcleave_import cascade").await;
    }
}

#[tokio::test]
async fn an_archive_cannot_become_a_role_of_the_target_unasked() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    let (p, t) = (source.prefix(), copy.prefix());
    source.run(&format!("create role {p}o; create schema evil authorization {p}o; create table evil.t (); alter table evil.t owner to {p}o")).await;
    copy.run(&format!(
        "create role {t}victim; create schema theirs authorization {t}victim; create role {t}mighty createrole"
    ))
    .await;
    for victim in ["victim", "mighty"] {
        let archive = Archive::of(&source, "evil").await;
        archive.replace(&format!("{p}o"), &format!("{t}{victim}"));
        let error = import(&archive.path(), &copy.url(), &[]).await.expect_err("it would run as somebody");
        assert!(error.code() == "existing-roles" && error.to_string().contains(&format!("{t}{victim}")), "{error}");
    }
    for granted in [format!("{t}victim"), "pg_execute_server_program".to_owned(), "postgres".to_owned()] {
        let archive = Archive::of(&source, "evil").await;
        archive.change("50_grants.sql", |text| text + &format!("grant \"{granted}\" to \"{p}o\";\n"));
        let error = import(&archive.path(), &copy.url(), &[]).await.expect_err("it would become a member");
        assert!(error.code() == "existing-roles" && error.to_string().contains(&granted), "{error}");
    }
    // The control: whoever wants it gets it.
    let archive = Archive::of(&source, "evil").await;
    archive.replace(&format!("{p}o"), &format!("{t}victim"));
    import(&archive.path(), &copy.url(), &[Allow::ExistingRoles]).await.expect("an import");
    // Settings of a role with a life of its own stay as they are.
    let archive = Archive::of(&source, "evil").await;
    copy.run("drop schema evil cascade").await;
    archive.change("50_grants.sql", |text| {
        text + &format!("do 'begin execute ''alter role \"{t}victim\" in database '' || pg_catalog.quote_ident(pg_catalog.current_database()) || '' set \"search_path\" = ''''evil''''''; end';\n")
    });
    import(&archive.path(), &copy.url(), &[]).await.expect("an import");
    let set = "select setrole::regrole::text from pg_catalog.pg_db_role_setting
        where setdatabase = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())";
    assert!(copy.texts(set).await.is_empty(), "{:?}", copy.texts(set).await);
}

#[tokio::test]
async fn objects_of_superusers_and_what_needs_one_are_named_and_wait_for_a_word() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    let p = source.prefix();
    source
        .run(&format!(
            "create role {p}o; create schema evil authorization {p}o; set role {p}o; create table evil.t (id int primary key);
             reset role; create function evil.strong() returns int language internal strict as 'int4um';
             alter function evil.strong() owner to {p}o"
        ).replace("evil.strong()", "evil.strong(int)"))
        .await;
    let archive = Archive::of(&source, "evil").await;
    let error = import(&archive.path(), &copy.url(), &[]).await.expect_err("a function of the server's insides");
    assert!(error.code() == "superuser-objects" && error.to_string().contains("\"strong\""), "{error}");
    assert!(copy.texts("select 'there' from pg_catalog.pg_namespace where nspname = 'evil'").await.is_empty());
    import(&archive.path(), &copy.url(), &[Allow::SuperuserObjects]).await.expect("an import");
    let owners = "select proowner::regrole::text from pg_catalog.pg_proc where proname = 'strong'
        union select relowner::regrole::text from pg_catalog.pg_class where relname = 't' order by 1";
    assert_eq!(copy.texts(owners).await, [format!("{p}o")]);

    source.run("create schema mine; create table mine.t (id int primary key)").await;
    let archive = Archive::of(&source, "mine").await;
    let error = import(&archive.path(), &copy.url(), &[]).await.expect_err("a superuser owns it");
    assert!(error.code() == "superuser-objects" && error.to_string().contains("postgres"), "{error}");
    import(&archive.path(), &copy.url(), &[Allow::SuperuserObjects]).await.expect("an import");
}

#[tokio::test]
async fn each_of_several_owners_gets_what_was_its_own_and_nothing_more() {
    let source = TestDb::new().await;
    let p = source.prefix();
    source
        .run(&format!(
            "create role {p}one; create role {p}two; create schema pair authorization {p}one;
             grant usage on schema pair to {p}two; set role {p}one;
             create table pair.first (id int primary key, v text); insert into pair.first values (1, 'a');
             grant references on pair.first to {p}two; reset role;
             create table pair.second (id int primary key references pair.first);
             create function pair.f() returns int language sql as 'select 1';
             create view pair.third as select id from pair.second;
             alter table pair.second owner to {p}two; alter function pair.f() owner to {p}two;
             alter view pair.third owner to {p}two; grant select on pair.second to {p}one;
             insert into pair.second values (1); create index on pair.second ((id + 1))"
        ))
        .await;
    let archive = Archive::of(&source, "pair").await;
    for superuser in [true, false] {
        let copy = TestDb::new().await;
        let admin = if superuser { copy.url() } else { copy.owning_admin().await };
        if !superuser {
            copy.run(&format!("grant {p}one, {p}two to {}admin with admin option", copy.prefix())).await;
        }
        import(&archive.path(), &admin, &[]).await.expect("an import");
        let facts = "select relname || ' ' || relowner::regrole::text || ' ' || coalesce(relacl::text, '') from pg_catalog.pg_class
            where relnamespace = 'pair'::regnamespace
            union all select 'f ' || proowner::regrole::text from pg_catalog.pg_proc where pronamespace = 'pair'::regnamespace
            union all select nspname || ' ' || nspowner::regrole::text || ' ' || nspacl::text from pg_catalog.pg_namespace
              where nspname = 'pair' order by 1";
        assert_eq!(copy.texts(facts).await, source.texts(facts).await);
    }
}

#[tokio::test]
async fn a_journal_that_somebody_has_prepared_is_refused() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    let (p, t) = (source.prefix(), copy.prefix());
    source.run(&format!("create role {p}o; create schema evil authorization {p}o")).await;
    let archive = Archive::of(&source, "evil").await;
    copy.run(&format!(
        "create role {t}early; do $$ begin execute format('grant create on database %I to {t}early', current_database()); end $$;
         set role {t}early; create schema pgcleave_import"
    ))
    .await;
    let error = import(&archive.path(), &copy.url(), &[]).await.expect_err("it is not ours");
    assert_eq!(error.code(), "foreign-journal", "{error}");
    copy.run("drop schema pgcleave_import").await;
    import(&archive.path(), &copy.url(), &[]).await.expect("an import");
    assert!(copy.texts("select 'there' from pg_catalog.pg_namespace where nspname like 'pgcleave%'").await.is_empty());
}

#[tokio::test]
async fn an_extension_is_not_created_where_others_may_create() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    let (p, t) = (source.prefix(), copy.prefix());
    source
        .run(&format!(
            "create role {p}o; create schema evil authorization {p}o; create schema ext; create extension citext schema ext;
             grant usage on schema ext to public; set role {p}o; create table evil.t (v ext.citext)"
        ))
        .await;
    let archive = Archive::of(&source, "evil").await;
    copy.run(&format!("create role {t}early; create schema ext; grant create on schema ext to {t}early")).await;
    let error = import(&archive.path(), &copy.url(), &[]).await.expect_err("others may create there");
    assert!(error.code() == "extension-schema" && error.to_string().contains(&format!("{t}early")), "{error}");
    copy.run(&format!("revoke create on schema ext from {t}early; grant usage on schema ext to public")).await;
    import(&archive.path(), &copy.url(), &[]).await.expect("an import");
}

#[tokio::test]
async fn the_command_line_names_what_it_refuses_and_how_to_accept_it() {
    let (source, copy) = (TestDb::new().await, TestDb::new().await);
    source.run("create schema mine; create table mine.t (id int primary key)").await;
    let archive = Archive::of(&source, "mine").await;
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgcleave"));
        command.arg("import").arg(archive.path()).args(more).env("DATABASE_URL", copy.url());
        crate::support::answer(command.output().expect("the program is built"))
    };
    let said = run(&[]);
    assert!(said.code == 5 && said.stderr.contains("--allow superuser-objects"), "{said:?}");
    assert_eq!(run(&["--allow", "superuser-objects"]).code, 0);
}
