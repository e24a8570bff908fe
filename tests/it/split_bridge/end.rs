//! How a split with manifests ends: what is left out, and where the sink says that the service is.

use super::*;

impl Moving {
    /// Gives where the sink says that orders is.
    fn published(&self) -> String {
        let file = format!(".secrets/{}orders_app.env", self.shop.db.prefix());
        let secret = std::fs::read_to_string(self.shop.project.path().join(file)).expect("a secret");
        secret.lines().find(|line| line.starts_with("PGDATABASE")).expect("a line").to_owned()
    }
}

#[tokio::test]
async fn a_finish_that_is_cut_off_before_it_is_written_down_leaves_the_sink_as_it_was_and_a_way_back() {
    let together = together();
    let moving = Moving::new(&together, SHIPPING).await;
    moving.needs_pg_dump().await;
    moving.split(&["start"]).await.exits(0);
    moving.split(&["cutover"]).await.exits(0);
    // It gets as far as to the very act that would write it down.
    let shared = moving.shared.url("shop");
    moving.cut_off_finish().await;
    assert_eq!(moving.published(), "PGDATABASE=shop");
    moving.split(&["rollback"]).await.exits(0);
    assert_eq!(moving.published(), "PGDATABASE=shop");
    run(&shared, "insert into orders.orders values (3, 'paid', 1, null, 'z')").await;

    // Cut off right after it was written down, the next run tells the sink.
    moving.split(&["cutover"]).await.exits(0);
    run(
        &shared,
        "create function public.cut_off() returns event_trigger language plpgsql as $$ begin raise 'cut off'; end $$;
         create event trigger cut_off on ddl_command_start when tag in ('DROP SUBSCRIPTION', 'ALTER SCHEMA')
           execute function public.cut_off()",
    )
    .await;
    let failed = moving.split(&["finish"]).await.exits(1);
    assert!(failed.stderr.contains("cut off"), "{}", failed.stderr);
    run(&shared, "drop event trigger cut_off; drop function public.cut_off()").await;
    let refused = moving.split(&["rollback"]).await.exits(5);
    assert!(refused.stderr.contains("nothing follows it any more"), "{}", refused.stderr);
    moving.split(&["finish"]).await.exits(0);
    assert_eq!(moving.published(), "PGDATABASE=orders");
}

#[tokio::test]
async fn a_contract_that_cannot_be_bridged_is_left_out_by_its_name_and_the_others_go_on() {
    let together = together();
    let orders = together.replace("consumes", "  - { function: \"cancel(bigint)\", to: [shipping] }\nconsumes");
    let shipping = SHIPPING.replace("remarks]", "remarks, \"orders.cancel(bigint)\"]");
    let moving = Moving::new(&together, SHIPPING).await;
    moving.needs_pg_dump().await;
    let cancel = "create function cancel(id bigint) returns bigint stable language sql as 'select id';";
    moving.shop.project.write("migrations/orders/V2__cancel.sql", cancel);
    moving.shop.project.manifest("orders", &orders);
    moving.shop.project.manifest("shipping", &shipping);
    moving.shop.run(&["apply", "--allow", "revoke,close-database,contract-runs-as-consumer"]).exits(0);
    assert_eq!(moving.as_shipping("select orders.cancel(1)::text").await, "1");

    moving.split(&["start"]).await.exits(0);
    moving.split(&["cutover"]).await.exits(0);
    let refused = moving.split(&["finish"]).await.exits(1);
    let told = &refused.stderr;
    assert!(told.contains("orders.cancel(bigint) cannot be bridged") && told.contains("--leave-out"), "{told}");
    let unknown = moving.split(&["finish", "--leave-out", "orders.cancel"]).await.exits(2);
    assert!(unknown.stderr.contains("no manifest exposes orders.cancel"), "{}", unknown.stderr);
    let status = moving.split(&["status", "--format", "json"]).await.exits(0).json();
    assert_eq!(status["phase"], "reversed", "nothing has been done: {status}");

    moving.split(&["finish", "--leave-out", "orders.cancel(bigint)"]).await.exits(0);
    assert_eq!(
        moving.as_shipping("select string_agg(id::text, ',' order by id) from orders.order_summary").await,
        "1,2"
    );
    let left = "select count(*)::text from pg_proc p where p.pronamespace = 'orders'::regnamespace";
    assert_eq!(moving.as_shipping(left).await, "0");
    let planned = moving.shop.run(&["plan", "-v"]).exits(0);
    assert!(planned.stdout.contains("a function cannot be bridged to this one"), "{}", planned.stdout);
}

#[tokio::test]
async fn the_administrator_of_the_shared_registry_looks_after_the_targets_once_it_is_finished() {
    let moving = Moving::new(&together(), SHIPPING).await;
    moving.needs_pg_dump().await;
    // 15 lets nobody but a superuser subscribe, and the registry is the CI job's, who is none.
    let keeper = format!("{}keeper", moving.shop.db.prefix());
    let give = "create role {k} login createrole password 'k'; grant create, connect on database shop to {k};
        alter schema pgcleave owner to {k}; alter function pgcleave.split_moved() owner to {k};
        do $$ declare t text; begin for t in select format('alter table pgcleave.%I owner to {k}', relname) from pg_class
          where relnamespace = 'pgcleave'::regnamespace and relkind = 'r' loop execute t; end loop; end $$";
    let give = give.replace("{k}", &keeper);
    run(&moving.shared.url("shop"), &give).await;
    let refused = moving.split(&["start"]).await.exits(5);
    assert!(refused.stderr.contains("foreign-registry") && refused.stderr.contains("operators:"), "{refused:?}");
    let config = std::fs::read_to_string(moving.shop.project.path().join("pgcleave.yaml")).expect("it is there");
    let operators = format!("operators: {{ {keeper}: {{ purpose: administrator of pgcleave }} }}\n");
    moving.shop.project.write("pgcleave.yaml", &(config + &operators));
    moving.split(&["start"]).await.exits(0);
    moving.split(&["cutover"]).await.exits(0);
    let without = moving.split(&["finish"]).await.exits(0);
    let line = format!("alter schema \"pgcleave\" owner to \"{keeper}\";");
    assert!(without.stderr.contains(&line), "{}", without.stderr);
    let role =
        format!("create role {keeper} login createrole password 'k'; grant connect on database orders to {keeper}");
    run(&moving.shop.own.url("orders"), &role).await;
    let with = moving.split(&["finish"]).await.exits(0);
    assert!(!with.stderr.contains("owner to"), "{}", with.stderr);
    let others = "select string_agg(relname, ' ') from pg_class where relnamespace = 'pgcleave'::regnamespace and relkind = 'r' \
                  and relowner <> '@keeper'::regrole";
    assert_eq!(moving.shop.there(&format!("select coalesce(({others}), 'none')")).await, "none");

    moving.shop.project.manifest("orders", ORDERS);
    let as_keeper = |url: String| url.replace("postgres:postgres@", &format!("{keeper}:k@"));
    let mut plan = moving.shop.project.command(&["plan", "--format", "json"]);
    plan.env("ORDERS_URL", as_keeper(moving.shop.own.url("orders")));
    plan.env("TEST_URL", as_keeper(moving.shared.url("shop")));
    let planned = answer(plan.output().expect("the binary runs")).exits(0).json();
    let others = planned["databases"].as_array().expect("a list");
    let names =
        [&planned["server"], &others[0]["server"]].map(|server| [&server["database"], &server["administrator"]]);
    assert_eq!(names, [["shop", &keeper], ["orders", &keeper]], "{planned:#}");
}
