//! What tools like this one get wrong about PostgreSQL, one test each.

use expect_test::expect;

use super::facts::object::Object;
use super::graph::Graph;
use super::services::{Contract, Services};
use super::why::{question, why};
use super::world::{World, ident, shop, told};
use crate::manifest::service::ContractKind;
use crate::model::privilege::Privilege;

const ACCESS: [&str; 4] = ["ACC01", "MEM01", "MEM02", "MEM03"];

fn lines(world: World, rules: &[&str]) -> String {
    told(&world.judged(), rules).iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_leak_free_shop_has_no_findings() {
    let found = told(&shop(16).judged(), &ACCESS);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn set_then_inherit_composes() {
    let world = shop(16).member("team", "billing_ro", "i").member("orders_app", "team", "s");
    expect![[r#"
        MEM01 team: team -inherit-> billing_ro =all that it holds=> billing.*
        MEM02 orders_app: orders_app -set-> team -inherit-> billing_ro =all that it holds=> billing.*
    "#]]
    .assert_eq(&lines(world, &ACCESS));
}

#[test]
fn inherit_then_set_does_not_compose() {
    let world = shop(16).member("team", "billing_ro", "s").member("orders_app", "team", "i");
    expect![[r#"
        MEM02 team: team -set-> billing_ro =all that it holds=> billing.*
    "#]]
    .assert_eq(&lines(world, &ACCESS));
}

#[test]
fn a_membership_that_stands_twice_counts_as_both() {
    let world = shop(16).member("orders_app", "billing_ro", "").member("orders_app", "billing_ro", "i");
    expect![[r#"
        MEM01 orders_app: orders_app -inherit-> billing_ro =all that it holds=> billing.*
    "#]]
    .assert_eq(&lines(world, &ACCESS));
}

#[test]
fn admin_option_alone_is_enough() {
    let world = shop(16).member("orders_app", "billing_ro", "a");
    expect![[r#"
        MEM03 orders_app: orders_app -admin-> billing_ro =all that it holds=> billing.*
    "#]]
    .assert_eq(&lines(world, &ACCESS));
}

#[test]
fn usage_and_privilege_must_meet_in_one_identity() {
    let two = |options: &str| {
        World::new(16)
            .logins(&["billing_owner", "orders_app", "orders_owner", "uses", "reads"])
            .schema("orders", "orders_owner", None)
            .schema("billing", "billing_owner", Some("{billing_owner=UC/billing_owner,uses=U/billing_owner}"))
            .table("billing.invoices", "billing_owner", Some("{reads=r/billing_owner}"))
            .member("orders_app", "uses", options)
            .member("orders_app", "reads", options)
    };
    assert_eq!(lines(two("s"), &["ACC01"]), "");
    expect![[r#"
        ACC01 orders_app: orders_app -inherit-> reads =SELECT=> billing.invoices
    "#]]
    .assert_eq(&lines(two("i"), &["ACC01"]));
}

#[test]
fn one_finding_for_a_role_entered_however_much_it_holds() {
    let mut world = shop(16).member("orders_app", "billing_ro", "is");
    for i in 0..50 {
        world = world.table(&format!("billing.t{i}"), "billing_owner", Some("{billing_ro=r/billing_owner}"));
    }
    assert_eq!(world.judged().iter().filter(|f| f.principal == "orders_app").count(), 1);
}

#[test]
fn a_role_that_leads_nowhere_is_no_finding() {
    let world = shop(16).logins(&["billing_archive"]).member("orders_app", "billing_archive", "is");
    assert_eq!(lines(world, &ACCESS), "");
}

#[test]
fn a_function_without_access_list_is_everybodys() {
    let open = "{billing_owner=UC/billing_owner,orders_app=U/billing_owner}";
    let world = World::new(17)
        .logins(&["billing_owner", "orders_owner", "orders_app"])
        .schema("billing", "billing_owner", Some(open))
        .schema("orders", "orders_owner", None)
        .function("billing.total", "billing_owner", None);
    expect![[r#"
        ACC07 PUBLIC: orders_app -public-> PUBLIC =EXECUTE=> billing.total()
    "#]]
    .assert_eq(&lines(world, &["ACC07", "LAT01"]));
}

#[test]
fn without_usage_a_grant_is_latent() {
    let world = shop(16).table("billing.tax", "billing_owner", Some("{orders_app=r/billing_owner,=r/billing_owner}"));
    expect![[r#"
        LAT01 PUBLIC: PUBLIC =SELECT=> billing.tax
        LAT01 orders_app: orders_app =SELECT=> billing.tax
    "#]]
    .assert_eq(&lines(world, &["ACC01", "ACC07", "LAT01"]));
}

#[test]
fn a_grant_by_a_stranger_survives_the_owners_revoke() {
    let usage = "{billing_owner=UC/billing_owner,orders_app=U/billing_owner,team=U/billing_owner}";
    let world = World::new(16)
        .logins(&["billing_owner", "orders_owner", "orders_app", "team"])
        .schema("billing", "billing_owner", Some(usage))
        .schema("orders", "orders_owner", None)
        .table("billing.invoices", "billing_owner", Some("{orders_app=r*/billing_owner,team=r/orders_app}"));
    let found = world.judged();
    let stranger = found.iter().find(|f| f.rule == "ACC12" && f.principal == "team").expect("the passed on grant");
    assert!(stranger.statement.starts_with("set role orders_app; revoke select"), "{}", stranger.statement);
    assert!(stranger.fix.starts_with("-- team loses access by this"), "{}", stranger.fix);
}

#[test]
fn what_a_contract_declares_is_no_finding_and_more_is() {
    let usage = "{billing_owner=UC/billing_owner,orders_app=U/billing_owner}";
    let shop = |acl: &str| {
        World::new(16)
            .logins(&["billing_owner", "orders_owner", "orders_app"])
            .schema("billing", "billing_owner", Some(usage))
            .schema("orders", "orders_owner", None)
            .table("billing.invoices", "billing_owner", Some(acl))
    };
    let services = Services {
        contracts: vec![Contract {
            provider: ident("billing"),
            consumer: ident("orders"),
            kind: ContractKind::Table,
            name: ident("invoices"),
            arguments: None,
            privileges: Privilege::Select.into(),
        }],
        ..Services::inferred()
    };
    let rules = ["ACC01", "ACC06"];
    assert!(told(&shop("{orders_app=r/billing_owner}").judged_with(&services), &rules).is_empty());
    expect![[r#"["ACC01 orders_app: orders_app =UPDATE=> billing.invoices"]"#]]
        .assert_eq(&format!("{:?}", told(&shop("{orders_app=rw/billing_owner}").judged_with(&services), &rules)));
}

#[test]
fn why_says_how_and_that_there_is_no_way() {
    let facts = shop(16).member("team", "billing_ro", "i").member("orders_app", "team", "s").facts();
    let ask = |role: &str, privilege| {
        question(&facts, role, "table billing.invoices", Some(privilege), true).expect("all there")
    };
    let answer = why(&facts, &ask("orders_app", Privilege::Select));
    assert_eq!(answer.paths[0].to_string(), "orders_app -set-> team -inherit-> billing_ro =SELECT=> billing.invoices");
    assert!(!why(&facts, &ask("orders_app", Privilege::Delete)).reachable);
    assert!(question(&facts, "nobody", "billing.invoices", None, false).is_err());
}

#[test]
fn very_many_roles_in_chains_of_a_thousand_are_judged() {
    let many = 100_000;
    let mut world = shop(16);
    let names: Vec<String> = (0..many).map(|i| format!("u{i}")).collect();
    world = world.logins(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (i, name) in names.iter().enumerate() {
        // the last of each chain reaches billing_ro, and so do all before it
        let next = if i % 1_000 == 999 { "billing_ro".to_owned() } else { format!("u{}", i + 1) };
        world = world.member(name, &next, if i % 2 == 0 { "i" } else { "is" });
    }
    let found = world.judged();
    let first = found.iter().find(|f| f.rule == "MEM01" && f.principal == "u0").expect("the start of a chain");
    assert_eq!(found.iter().filter(|f| f.rule == "MEM01").count(), many);
    assert!(first.path.to_string().len() < 400, "{}", first.path);
}

#[test]
fn the_graph_gives_what_an_identity_inherits() {
    let facts = shop(16).member("team", "billing_ro", "i").facts();
    let graph = Graph::new(&facts);
    let find = |name: &str| facts.roles.find(name).expect("there");
    assert!(graph.inherited(find("team")).contains(find("billing_ro")));
    assert!(graph.inheritors([find("billing_ro")]).contains(find("team")));
    assert!(!graph.identities(find("team")).contains(find("billing_ro")));
    assert_eq!(facts.label(Object::Role(find("team"))), "role team");
}
