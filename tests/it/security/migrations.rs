//! Hostile migrations: whatever a service's files try, nothing is left, and another service's files run.

use std::time::Duration;

use pgcleave::migrate::Options;
use pgcleave::pg::watch::Limits;

use crate::migrate::shop::Shop;

/// The services that try something at once; each round has one file of each.
const EVIL: [&str; 12] =
    ["evil0", "evil1", "evil2", "evil3", "evil4", "evil5", "evil6", "evil7", "evil8", "evil9", "evil10", "evil11"];

/// What is tried, by kind; a statement that the server or pgcleave refuses is as good as one that has no effect.
/// `$o` is the owner of the victim, `$s` the victim's schema, `$w` the victim's writer.
const TRIES: &[&str] = &[
    // roles
    "do $$ begin execute 'create role hostile_r'; end $$",
    "do $$ begin execute 'alter role ' || quote_ident(session_user) || ' createrole'; end $$",
    "do $$ begin execute 'alter role ' || quote_ident(session_user) || ' superuser'; end $$",
    "do $$ begin execute 'alter role ' || quote_ident(session_user) || ' valid until ''infinity'''; end $$",
    "do $$ begin execute 'alter role ' || quote_ident(session_user) || ' connection limit -1'; end $$",
    "do $$ begin execute 'alter role ' || quote_ident(session_user) || ' password ''x'''; end $$",
    "do $$ begin execute 'alter role ' || quote_ident(session_user) || ' rename to hostile_kept'; end $$",
    "do $$ begin execute 'alter role ' || quote_ident(current_user) || ' login password ''x'''; end $$",
    "do $$ begin execute 'grant ' || quote_ident(session_user) || ' to public'; end $$",
    "do $$ begin execute 'grant ' || quote_ident(current_user) || ' to $w'; end $$",
    "do $$ begin execute 'grant $o to ' || quote_ident(current_user); end $$",
    "do $$ begin execute 'grant pg_read_all_data to ' || quote_ident(session_user); end $$",
    "do $$ begin execute 'grant pg_signal_backend to ' || quote_ident(session_user); end $$",
    "do $$ begin execute 'drop role $w'; end $$",
    "do $$ begin execute 'reassign owned by $o to ' || quote_ident(current_user); end $$",
    "do $$ begin execute 'drop owned by $o'; end $$",
    "do $$ begin execute 'set role $o'; end $$; drop table $s.kept",
    "do $$ begin execute 'set session authorization $o'; end $$; drop table $s.kept",
    "do $$ begin execute 'reset session authorization'; execute 'set role none'; end $$; create table as_login (id int)",
    "do $$ begin perform set_config('role', 'none', false); end $$; create table as_login2 (id int)",
    "do $$ begin perform set_config('session_authorization', '$o', false); end $$",
    "create function hostile_f() returns void language plpgsql security definer as $$ begin execute 'set role $o'; end $$; select hostile_f()",
    // sessions
    "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()",
    "select pg_cancel_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()",
    "select pg_terminate_backend(pg_backend_pid())",
    "select pg_cancel_backend(pg_backend_pid())",
    "do $$ begin begin perform pg_terminate_backend(pid) from pg_stat_activity where application_name like 'pgcleave%' and pid <> pg_backend_pid(); exception when others then null; end; end $$",
    "select set_config('application_name', 'pgcleave apply', false)",
    "discard all",
    "do $$ begin execute 'discard all'; end $$",
    "do $$ begin execute 'discard temp'; end $$",
    // settings
    "do $$ begin execute 'alter role ' || quote_ident(session_user) || ' set search_path = pg_temp'; end $$",
    "do $$ begin execute 'alter role ' || quote_ident(current_user) || ' set role = ''$o'''; end $$",
    "do $$ begin execute 'alter role all set statement_timeout = 1'; end $$",
    "do $$ begin execute 'alter role $w set search_path = hostile'; end $$",
    "do $$ begin execute 'alter database ' || quote_ident(current_database()) || ' set search_path = hostile'; end $$",
    "do $$ begin execute 'alter database ' || quote_ident(current_database()) || ' owner to ' || quote_ident(current_user); end $$",
    "do $$ begin execute 'alter system set log_statement = ''none'''; end $$",
    "set search_path = ''; set standard_conforming_strings = off; set client_encoding = 'SQL_ASCII'",
    "set default_transaction_read_only = on; set session_replication_role = replica",
    "set default_transaction_read_only = on",
    "set transaction read only",
    "set constraints all deferred",
    "set client_min_messages = debug5; set log_min_messages = debug5",
    "set quote_all_identifiers = on; set datestyle = 'German'; set intervalstyle = 'iso_8601'",
    "set check_function_bodies = off; create function broken() returns int language sql as 'select nothing'",
    "select set_config('search_path', 'pg_temp, public', false)",
    // time-outs
    "set statement_timeout = 0; select pg_sleep(3600)",
    "set statement_timeout = 1; select pg_sleep(1)",
    "set lock_timeout = 1; set idle_in_transaction_session_timeout = 1; select pg_sleep(0.1)",
    "do $$ begin loop begin perform pg_sleep(3600); exception when query_canceled then null; end; end loop; end $$",
    "do $$ begin loop begin perform 1; exception when others then null; end; end loop; end $$",
    "with recursive r as (select 1 as n union all select n from r) select count(*) from r",
    "select count(*) from generate_series(1, 100000000000)",
    "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(3600); return null; end $$; create table d (id int); create constraint trigger t after insert on d deferrable initially deferred for each row execute function slow(); insert into d values (1)",
    // locks
    "select pg_advisory_lock(n) from generate_series(1, 50) n",
    "select pg_advisory_lock(1885823852, hashtext('pgcleave apply')), pg_advisory_lock(1885823852, hashtext('the migrations of schema $s'))",
    "select pg_advisory_lock(1885823852, hashtext('the registry'))",
    "do $$ begin execute 'lock table $s.kept'; end $$",
    "do $$ begin execute 'lock table pgcleave.service in access share mode'; end $$",
    "do $$ begin execute 'lock table pg_catalog.pg_class in access exclusive mode'; end $$",
    "do $$ begin execute 'lock table pg_catalog.pg_authid in exclusive mode'; end $$",
    "create table big as select n from generate_series(1, 100) n; lock table big; select pg_sleep(0.2)",
    // background effects
    "listen hostile",
    "do $$ begin execute 'listen hostile'; end $$",
    "notify hostile, 'x'",
    "do $$ begin execute 'declare c cursor with hold for select 1'; end $$",
    "declare c cursor with hold for select 1",
    "prepare p as select 1",
    "do $$ begin execute 'prepare p2 as select 1'; end $$",
    "create temp table t (id int)",
    "create temp table t2 (id int) on commit delete rows; create temp view tv as select * from t2",
    "create function pg_temp.f() returns int language sql as 'select 1'",
    "do $$ begin execute 'prepare transaction ''hostile'''; end $$",
    "prepare transaction 'hostile'",
    "do $$ begin execute 'create event trigger hostile on ddl_command_end execute function f()'; end $$",
    "create function et() returns event_trigger language plpgsql as $$ begin end $$; create event trigger hostile on ddl_command_end execute function et()",
    "do $$ begin execute 'create extension dblink'; end $$",
    "do $$ begin execute 'create extension postgres_fdw'; end $$",
    "create foreign data wrapper hostile",
    "do $$ begin execute 'create server hostile foreign data wrapper postgres_fdw'; end $$",
    "do $$ begin execute 'create publication hostile for all tables'; end $$",
    "do $$ begin execute 'create subscription hostile connection ''host=127.0.0.1'' publication p'; end $$",
    "select pg_create_logical_replication_slot('hostile', 'test_decoding')",
    "select pg_replication_origin_create('hostile')",
    "do $$ begin execute 'load ''auto_explain'''; end $$",
    "do $$ begin execute 'create language plpython3u'; end $$",
    "do $$ begin execute 'copy (select 1) to program ''true'''; end $$",
    "do $$ begin execute 'copy (select 1) to ''/tmp/hostile'''; end $$",
    "select pg_read_file('/etc/passwd')",
    "select pg_reload_conf()",
    "select pg_export_snapshot()",
    "do $$ begin execute 'create schema hostile'; end $$",
    "do $$ begin execute 'create database hostile'; end $$",
    "do $$ begin execute 'create tablespace hostile location ''/tmp'''; end $$",
    // other schemas
    "do $$ begin execute 'create table $s.mine (id int)'; end $$",
    "do $$ begin execute 'create table public.mine (id int)'; end $$",
    "do $$ begin execute 'create function pg_catalog.hostile() returns int language sql as ''select 1'''; end $$",
    "do $$ begin execute 'insert into pgcleave.service values (''x'', ''x'', '''')'; end $$",
    "do $$ begin execute 'delete from pgcleave.migration'; end $$",
    "do $$ begin execute 'delete from pgcleave.interrupted_migration'; end $$",
    "do $$ begin execute 'update pg_catalog.pg_authid set rolsuper = true'; end $$",
    "do $$ begin execute 'alter default privileges for role $o grant all on tables to public'; end $$",
    "do $$ begin execute 'alter schema $s owner to ' || quote_ident(current_user); end $$",
    "do $$ begin execute 'set role none'; execute 'alter default privileges grant all on tables to public'; end $$",
    // histories
    "drop table refinery_schema_history",
    "truncate refinery_schema_history",
    "alter table refinery_schema_history rename to other",
    "create rule r as on insert to refinery_schema_history do instead nothing",
    "create function tr() returns trigger language plpgsql as $$ begin return null; end $$; create trigger tr before insert on refinery_schema_history for each row execute function tr()",
    "create function tx() returns trigger language plpgsql as $$ begin execute 'set role none'; return null; end $$; create constraint trigger tx after insert on refinery_schema_history deferrable initially deferred for each row execute function tx()",
    "alter table refinery_schema_history enable row level security; alter table refinery_schema_history force row level security",
    // dynamic SQL around the transaction
    "do $$ begin execute 'commit'; end $$",
    "create procedure pc() language plpgsql as $$ begin commit; end $$; call pc()",
    "do $$ begin execute 'rollback'; end $$",
    "select 1/0",
    "-- pgcleave: no-transaction\ndo $$ begin commit; end $$;",
    "-- pgcleave: no-transaction\ndo $$ begin execute 'set role none'; execute 'create table hostile_login (id int)'; end $$;",
    "-- pgcleave: no-transaction\nselect pg_advisory_lock(7);\nselect pg_sleep(3600);",
    "-- pgcleave: no-transaction\ndo $$ begin execute 'declare c cursor with hold for select 1'; end $$;\nlisten hostile;",
    "-- pgcleave: no-transaction\ncreate temp table kept_open (id int);\nprepare kept_p as select 1;",
];

/// Whatever could be left outside of the services' own schemas; a setting of a service's own NOLOGIN owner has no effect.
const LEFT: &str = "
    select 'role ' || rolname from pg_roles where rolname like '%hostile%' or rolname like $p || '%pgcleave\\_tmp%'
    union all select 'attribute ' || rolname from pg_roles
        where starts_with(rolname, $p) and rolname <> $p || 'admin' and (rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolbypassrls)
    union all select 'member ' || m.rolname || ' of ' || r.rolname from pg_auth_members a join pg_roles r on r.oid = a.roleid
        join pg_roles m on m.oid = a.member where starts_with(m.rolname, $p) and m.rolname <> $p || 'admin'
    union all select 'setting ' || array_to_string(setconfig, ',') from pg_db_role_setting s
        left join pg_roles r on r.oid = s.setrole left join pg_database d on d.oid = s.setdatabase
        where d.datname = current_database() or (starts_with(r.rolname, $p) and r.rolname !~ 'evil[0-9]+_owner$')
    union all select 'prepared ' || gid from pg_prepared_xacts where gid like '%hostile%'
    union all select 'session ' || usename from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
    union all select 'lock' from pg_locks l join pg_database d on d.oid = l.database where d.datname = current_database() and locktype = 'advisory'
    union all select 'temporary ' || c.relname from pg_class c where relpersistence = 't'
    union all select 'event trigger ' || evtname from pg_event_trigger
    union all select 'schema ' || nspname from pg_namespace where nspname like '%hostile%'
    union all select 'publication ' || pubname from pg_publication
    union all select 'subscription ' || subname from pg_subscription s join pg_database d on d.oid = s.subdbid where d.datname = current_database()
    union all select 'slot ' || slot_name from pg_replication_slots where slot_name like '%hostile%'
    union all select 'server ' || srvname from pg_foreign_server union all select 'wrapper ' || fdwname from pg_foreign_data_wrapper
    union all select 'default acl ' || r.rolname from pg_default_acl d join pg_roles r on r.oid = d.defaclrole where r.rolname = $p || 'good_owner' and defaclnamespace = 0
    union all select 'large object' from pg_largeobject_metadata
    union all select 'in public ' || relname from pg_class where relnamespace = 'public'::regnamespace
    union all select 'in the victim ' || relname from pg_class where relnamespace = 'good'::regnamespace and relkind = 'r'
        and relname not in ('kept', 'refinery_schema_history') and relname not like 'n%'
    union all select 'foreign owner of ' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_roles o on o.oid = c.relowner
        where n.nspname like 'evil%' and o.rolname <> $p || n.nspname || '_owner'
    order by 1";

#[tokio::test]
async fn a_hundred_hostile_files_leave_nothing_and_hold_up_nobody() {
    assert!(TRIES.len() >= 100, "{} tries", TRIES.len());
    attack(&Shop::managed(&names()).await).await;
}

#[tokio::test]
async fn they_leave_nothing_where_a_superuser_migrates() {
    attack(&Shop::new(&names()).await).await;
}

fn names() -> Vec<&'static str> {
    EVIL.into_iter().chain(["good"]).collect()
}

async fn attack(shop: &Shop) {
    let evil = EVIL;
    shop.write("good", "V1__kept.sql", "create table kept (id int)");
    for service in &evil {
        shop.write(service, "V1__a.sql", "create table a (id int)");
    }
    // Long enough for a harmless file on a busy machine.
    let limits = Limits { file_seconds: 8, lock_wait_seconds: 4, lock_retries: 0 };
    let options = Options { limits, jobs: 6, ..Options::default() };
    for (service, outcome) in shop.migrate_with(&options).await {
        assert!(outcome.error.is_none(), "{service}: {outcome:?}");
    }
    let prefix = shop.db.prefix();
    let left = LEFT.replace("$p", &format!("'{prefix}'"));
    let mut before = shop.db.texts(&left).await;
    for _ in 0..100 {
        // This test's own sessions, too, take a moment to end.
        if !before.iter().any(|what| what.starts_with("session ")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        before = shop.db.texts(&left).await;
    }
    for (round, tries) in TRIES.chunks(evil.len()).enumerate() {
        let version = round + 2;
        shop.write("good", &format!("V{version}__n.sql"), &format!("create table n{version} (id int)"));
        for (service, script) in evil.iter().zip(tries) {
            let script = script
                .replace("$o", &shop.owner("good"))
                .replace("$w", &format!("{prefix}good_writer"))
                .replace("$s", "good");
            shop.write(service, &format!("V{version}__try.sql"), &script);
        }
        let outcomes = shop.migrate_with(&options).await;
        let good = &outcomes["good"];
        assert!(good.error.is_none(), "round {round}: {good:?}");
        assert_eq!(good.applied, [format!("V{version}__n.sql")]);
        for (service, script) in evil.iter().zip(tries) {
            if outcomes[*service].error.is_some() {
                shop.remove(service, &format!("V{version}__try.sql"));
            }
            // a history that is broken now is the service's own affair, but the next try needs one
            let owner = shop.owner(service);
            shop.db.run(&format!("drop schema {service} cascade; create schema {service} authorization {owner}")).await;
            for old in 1..=version {
                let file = format!("V{old}__{}.sql", if old == 1 { "a" } else { "try" });
                if old > 1 && shop.has(service, &file) {
                    shop.remove(service, &file);
                }
            }
            // The server takes a moment to end a session that has been closed, this test's own ones, too.
            let mut after = shop.db.texts(&left).await;
            for _ in 0..100 {
                if after == before {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                after = shop.db.texts(&left).await;
            }
            assert_eq!(after, before, "after round {round} with {script}");
        }
    }
    assert_eq!(shop.db.texts("select to_regclass('good.kept')::text").await, ["good.kept"]);
}
