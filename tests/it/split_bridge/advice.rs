//! What other commands say of what a split has made: nothing that would break it, and still all that goes beyond it.

use super::*;

/// The rules that would have taken away what a split has made, or had told of a leak where there is none.
const ABOUT_SPLITS: [&str; 15] = [
    "ACC01", "ACC06", "ATT03", "CPL03", "CPL09", "CPL14", "FDW02", "HYG01", "HYG02", "HYG03", "OWN01", "OWN02",
    "PUB01", "PUB02", "VIW01",
];

impl Moving {
    /// Gives the plan with what would be pruned, which must not change anything.
    async fn untouched(&self) -> String {
        let planned = self.shop.run(&["plan", "--detailed-exitcode", "--prune", "-v"]);
        assert_eq!(planned.code, 0, "{}", planned.stdout);
        planned.stdout
    }

    /// Gives the audit's findings of the rules above: rule, severity, principal, object and fix.
    fn audited(&self) -> Vec<[String; 5]> {
        let audited = self.shop.run(&["audit", "--format", "json", "--fail-on", "never"]).exits(0).json();
        let field = |f: &serde_json::Value, name: &str| f[name].as_str().unwrap_or_default().to_owned();
        let findings = audited["findings"].as_array().expect("a list").iter();
        let found = findings.map(|f| ["rule", "severity", "principal", "object", "fix"].map(|name| field(f, name)));
        found.filter(|[rule, ..]| ABOUT_SPLITS.contains(&rule.as_str())).collect()
    }

    /// Insists that all of them are information, and that those about the split say what ends it.
    fn expect_information(&self, ended_by: &str) {
        let found = self.audited();
        let worse: Vec<_> = found.iter().filter(|[_, severity, ..]| severity != "info").collect();
        assert!(worse.is_empty(), "{worse:#?}");
        assert!(found.iter().any(|[.., fix]| fix.contains(ended_by)), "{found:#?}");
        let harmful = |fix: &str| ["drop ", "revoke ", "alter "].iter().any(|verb| fix.starts_with(verb));
        let of_split = |found: &&[String; 5]| found.iter().any(|text| text.contains("pgcleave_"));
        let harmful: Vec<_> = found.iter().filter(of_split).filter(|[.., fix]| harmful(fix)).collect();
        assert!(harmful.is_empty(), "{harmful:#?}");
    }
}

#[tokio::test]
async fn neither_plan_nor_audit_takes_away_what_a_split_has_made() {
    let together = together();
    let moving = Moving::new(&together, SHIPPING).await;
    moving.needs_pg_dump().await;
    moving.split(&["start"]).await.exits(0);
    let told = moving.untouched().await;
    assert!(told.contains("orders is being split (ready)") && told.contains("split abort orders"), "{told}");
    moving.expect_information("pgcleave split abort orders");

    // What goes beyond the split is told as ever, by whatever name it goes.
    let shared = moving.shared.url("shop");
    let caller = format!("{}orders_caller", moving.shop.db.prefix());
    run(&shared, &format!("grant select on billing.invoices to {caller}")).await;
    run(&shared, "create publication pgcleave_beef for table orders.orders").await;
    let leaks: Vec<_> = moving.audited().into_iter().filter(|[_, severity, ..]| severity == "error").collect();
    let is = |rule: &str, object: &str| leaks.iter().any(|[r, _, _, o, _]| r == rule && o == object);
    assert!(is("ACC01", "billing.invoices") && is("PUB01", "orders.orders"), "{leaks:#?}");
    run(&shared, &format!("revoke select on billing.invoices from {caller}; drop publication pgcleave_beef")).await;

    moving.split(&["cutover"]).await.exits(0);
    let told = moving.untouched().await;
    assert!(told.contains("orders is being split (reversed)") && told.contains("split finish orders"), "{told}");
    moving.expect_information("pgcleave split finish orders");

    moving.split(&["finish"]).await.exits(0);
    let told = moving.untouched().await;
    assert!(told.contains("orders has moved to") && told.contains("database: { url_env: … }"), "{told}");
    moving.expect_information("--drop orders_before_split_");
    // Applied all the same, nothing breaks.
    moving.shop.run(&["apply", "--prune", "--allow", "revoke,close-database,change-owner"]).exits(0);
    let seen = "select string_agg(id::text, ',' order by id) from orders.order_summary";
    assert_eq!(moving.as_shipping(seen).await, "1,2");
    assert_eq!(moving.shop.there("select string_agg(i::text, ' ') from billing.invoice_status i").await, "(7,t)");

    moving.shop.project.manifest("orders", ORDERS);
    moving.shop.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    moving.expect_information("--drop orders_before_split_");
}

#[tokio::test]
async fn no_fix_names_a_write_block_and_what_only_has_its_name_is_told() {
    let together = together();
    let mut moving = Moving::new(&together, SHIPPING).await;
    moving.needs_pg_dump().await;
    moving.split(&["start"]).await.exits(0);
    moving.split(&["cutover"]).await.exits(0);
    // The registry of an administrator who is no superuser, as the README has it.
    let (shared, keeper) = (moving.shared.url("shop"), format!("{}keeper", moving.shop.db.prefix()));
    let give = "create role {k} login createrole password 'k'; grant create, connect on database shop to {k}; alter schema pgcleave owner to {k};
        do $$ declare t text; begin for t in select format('alter table pgcleave.%I owner to {k}', relname) from pg_class
          where relnamespace = 'pgcleave'::regnamespace and relkind = 'r' loop execute t; end loop; end $$;
        alter function pgcleave.split_moved() owner to {k}";
    run(&shared, &give.replace("{k}", &keeper)).await;
    moving.shop.project.connect_as(shared.replace("postgres:postgres@", &format!("{keeper}:k@")));
    let inbound = || {
        let audited = moving.shop.run(&["audit", "--rule", "INB01", "--format", "json", "--fail-on", "never"]).exits(0);
        audited.json()["findings"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|f| f["object"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(inbound(), Vec::<String>::new());
    let id = {
        let mut connection = PgConnection::connect(&shared).await.expect("the superuser connects");
        text(&mut connection, "select id from pgcleave.split").await
    };
    let other = "drop trigger pgcleave_{id}_moved on orders.remarks;
        create function billing.evil() returns trigger language plpgsql as 'begin return null; end';
        alter function billing.evil() owner to {p}billing_owner;
        create trigger pgcleave_{id}_moved before insert on orders.remarks for each statement execute function billing.evil()";
    run(&shared, &other.replace("{id}", &id).replace("{p}", moving.shop.db.prefix())).await;
    assert!(inbound().iter().any(|object| object.contains("orders.remarks")), "{:?}", inbound());
}
