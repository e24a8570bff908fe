//! Manifests from live databases: what they say, and what they leave alone.

use std::process::Command;

use crate::support::{Answer, Project, TestDb, answer};

/// Adopts into the project's own folder, whose pgcleave.yaml names the prefix.
fn adopt(project: &Project, more: &[&str]) -> serde_json::Value {
    project.run(&[&["adopt", "--format", "json"], more].concat()).exits(0).json()
}

/// Runs the command in a folder of its own, with nothing there but the connection string.
fn bare(folder: &tempfile::TempDir, db: &TestDb, arguments: &[&str]) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgcleave"));
    command.current_dir(folder.path()).env("DATABASE_URL", db.url()).env("NO_COLOR", "1").args(arguments);
    answer(command.output().expect("the binary runs"))
}

fn read(project: &Project, path: &str) -> String {
    std::fs::read_to_string(project.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Gives the lines `object: why` of what does not fit.
fn misfits(adopted: &serde_json::Value) -> Vec<String> {
    let text = |misfit: &serde_json::Value, key: &str| misfit[key].as_str().unwrap_or_default().to_owned();
    let all = adopted["misfits"].as_array().expect("misfits").iter();
    all.map(|m| format!("{}: {}: {}", text(m, "service"), text(m, "object"), text(m, "why"))).collect()
}

/// Puts the example shop into the project's folder.
fn example_shop(project: &Project) {
    fn copy(from: &std::path::Path, to: &std::path::Path) {
        std::fs::create_dir_all(to).expect("a folder");
        for entry in std::fs::read_dir(from).expect("the example") {
            let path = entry.expect("an entry").path();
            let to = to.join(path.file_name().expect("a name"));
            if path.is_dir() {
                copy(&path, &to);
            } else {
                std::fs::copy(&path, to).expect("a copy");
            }
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["manifests", "migrations"] {
        copy(&root.join(folder), &project.path().join(folder));
    }
}

#[tokio::test]
async fn the_example_shop_comes_back_as_it_was_applied() {
    let db = TestDb::new().await;
    let shop = Project::new(&db);
    example_shop(&shop);
    shop.run(&["apply", "--allow", "revoke,close-database"]).exits(0);

    let again = Project::new(&db);
    let adopted = adopt(&again, &[]);
    assert_eq!(adopted["plan"]["changes"], 0, "{adopted:#}");
    assert_eq!(adopted["plan"]["unmanaged"], 0);
    assert!(adopted["services"].as_array().expect("services").iter().all(|s| s["managed"] == true), "{adopted:#}");
    assert_eq!(misfits(&adopted), Vec::<String>::new());
    again.run(&["check"]).exits(0);
    again.expect_no_changes();

    let orders = read(&again, "manifests/orders.yaml");
    assert!(!orders.contains("managed"), "{orders}");
    for line in [
        "  app: { access: write, connection_limit: 40, settings: { idle_in_transaction_session_timeout: 30s, statement_timeout: 5s } }",
        "  reports: { access: read, connection_limit: 5, settings: { statement_timeout: 5min } }",
        "  - { view: order_summary, to: [billing, shipping] }",
        "  - { function: \"cancel_order(uuid, text)\", to: [support] }",
        "  - users.user_directory",
    ] {
        assert!(orders.contains(&format!("{line}\n")), "{line}\n{orders}");
    }
    assert!(read(&again, "manifests/users.yaml").contains("extensions: [pgcrypto]\n"));
}

#[tokio::test]
async fn the_prefix_comes_from_the_registry_where_nothing_else_says_it() {
    let db = TestDb::new().await;
    let shop = Project::new(&db);
    shop.manifest("orders", "credentials:\n  app: { access: write }\n");
    shop.run(&["apply", "--allow", "revoke,close-database"]).exits(0);

    let folder = tempfile::tempdir().expect("a temporary folder");
    bare(&folder, &db, &["adopt", "--to", "new"]).exits(0);
    let config = std::fs::read_to_string(folder.path().join("new/pgcleave.yaml")).expect("it was written");
    assert!(config.contains(&format!("adopted: {{ role_prefix: \"{}\" }}", db.prefix())), "{config}");
    bare(&folder, &db, &["--config", "new", "--env", "adopted", "plan", "--detailed-exitcode"]).exits(0);
    // the only environment is the one that is used, whether or not somebody names it
    bare(&folder, &db, &["--config", "new", "plan", "--detailed-exitcode"]).exits(0);
}

#[tokio::test]
async fn a_file_that_is_there_is_never_written_over() {
    let db = TestDb::new().await;
    db.run("create schema orders; create schema billing").await;
    let project = Project::new(&db);
    project.write("manifests/orders.yaml", "mine");
    let refused = project.run(&["adopt"]).exits(1);
    assert!(refused.stderr.contains("orders.yaml is there already"), "{}", refused.stderr);
    assert_eq!(read(&project, "manifests/orders.yaml"), "mine");
    assert!(!project.path().join("manifests/billing.yaml").exists(), "all or nothing");
    adopt(&project, &["billing"]);
    assert!(project.path().join("manifests/billing.yaml").exists());
    project.run(&["adopt", "nowhere"]).exits(2);
}

/// Three services that somebody set up by hand, as the zoo of leaks begins: `<service>_owner`, `_app`, `_ro`, `_migrator`.
const BY_HAND: &str = "
do $$
declare s text;
begin
  foreach s in array array['orders', 'billing'] loop
    execute format('create role %I', '@' || s || '_owner');
    execute format('create role %I login connection limit 20', '@' || s || '_app');
    execute format('create role %I login', '@' || s || '_ro');
    execute format('create role %I login', '@' || s || '_migrator');
    execute format('grant %I to %I', '@' || s || '_owner', '@' || s || '_migrator');
    execute format('create schema %I authorization %I', s, '@' || s || '_owner');
    execute format('grant usage on schema %I to %I, %I', s, '@' || s || '_app', '@' || s || '_ro');
  end loop;
end $$;
set role @orders_owner;
create table orders.orders (id bigint primary key, total bigint);
create view orders.open_orders as select id from orders.orders;
grant select, insert, update, delete on orders.orders to @orders_app;
grant select on orders.orders to @orders_ro;
create function orders.known(bigint) returns bool language sql stable as 'select true';
grant execute on function orders.known(bigint) to @orders_ro;
grant usage on schema orders to @billing_app;
grant select on orders.open_orders to @billing_app;
grant insert on orders.orders to @billing_app;
set role @billing_owner;
create table billing.invoices (id bigint primary key);
grant select on billing.invoices to @orders_ro;
reset role;
";

#[tokio::test]
async fn logins_with_other_names_are_listed_and_lose_nothing() {
    let db = TestDb::new().await;
    let at = |text: &str| text.replace('@', db.prefix());
    db.run(&at(BY_HAND)).await;
    let project = Project::new(&db);
    let adopted = adopt(&project, &[]);
    let told = misfits(&adopted).join("\n");
    for (service, login) in [("orders", "app"), ("orders", "ro"), ("orders", "migrator"), ("billing", "app")] {
        let line = at(&format!("{service}: login @{service}_{login}: a login is named @{service}_<name>_a or _b"));
        assert!(told.contains(&line), "{line}\n{told}");
    }
    assert!(
        told.contains(&at("INSERT on orders.orders for @billing_app: a contract would give it to all readers")),
        "{told}"
    );
    assert!(told.contains(&at("orders_ro may not use the schema")), "{told}");

    let orders = read(&project, "manifests/orders.yaml");
    assert!(orders.contains("- { view: open_orders, to: [billing] }"), "{orders}");
    assert!(orders.contains("#  app: { access: write, connection_limit: 20 }"), "{orders}");
    assert!(orders.contains("#  ro: { access: read }"), "{orders}");
    assert!(orders.contains("#  migrator: { access: owner }"), "{orders}");
    assert!(!orders.contains("\ncredentials:"), "{orders}");

    let allowed = adopted["managed_plan"]["hazards"]
        .as_array()
        .expect("hazards")
        .iter()
        .all(|h| h == "revoke" || h == "close-database");
    assert!(allowed, "{adopted:#}");
    for service in ["orders", "billing"] {
        let text = read(&project, &format!("manifests/{service}.yaml"));
        project.write(&format!("manifests/{service}.yaml"), &text.replace("\nmanaged: false\n", "\n"));
    }
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let still = "select string_agg((has_table_privilege(r, 'orders.orders', p))::text, ',' order by r, p)
        from (values ('@orders_app', 'delete'), ('@orders_ro', 'select'), ('@billing_app', 'insert')) as t (r, p)";
    assert_eq!(db.texts(&at(still)).await, ["true,true,true"]);
    project.expect_no_changes();
}

#[tokio::test]
async fn logins_with_the_names_of_groups_stay_logins() {
    let db = TestDb::new().await;
    let at = |text: &str| text.replace('@', db.prefix());
    db.run(&at("
        create role @depot_owner login password 'pw'; create role @depot_writer login password 'pw';
        create role @depot_reader login password 'pw';
        create schema depot authorization @depot_owner;
        set role @depot_owner;
        create table depot.part (id int primary key, n text);
        grant usage on schema depot to @depot_writer, @depot_reader;
        grant select, insert, update, delete on depot.part to @depot_writer;
        grant select on depot.part to @depot_reader;
    "))
        .await;
    let expect_access = async |logins: &[(&str, &'static str)]| {
        for (login, statement) in logins {
            let mut connection =
                db.connect_as(&at(login), "pw").await.unwrap_or_else(|error| panic!("{login}: {error}"));
            let done = sqlx::raw_sql(*statement).execute(&mut connection).await;
            done.unwrap_or_else(|error| panic!("{login}: {statement}: {error}"));
        }
    };
    let owner = ("@depot_owner", "create table depot.more (); drop table depot.more; select * from depot.part");
    let writer = ("@depot_writer", "insert into depot.part values (1, 'a'); delete from depot.part");
    let reader = ("@depot_reader", "select * from depot.part");
    expect_access(&[owner, writer, reader]).await;

    let project = Project::new(&db);
    let told = misfits(&adopt(&project, &[])).join("\n");
    let logins = at("3 logins with the names of groups: @depot_owner, @depot_writer, @depot_reader");
    assert!(told.contains(&format!("depot_service: {logins}: a group cannot log in")), "{told}");
    let manifest = read(&project, "manifests/depot_service.yaml");
    assert!(manifest.contains("service: depot_service\nschema: depot\n"), "{manifest}");
    for line in ["#  reader: { access: read }", "#  writer: { access: write }", "#  owner: { access: owner }"] {
        assert!(manifest.contains(line), "{line}\n{manifest}");
    }
    project.run(&["check"]).exits(0);
    project.expect_no_changes();

    // under the schema's own name the plan is refused, with the names of all three
    project.remove("manifests/depot_service.yaml");
    project.manifest("depot", "");
    for command in [&["plan"][..], &["apply", "--allow", "revoke,change-owner,close-database"]] {
        let refused = project.run(command).exits(5);
        assert!(refused.stderr.contains("login-named-like-group"), "{}", refused.stderr);
        assert!(refused.stderr.contains(&at("@depot_owner, @depot_reader, @depot_writer")), "{}", refused.stderr);
        assert!(refused.stderr.contains("`schema: depot`"), "{}", refused.stderr);
    }
    expect_access(&[owner, writer, reader]).await;

    // managed as adopted, nothing happens to the logins before the hazards are allowed
    project.remove("manifests/depot.yaml");
    project.write("manifests/depot_service.yaml", &manifest.replace("\nmanaged: false\n", "\n"));
    project.run(&["apply", "--allow", "revoke"]).exits(5);
    expect_access(&[owner, writer, reader]).await;
    let (_, keep) = told.split_once("to keep it, run before: ").expect("what the owner needs");
    db.run(keep.lines().next().unwrap_or_default()).await;
    project.run(&["apply", "--allow", "revoke,change-owner"]).exits(5);
    expect_access(&[owner, writer, reader]).await;
    // what the login holds has not become the groups' nor anybody's who is in them
    let members = "select count(*)::text from pg_auth_members where roleid in ('@depot_writer'::regrole, '@depot_reader'::regrole, \
                   '@depot_owner'::regrole) and member <> current_user::regrole";
    assert_eq!(db.texts(&at(members)).await, ["0"]);
}

#[tokio::test]
async fn services_that_use_each_other_keep_the_contracts_of_both() {
    let db = TestDb::new().await;
    let at = |text: &str| text.replace('@', db.prefix());
    db.run(&at("
        create role @a_owner; create role @a_reader; create role @b_owner; create role @b_reader;
        create schema a authorization @a_owner; create schema b authorization @b_owner;
        set role @a_owner; create table a.one (x int); create table a.two (x int);
        grant usage on schema a to @b_reader; grant select on a.one, a.two to @b_reader;
        set role @b_owner; create table b.one (x int);
        grant usage on schema b to @a_reader; grant select on b.one to @a_reader;
    "))
        .await;
    let project = Project::new(&db);
    let told = misfits(&adopt(&project, &[])).join("\n");
    assert!(!told.contains("contracts of"), "{told}");
    let checked = project.run(&["check"]).exits(0);
    assert!(checked.stderr.contains("services consume each other: a → b → a"), "{}", checked.stderr);
    assert!(read(&project, "manifests/a.yaml").contains("- { table: one, to: [b] }"));
    assert!(read(&project, "manifests/b.yaml").contains("- { table: one, to: [a] }"));
    assert!(read(&project, "manifests/b.yaml").contains("consumes:\n  - a.one\n  - a.two\n"));
}

#[tokio::test]
async fn hostile_names_are_told_and_never_written() {
    let db = TestDb::new().await;
    let at = |text: &str| text.replace('@', db.prefix());
    db.run(&at(r#"
        create schema "Orders"; create schema "a: [b"; create schema "pgcleave_x"; create schema "línea";
        create schema fine; create table fine."x\"". (id int);
    "#
    .replace("fine.\"x\\\"\".", "fine.\"x: }\"")
    .as_str()))
        .await;
    db.run(&at(r#"
        create role @other_owner; create role @other_reader; create schema "other" authorization @other_owner;
        grant usage on schema fine to @other_reader; grant select on fine."x: }" to @other_reader;
        create table fine."Mixed" (id int); grant select on fine."Mixed" to @other_reader;
        create function fine."F x"(int) returns int language sql as 'select 1';
        revoke all on function fine."F x"(int) from public; grant execute on function fine."F x"(int) to @other_reader;
    "#))
        .await;
    let project = Project::new(&db);
    let told = misfits(&adopt(&project, &[])).join("\n");
    for object in ["schema Orders", "schema a: [b", "schema pgcleave_x", "schema línea"] {
        assert!(told.contains(&format!(": {object}: no manifest can name it")), "{object}\n{told}");
    }
    assert!(told.contains("contracts on fine.x: }: no manifest can name the object"), "{told}");
    assert!(told.contains("contracts on fine.F x(integer): no manifest can name the object"), "{told}");
    assert!(read(&project, "manifests/fine.yaml").contains("- { table: \"Mixed\", to: [other] }"));
    project.run(&["check"]).exits(0);
}

#[tokio::test]
async fn a_schema_that_is_an_extensions_is_no_service() {
    let db = TestDb::new().await;
    db.run(
        "create schema points; create table points.readings (at timestamptz); create extension citext schema public; \
         create schema chunks; alter extension citext add schema chunks; create table chunks.one () inherits (points.readings)",
    )
    .await;
    let project = Project::new(&db);
    let adopted = adopt(&project, &[]);
    assert_eq!(adopted["services"].as_array().expect("services").len(), 1, "{adopted:#}");
    assert!(!misfits(&adopted).join("\n").contains("chunks"), "{adopted:#}");
    let told = misfits(&adopt(&project, &["chunks"])).join("\n");
    assert!(told.contains("schema chunks: it is a member of an extension: no service can own it"), "{told}");
    assert!(!project.path().join("manifests/chunks.yaml").exists());
}

#[tokio::test]
async fn an_empty_database_gives_nothing_to_write() {
    let db = TestDb::new().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = bare(&folder, &db, &["adopt"]).exits(0);
    assert!(told.stdout.contains("0 services adopted"), "{}", told.stdout);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
}
