//! Who runs what a service has put on its tables when replicated rows arrive: never an administrator.

use super::{Move, run, texts};

/// Index expressions that note as whom they run; `{s}` is the schema, and `{t}` a table of it.
const TRAP: &str = "create or replace function {s}.note() returns void language plpgsql volatile as $$
    begin insert into public.trap_{s} values (current_user, current_setting('session_replication_role')); end $$;
    create or replace function {s}.trap(a int) returns int language plpgsql immutable as $$ begin perform {s}.note(); return a; end $$;
    alter function {s}.note() owner to {s}_owner; alter function {s}.trap(int) owner to {s}_owner;
    create index trap_{t} on {s}.{t} ({s}.trap(id))";

/// A start that takes tables of a superuser along.
const START_WITH_SUPERUSERS: [&str; 3] = ["start", "--allow", "superuser-objects"];

/// The text of the trap's function names a table of schema `public`.
const START_WITH_TRAPS: [&str; 3] = ["start", "--allow", "cpl06"];

impl Move {
    /// Plants the table that the traps write to, on both sides, and a trap on each of these tables.
    async fn set_traps(&self, tables: &[&str]) {
        for url in [&self.source, &self.target] {
            let notes = "create table public.trap_{s} (who text, backend text); grant insert, select on public.trap_{s} to public";
            run(url, &notes.replace("{s}", &self.name)).await;
        }
        for table in tables {
            run(&self.source, &TRAP.replace("{s}", &self.name).replace("{t}", table)).await;
        }
    }

    async fn clear_traps(&self) {
        for url in [&self.source, &self.target] {
            run(url, &format!("truncate public.trap_{}", self.name)).await;
        }
    }

    /// Gives as whom the traps ran, in the workers of replication or anywhere else.
    async fn trapped(&self, url: &str, by_workers: bool) -> Vec<String> {
        let session = if by_workers { "replica" } else { "origin" };
        let who = "select distinct who from public.trap_{s} where backend = '{session}' order by 1";
        texts(url, &who.replace("{s}", &self.name).replace("{session}", session)).await
    }

    /// Gives the name of the role as which a side's subscription applies, or of the tables' owner.
    async fn applies_as(&self, side: &str, own_role: bool) -> Vec<String> {
        let id = texts(&self.source, "select id from pgcleave.split").await.remove(0);
        vec![if own_role { format!("pgcleave_{id}_apply_{side}") } else { format!("{}_owner", self.name) }]
    }

    /// Moves there and back, writes on each side, and insists on who ran the traps; then takes the split back.
    async fn expect_no_administrator(&self, start: &[&str], own_role: bool, writes: [&str; 2]) {
        let write = |sql: &str| sql.replace("{s}", &self.name);
        self.run(start).await.exits(0);
        let id = texts(&self.source, "select id from pgcleave.split").await.remove(0);
        self.clear_traps().await;
        run(&self.source, &write(writes[0])).await;
        assert_eq!(self.trapped(&self.source, false).await, ["postgres"], "the trap fires for whoever writes");
        self.run(&["cutover"]).await.exits(0);
        assert_eq!(self.trapped(&self.target, true).await, self.applies_as("target", own_role).await);
        run(&self.target, &write(writes[1])).await;
        self.run(&["rollback"]).await.exits(0);
        assert_eq!(self.trapped(&self.source, true).await, self.applies_as("source", own_role).await);
        let seen = self.run(&["status", "--format", "json"]).await.exits(0).json();
        assert_eq!((&seen["cutover"]["equal"], &seen["blockers"]), (&true.into(), &serde_json::json!([])), "{seen}");
        self.run(&["abort"]).await.exits(0);
        self.expect_nothing_left().await;
        let roles = format!("select rolname::text from pg_roles where rolname like 'pgcleave\\_{id}%'");
        for url in [&self.source, &self.target] {
            assert_eq!(texts(url, &roles).await, Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn what_a_service_has_put_on_its_tables_runs_as_no_administrator_in_either_direction() {
    let service = Move::new().await;
    service.set_traps(&["made"]).await;
    let before_16 = super::servers().await.1.major() < 16;
    let writes = ["insert into {s}.made values (5001)", "insert into {s}.made values (5002)"];
    service.expect_no_administrator(&START_WITH_TRAPS, before_16, writes).await;
}

#[tokio::test]
async fn tables_of_a_superuser_and_forced_row_security_are_applied_by_a_role_of_the_splits_own() {
    let service = Move::new().await;
    let tables = "create table {s}.loose (id int primary key); insert into {s}.loose values (1);
        alter table {s}.nothing enable row level security; alter table {s}.nothing force row level security;
        create policy few on {s}.nothing using (id < 0)";
    run(&service.source, &tables.replace("{s}", &service.name)).await;
    service.set_traps(&["made", "loose", "nothing"]).await;
    let both = |n: i32| {
        format!(
            "insert into {{s}}.loose values ({n}); insert into {{s}}.nothing values ({n}); update {{s}}.loose set id = -id where id = {n}; truncate {{s}}.part"
        )
    };
    service
        .expect_no_administrator(
            &[&START_WITH_SUPERUSERS[..], &START_WITH_TRAPS[1..]].concat(),
            true,
            [&both(6001), &both(6002)],
        )
        .await;
}

#[tokio::test]
async fn the_role_that_applies_can_do_nothing_but_that() {
    let service = Move::new().await;
    run(&service.source, &format!("create table {}.loose (id int primary key)", service.name)).await;
    service.run(&START_WITH_SUPERUSERS).await.exits(0);
    let role = service.applies_as("target", true).await.remove(0);
    let can = "select rolsuper::text || rolcreaterole || rolcreatedb || rolreplication || rolconnlimit || (rolpassword is null)
        from pg_authid where rolname = '{r}'";
    assert_eq!(texts(&service.target, &can.replace("{r}", &role)).await, ["falsefalsefalsefalse0true"]);
    let over =
        "select r.rolname::text from pg_roles r where r.rolname <> '{r}' and pg_has_role('{r}', r.oid, 'member')";
    assert_eq!(texts(&service.target, &over.replace("{r}", &role)).await, [format!("{}_owner", service.name)]);
    service.run(&["cutover"]).await.exits(0);
    service.run(&["finish", "--bridge", "none"]).await.exits(0);
    service.expect_only_the_record_left().await;
    for url in [&service.source, &service.target] {
        let gone = format!(
            "select rolname::text from pg_roles where rolname in ('{role}', '{}')",
            role.replace("target", "source")
        );
        assert_eq!(texts(url, &gone).await, Vec::<String>::new());
    }
}
