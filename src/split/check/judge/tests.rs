use expect_test::expect;

use super::super::facts::{Available, Facts, Identity, Schema, Server, Table, Transaction};
use super::*;
use crate::transfer::coupling::{Coupling, CouplingKind};
use crate::transfer::logins::{Password, User};

fn server(database: &str) -> Server {
    let settings = [
        ("wal_level", "logical"),
        ("max_replication_slots", "10"),
        ("max_wal_senders", "10"),
        ("max_worker_processes", "8"),
        ("max_logical_replication_workers", "4"),
        ("max_slot_wal_keep_size", "1024"),
        ("max_connections", "100"),
        ("max_locks_per_transaction", "64"),
    ];
    Server {
        version: 170_002,
        database: database.to_owned(),
        login: "admin".to_owned(),
        superuser: true,
        sees_all: true,
        system: Some(database.to_owned()),
        encoding: "UTF8".to_owned(),
        collation: "C".to_owned(),
        ctype: "C".to_owned(),
        provider: "c".to_owned(),
        bytes: Some(1),
        settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        connections: Some(3),
        schema_exists: database == "shop",
        connects_public: true,
        ..Server::default()
    }
}

fn table(name: &str, identity: Identity, candidate: Option<&str>) -> Table {
    Table {
        name: name.to_owned(),
        partitioned: false,
        identity,
        candidate: candidate.map(str::to_owned),
        deferrable_key: false,
        incomparable: Vec::new(),
        generated_key: Vec::new(),
        rows: 1000,
        bytes: 100_000_000,
        index_bytes: 50_000_000,
        changes: Some(7),
    }
}

fn facts() -> Facts {
    let schema = Schema { tables: vec![table("orders", Identity::Key, None)], ..Schema::default() };
    Facts { source: server("shop"), target: server("orders"), schema, ..Facts::default() }
}

fn check(change: impl FnOnce(&mut Facts), expected: expect_test::Expect) {
    let mut facts = facts();
    change(&mut facts);
    let found = judge("orders", &Ident::from_server("orders"), &facts, &Allowed::default());
    let line = |sign: &str, item: &Item| {
        let cost = item.cost.as_ref().map(|cost| format!("\n    cost: {cost}")).unwrap_or_default();
        format!("{sign} {} {}: {}\n    fix: {}{cost}\n", item.kind, item.object, item.message, item.fix)
    };
    let blockers = found.blockers.iter().map(|item| line("blocker", item));
    expected.assert_eq(&blockers.chain(found.warnings.iter().map(|item| line("warning", item))).collect::<String>());
}

#[test]
fn nothing_is_in_the_way_of_a_plain_schema() {
    check(|_| (), expect![""]);
    let found = judge("orders", &Ident::from_server("orders"), &facts(), &Allowed::default());
    assert!(found.is_ready());
    assert_eq!((found.estimate.seconds, found.estimate.rows), (4, 1000));
    assert_eq!(found.unknown.len(), 2, "{:?}", found.unknown);
}

#[test]
fn rows_without_identity_block_with_the_cheapest_fix() {
    check(
        |facts| {
            facts.schema.tables =
                vec![table("log", Identity::Nothing, None), table("Tags", Identity::Nothing, Some("tags_name_key"))];
        },
        expect![[r#"
            blocker replica-identity orders.Tags: orders.Tags has no replica identity (it has no primary key): once published, its UPDATE and DELETE fail
                fix: alter table "orders"."Tags" replica identity using index "tags_name_key"
                cost: a short exclusive lock; the key's old values in the log
            blocker replica-identity orders.log: orders.log has no replica identity (it has no primary key): once published, its UPDATE and DELETE fail
                fix: give it a primary key, or alter table "orders"."log" replica identity full
                cost: a key: an index on about 1000 rows (100 MB); full: a short exclusive lock, whole old rows in the log, and on the target a scan for each of its updates and deletes (7 so far)
        "#]],
    );
}

#[test]
fn a_server_without_room_for_replication_blocks_and_names_the_users() {
    check(
        |facts| {
            facts.source.settings.insert("wal_level".to_owned(), "replica".to_owned());
            facts.source.settings.insert("max_replication_slots".to_owned(), "1".to_owned());
            facts.source.slots = vec!["warehouse (shop, inactive)".to_owned()];
            facts.source.prepared = vec!["tx1 (shop)".to_owned()];
        },
        expect![[r#"
            blocker prepared-transaction source: prepared transactions wait on the source, and no slot is made before they end: tx1 (shop)
                fix: commit prepared or rollback prepared, as whoever prepared them wants
            blocker replication-room source max_replication_slots: max_replication_slots of the source is 1, and 1 are in use by warehouse (shop, inactive); a split needs 1
                fix: alter system set max_replication_slots = 6, then restart the server
                cost: a restart of the source
            blocker wal-level source: wal_level of the source is replica: changes cannot be followed
                fix: alter system set wal_level = logical, then restart the server
                cost: a restart of the shared server, which all services notice, and somewhat more log from then on
        "#]],
    );
}

#[test]
fn what_the_target_lacks_blocks() {
    check(
        |facts| {
            facts.schema.extensions = vec!["pgcrypto".to_owned(), "postgis".to_owned()];
            facts.source.extensions =
                [("pgcrypto", "1.3"), ("postgis", "3.4")].map(|(a, b)| (a.into(), b.into())).into();
            let available = Available { name: "pgcrypto".to_owned(), version: "1.4".to_owned(), superuser: false };
            facts.target.available = vec![available];
            facts.schema.collations = vec!["pg_catalog.de_DE".to_owned()];
            facts.target.version = 160_000;
            facts.target.encoding = "LATIN1".to_owned();
            facts.target.schema_exists = true;
            facts.target.schema_objects = 2;
        },
        expect![[r#"
            blocker collation pg_catalog.de_DE: collation pg_catalog.de_DE is used, and the target has none of that name
                fix: install the locale on the target's host and run pg_import_system_collations, or create the collation
            blocker encoding target: the source's encoding is UTF8, the target's LATIN1
                fix: create database … encoding 'UTF8' template template0
            blocker extension postgis: the target's server does not offer extension postgis
                fix: install its package on the target's host, or choose a server that has it
            blocker target-not-empty orders: the target has a schema orders already, with 2 objects in it
                fix: name an empty database, or drop that schema there
            blocker version target: the target is PostgreSQL 16, older than the source's 17: definitions do not go backwards
                fix: use a server of 17 or newer
            warning extension pgcrypto: extension pgcrypto is 1.3 in the source, and the target's server offers 1.4
                fix: test the service with that version first, or install the other one
        "#]],
    );
}

#[test]
fn couplings_block_and_unbounded_slots_are_told() {
    let coupling = |kind, object: &str, refers_to: &str| Coupling {
        kind,
        object: object.to_owned(),
        refers_to: refers_to.to_owned(),
    };
    check(
        |facts| {
            facts.couplings = vec![
                coupling(CouplingKind::Unlogged, "cache", ""),
                coupling(CouplingKind::NeededBy, "table orders.orders", "view billing.open"),
                coupling(CouplingKind::Tablespace, "orders", "fast"),
            ];
            facts.source.settings.insert("max_slot_wal_keep_size".to_owned(), "-1".to_owned());
            facts.source.long_transactions = vec![Transaction {
                pid: 7,
                login: Some("reports".to_owned()),
                state: Some("idle in transaction".to_owned()),
                database: Some("shop".to_owned()),
                seconds: 90,
            }];
        },
        expect![[r#"
            blocker needed-by table orders.orders: view billing.open needs table orders.orders, and would go on with the rows that are left behind
                fix: read it through a contract, which a split can bridge
                cost: a change to the other service
            blocker unlogged cache: table cache is unlogged, and replication leaves its rows out
                fix: alter table cache set logged
                cost: writes the whole table to the log, under an exclusive lock
            warning long-transaction 7: process 7 (reports, idle in transaction in shop) has had a transaction open for 90 s; a slot waits for it to end
                fix: let it end, or select pg_terminate_backend(7)
            warning tablespace orders: orders is in tablespace fast; it is restored into the default one
                fix: move it on the target if need be
            warning wal-kept source: nothing bounds the log that a slot holds back on the source: if the target stops following, its disk fills up
                fix: give split start --max-wal, or set max_slot_wal_keep_size
        "#]],
    );
}

#[test]
fn a_split_under_way_is_not_in_its_own_way() {
    check(
        |facts| {
            facts.phase = Some("ready".to_owned());
            facts.target.schema_exists = true;
            facts.target.schema_objects = 5;
            facts.schema.tables = vec![table("log", Identity::Full, None)];
            facts.source.settings.insert("max_replication_slots".to_owned(), "1".to_owned());
            facts.source.slots = vec!["pgcleave_x_forward (shop)".to_owned()];
        },
        expect![""],
    );
}

#[test]
fn rows_that_the_target_cannot_find_block() {
    check(
        |facts| {
            let mut event = table("event", Identity::Full, None);
            event.incomparable = vec!["body".to_owned()];
            let mut price = table("price", Identity::Key, None);
            price.generated_key = vec!["net".to_owned()];
            let mut part = table("part", Identity::Nothing, None);
            part.partitioned = true;
            facts.schema.tables = vec![event, price, part];
        },
        expect![[r#"
            blocker replica-identity orders.event: orders.event is identified by whole rows, and values of body cannot be compared: its UPDATE and DELETE stop the target
                fix: give it a primary key, and alter table … replica identity default
            blocker replica-identity orders.price: orders.price is identified by net, which is generated and not replicated: its UPDATE and DELETE stop the target
                fix: let a unique index of other columns identify it, or alter table "orders"."price" replica identity full
        "#]],
    );
}

#[test]
fn whoever_uses_the_schema_keeps_a_login_or_is_named() {
    check(
        |facts| {
            let user = |name: &str, own, through: &[&str], password| User {
                name: Ident::from_server(name),
                own,
                granted: name == "old_app",
                through: through.iter().map(|name| Ident::from_server(name)).collect(),
                password,
            };
            facts.logins = vec![
                user("app", true, &[], Password::Scram),
                user("old_app", true, &[], Password::Md5),
                user("hidden", true, &[], Password::Unreadable),
                user("bi", false, &["readers"], Password::Scram),
                user("billing_app_a", false, &["billing_reader"], Password::Scram),
            ];
            facts.others = vec![Ident::from_server("billing_reader")];
            facts.target.hba_methods = Some(vec!["scram-sha-256".to_owned()]);
            facts.target.connects_public = false;
        },
        expect![[r#"
            blocker login bi: bi (as a member of readers) uses this schema and holds more: something in another schema or database, or rights over the server. It stays behind, and reaches nothing of the service once that has moved
                fix: declare a contract that the service it works for consumes, or give it a login of its own on the target
            blocker login hidden: admin may not read the stored password of hidden, which would have none on the target
                fix: connect to the source as a superuser, or give it a password on the target after the copy
            blocker login old_app: the password of old_app is stored as an MD5 hash, and a line with scram-sha-256 in pg_hba.conf of the target does not let it in
                fix: set the same password again while password_encryption is scram-sha-256
            blocker login orders: every login may connect to the source's database, and not to orders: those of the service might be shut out
                fix: grant connect on database "orders" to public, or to the service's logins once they are there
            warning login old_app: old_app comes along with its stored password, since all that it may use anywhere is in this schema
                fix: revoke its grants here first if it is not one of the service's
        "#]],
    );
    check(
        |facts| {
            facts.logins = vec![User {
                name: Ident::from_server("old_app"),
                own: true,
                granted: false,
                through: Vec::new(),
                password: Password::Md5,
            }];
            facts.target.hba_methods = Some(vec!["md5".to_owned()]);
        },
        expect![""],
    );
}

#[test]
fn what_is_allowed_is_a_warning() {
    let mut facts = facts();
    facts.source.refusing_triggers = vec!["no_ddl".to_owned()];
    let of = |allowed: &Allowed| {
        let found = judge("orders", &Ident::from_server("orders"), &facts, allowed);
        (found.blockers.len(), found.warnings.len())
    };
    assert_eq!(of(&Allowed::default()), (1, 0));
    assert_eq!(of(&Allowed::new(["event-trigger"])), (0, 1));
    assert_eq!(of(&Allowed::new(["login", "wal-level"])), (1, 0), "nobody can allow what has no way");
}

#[test]
fn a_copy_that_needs_more_locks_than_a_server_has_blocks() {
    check(
        |facts| {
            facts.schema.locked = 3600;
            facts.schema.relations = 9000;
        },
        expect![[r#"
            blocker lock-table source max_locks_per_transaction: the source has room for some 7616 locks by its settings, and the copy needs about 10800 at once
                fix: alter system set max_locks_per_transaction = 154, then restart the server
                cost: a restart of the source
            blocker lock-table target max_locks_per_transaction: the target has room for some 7616 locks by its settings, and the copy needs about 9000 at once
                fix: alter system set max_locks_per_transaction = 139, then restart the server
                cost: a restart of the target
        "#]],
    );
}
