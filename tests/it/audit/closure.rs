//! The closure against the server itself: random roles, memberships, grants and views, every pair tried for real.

use std::collections::BTreeSet;

use pgcleave::audit::facts::Facts;
use pgcleave::audit::facts::relation::RelationKind;
use pgcleave::audit::facts::role::RoleId;
use pgcleave::audit::why::{question, why};
use pgcleave::model::privilege::Privilege;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::facts;
use crate::support::TestDb;

const ROLES: u64 = 8;
const SCHEMAS: u64 = 3;
const TABLES: u64 = 4;
const VIEWS: u64 = 6;
const WORLDS: u64 = 12;

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn flag(&mut self) -> &'static str {
        if self.chance(50) { "true" } else { "false" }
    }
}

/// Writes the SQL of a world; its views each name one relation, so that reading the view proves reading it.
fn world(dice: &mut Dice, p: &str, major: u32) -> String {
    let mut sql = String::new();
    let mut line = |text: String| {
        sql.push_str(&text);
        sql.push_str(";\n");
    };
    for r in 0..ROLES {
        line(format!("create role {p}r{r} {}", if dice.chance(30) { "noinherit" } else { "inherit" }));
    }
    for member in 0..ROLES {
        for role in 0..member {
            if dice.chance(25) {
                let options = if major >= 16 {
                    format!(" with inherit {}, set {}", dice.flag(), dice.flag())
                } else {
                    String::new()
                };
                line(format!("grant {p}r{role} to {p}r{member}{options}"));
            }
        }
    }
    for s in 0..SCHEMAS {
        line(format!("create schema {p}s{s} authorization {p}r{}", dice.below(ROLES)));
        for r in (0..ROLES).filter(|_| dice.chance(25)) {
            line(format!("grant usage on schema {p}s{s} to {p}r{r}"));
        }
        if dice.chance(20) {
            line(format!("grant usage on schema {p}s{s} to public"));
        }
    }
    let mut relations = Vec::new();
    for t in 0..TABLES + VIEWS {
        let name = format!("{p}s{}.x{t}", dice.below(SCHEMAS));
        if t < TABLES {
            line(format!("create table {name} (a int, b int)"));
        } else {
            let invoker = if dice.chance(30) { "with (security_invoker = true) " } else { "" };
            let base: &String = &relations[dice.below(relations.len() as u64) as usize];
            line(format!("create view {name} {invoker}as select a, b from {base}"));
        }
        line(format!("alter table {name} owner to {p}r{}", dice.below(ROLES)));
        for r in (0..ROLES).filter(|_| dice.chance(15)) {
            line(format!("grant select on {name} to {p}r{r}"));
        }
        let readers: Vec<u64> = (0..ROLES).filter(|_| dice.chance(8)).collect();
        for r in readers {
            let columns = if dice.chance(50) { "a" } else { "b" };
            line(format!("grant select ({columns}) on {name} to {p}r{r}"));
        }
        if dice.chance(4) {
            line(format!("grant select (b) on {name} to public"));
        }
        if dice.chance(8) {
            line(format!("grant select on {name} to public"));
        }
        relations.push(name);
    }
    sql
}

/// Asks the server: which role can, under which identity, read which relation.
async fn tried(connection: &mut PgConnection, p: &str) -> BTreeSet<(String, String)> {
    let script = format!(
        "do $do$ declare p name; i name; x text; found text := ''; begin \
         for p in select rolname from pg_roles where starts_with(rolname, '{p}r') loop \
         for i in select rolname from pg_roles where starts_with(rolname, '{p}r') loop \
         for x in select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
           where starts_with(n.nspname, '{p}s') and c.relkind in ('r', 'v') loop \
         begin \
           execute format('set session authorization %I', p); execute format('set role %I', i); \
           execute format('select 1 from %s limit 0', x); \
           found := found || p || ' ' || x || ','; \
         exception when insufficient_privilege then null; end; \
         reset role; reset session authorization; \
         end loop; end loop; end loop; perform set_config('zoo.found', found, false); end $do$"
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(script.as_str()))).await.unwrap_or_else(|e| panic!("{e}\n{script}"));
    let row = sqlx::query("select current_setting('zoo.found')").fetch_one(connection).await.expect("the result");
    let found: String = row.get(0);
    let pairs = found.split(',').filter_map(|pair| pair.split_once(' '));
    pairs.map(|(role, relation)| (role.to_owned(), relation.to_owned())).collect()
}

/// Reads the definition: which relation a view names.
async fn bases(connection: &mut PgConnection, p: &str) -> Vec<(String, String)> {
    let rows = sqlx::query(
        "select distinct format('%I.%I', vn.nspname, v.relname), format('%I.%I', bn.nspname, b.relname) \
         from pg_depend d join pg_rewrite w on w.oid = d.objid and d.classid = 'pg_rewrite'::regclass \
         join pg_class v on v.oid = w.ev_class join pg_namespace vn on vn.oid = v.relnamespace \
         join pg_class b on b.oid = d.refobjid and d.refclassid = 'pg_class'::regclass and b.oid <> v.oid \
         join pg_namespace bn on bn.oid = b.relnamespace where starts_with(vn.nspname, $1)",
    )
    .bind(format!("{p}s"))
    .fetch_all(connection)
    .await
    .expect("the views");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Adds to what can be read directly what is read by way of views.
fn with_what_views_read(direct: &BTreeSet<(String, String)>, bases: &[(String, String)]) -> BTreeSet<(String, String)> {
    let mut all = direct.clone();
    loop {
        let more: Vec<_> = all
            .iter()
            .flat_map(|(role, relation)| {
                bases.iter().filter(move |(v, _)| v == relation).map(move |(_, b)| (role.clone(), b.clone()))
            })
            .filter(|pair| !all.contains(pair))
            .collect();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// Asks the closure the same.
fn deduced(facts: &Facts, p: &str) -> BTreeSet<(String, String)> {
    let roles: Vec<(RoleId, String)> = facts
        .roles
        .iter()
        .filter(|(_, r)| r.name.as_str().starts_with(&format!("{p}r")))
        .map(|(id, r)| (id, r.name.as_str().to_owned()))
        .collect();
    let mut found = BTreeSet::new();
    // having a privilege on a view is not yet reading it: what counts is which tables are read, by whichever way
    for relation in facts.relations.iter().filter(|r| r.kind == RelationKind::Table) {
        let schema = facts.schema_row(relation.schema).name.as_str();
        let label = format!("{schema}.{}", relation.name.as_str());
        for (_, role) in roles.iter().filter(|_| schema.starts_with(&format!("{p}s"))) {
            let asked = question(facts, role, &label, Some(Privilege::Select), false).expect("both exist");
            if why(facts, &asked).reachable {
                found.insert((role.clone(), label.clone()));
            }
        }
    }
    found
}

#[tokio::test]
async fn the_closure_agrees_with_the_server_both_ways() {
    let db = TestDb::new().await;
    for seed in 0..WORLDS {
        let mut dice = Dice(seed);
        let p = format!("{}{seed}", db.prefix());
        let sql = world(&mut dice, &p, db.major());
        db.run(&sql).await;
        let mut connection = db.connect().await;
        let direct = tried(&mut connection, &p).await;
        let server = with_what_views_read(&direct, &bases(&mut connection, &p).await);
        let facts = facts(&mut connection).await;
        let closure = deduced(&facts, &p);
        let tables: BTreeSet<_> =
            facts.relations.iter().filter(|r| r.kind == RelationKind::Table).map(|r| r.name.as_str()).collect();
        let is_table =
            |(_, relation): &(String, String)| relation.split_once('.').is_some_and(|(_, name)| tables.contains(name));
        let server: BTreeSet<_> = server.into_iter().filter(is_table).collect();
        let missed: Vec<_> = server.difference(&closure).collect();
        let invented: Vec<_> = closure.difference(&server).collect();
        assert!(!server.is_empty(), "world {seed} has something to read");
        assert!(
            missed.is_empty() && invented.is_empty(),
            "world {seed}: missed {missed:?}, invented {invented:?}\n{sql}"
        );
    }
}
