//! The owner of a database can choose settings for every session in it; while a bridge is made they run nothing.

use super::*;

/// Operators that write down who used them, in front of PostgreSQL's own for every session of the database.
const TRAPS: &str = "
    create schema trap; create table public.caught (who text, what text);
    create function trap.note(what text) returns void language plpgsql as
      'begin insert into public.caught values (current_user, what); exception when others then null; end';
    create function trap.same(a pg_catalog.text, b pg_catalog.text) returns boolean language plpgsql as
      $$ begin perform trap.note('text'); return a operator(pg_catalog.=) b; end $$;
    create operator trap.= (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = trap.same);
    create function trap.same(a pg_catalog.name, b pg_catalog.name) returns boolean language plpgsql as
      $$ begin perform trap.note('name'); return a operator(pg_catalog.=) b; end $$;
    create operator trap.= (leftarg = pg_catalog.name, rightarg = pg_catalog.name, function = trap.same);
    create function trap.same(a pg_catalog.name, b pg_catalog.text) returns boolean language plpgsql as
      $$ begin perform trap.note('name and text'); return a operator(pg_catalog.=) b; end $$;
    create operator trap.= (leftarg = pg_catalog.name, rightarg = pg_catalog.text, function = trap.same);
    create function trap.same(a pg_catalog.oid, b pg_catalog.oid) returns boolean language plpgsql as
      $$ begin perform trap.note('oid'); return a operator(pg_catalog.=) b; end $$;
    create operator trap.= (leftarg = pg_catalog.oid, rightarg = pg_catalog.oid, function = trap.same);
    grant usage on schema trap to public; grant insert on public.caught to public; grant usage on schema public to public;";

#[tokio::test]
async fn no_setting_of_a_database_runs_anything_while_a_bridge_is_made() {
    let moving = Moving::new(&together(), SHIPPING).await;
    moving.needs_pg_dump().await;
    let places = [(moving.shared.url("shop"), "shop"), (moving.shop.own.url("orders"), "orders")];
    for (url, database) in &places {
        run(url, TRAPS).await;
        run(url, &format!("alter database {database} set search_path = trap, pg_catalog")).await;
        run(url, "select from pg_namespace where nspname = 'public'").await;
        let mut connection = PgConnection::connect(url).await.expect("the superuser connects");
        let caught = text(&mut connection, "select pg_catalog.count(*)::pg_catalog.text from public.caught").await;
        assert_ne!(caught, "0", "the traps work");
        run(url, "truncate public.caught").await;
    }
    for step in ["start", "cutover", "finish"] {
        moving.split(&[step]).await.exits(0);
    }
    for (url, _) in &places {
        let mut connection = PgConnection::connect(url).await.expect("the superuser connects");
        let caught = "select coalesce(pg_catalog.string_agg(distinct who, ' '), 'nobody') from public.caught";
        assert_eq!(text(&mut connection, caught).await, "nobody", "{url}");
    }
}
