//! Mistakes in what is exposed and consumed.

use expect_test::expect;

use super::{CONFIG, check, check_one, load};

#[test]
fn contracts_need_both_sides() {
    let a = ("a", "service: a\nexposes:\n  - { view: summary, to: [b] }\n");
    check(
        &[a, ("b", "service: b")],
        expect![[r#"
        m/a.yaml:3:13: `summary` is exposed to `b`, but `b` does not consume it [one-sided-contract]; add `a.summary` to `consumes` of `b`, or remove `b` from `to`
    "#]],
    );
    check(
        &[a, ("b", "service: b\nconsumes: [a.sumary]")],
        expect![[r#"
        m/a.yaml:3:13: `summary` is exposed to `b`, but `b` does not consume it [one-sided-contract]; add `a.summary` to `consumes` of `b`, or remove `b` from `to`
        m/b.yaml:2:12: `a` does not expose `sumary` to `b` [one-sided-contract]; write `a.summary`
    "#]],
    );
    check(
        &[a, ("b", "service: b\nconsumes: [aa.summary]")],
        expect![[r#"
        m/a.yaml:3:13: `summary` is exposed to `b`, but `b` does not consume it [one-sided-contract]; add `a.summary` to `consumes` of `b`, or remove `b` from `to`
        m/b.yaml:2:12: there is no service `aa` [unknown-service]; `a` exposes it to you: write `a.summary`
    "#]],
    );
    check(
        &[a, ("b", "service: b\nconsumes: [a.summary]"), ("c", "service: c\nconsumes: [a.summary]")],
        expect![[r#"
        m/c.yaml:2:12: `a` does not expose `summary` to `c` [one-sided-contract]; `a` exposes it to others at m/a.yaml:3:13; add `c` to its `to` there, or remove this
    "#]],
    );
    check(
        &[a, ("b", "service: b\nconsumes: [summary]")],
        expect![[r#"
        m/b.yaml:2:12: `summary` does not say whose object it is [bad-name]; write `service.object`: `billing.invoice_status`
    "#]],
    );
    check(
        &[a],
        expect![[r#"
            m/a.yaml:3:27: there is no service `b` [unknown-service]; add a manifest `b.yaml`, or remove this
        "#]],
    );
    check_one(
        "exposes: [{ view: x, to: [a] }]\nconsumes: [a.x]",
        expect![[r#"
        m/a.yaml:2:19: `a` exposes `x` to itself [self-contract]; remove `a` from `to`: it owns the object
        m/a.yaml:3:12: `a` consumes `x` of itself [self-contract]; remove it: a service owns its objects
    "#]],
    );
    check_one(
        "exposes: [{ view: x, to: [] }, { view: x, table: y, to: [b, b] }]",
        expect![[r#"
            m/a.yaml:2:26: the list names nobody [bad-value]; name the services that may use it, or remove the entry
            m/a.yaml:2:32: an entry of `exposes` names exactly one object [bad-value]; write one of view, table, function, procedure, sequence and type: `{ view: order_summary, to: [billing] }`
            m/a.yaml:2:58: there is no service `b` [unknown-service]; add a manifest `b.yaml`, or remove this
            m/a.yaml:2:61: the service `b` is listed twice [duplicate-entry]; the first one is at m/a.yaml:2:58; keep one of them
            m/a.yaml:2:61: there is no service `b` [unknown-service]; add a manifest `b.yaml`, or remove this
        "#]],
    );
    let f = ("a", "service: a\nexposes: [{ function: f(uuid), to: [b] }]");
    check(
        &[f, ("b", "service: b\nconsumes: [a.f(int)]")],
        expect![[r#"
        m/a.yaml:2:23: `f(uuid)` is exposed to `b`, but `b` does not consume it [one-sided-contract]; add `"a.f(uuid)"` to `consumes` of `b`, or remove `b` from `to`
        m/b.yaml:2:12: `a` does not expose `f(integer)` to `b` [one-sided-contract]; one of that name is exposed at m/a.yaml:2:23; write `"a.f(uuid)"`
    "#]],
    );
    check(
        &[f, ("b", "service: b\nconsumes: [a.f]")],
        expect![[r#"
        valid
    "#]],
    );
    // What a broken file does not say is held against nobody.
    check(
        &[a, ("b", "service: b\nconsumes: 3")],
        expect![[r#"
        m/b.yaml:2:11: `consumes` must be a list, but is a number [wrong-type]; write `consumes: [ … ]`, also for one entry
    "#]],
    );
    check(
        &[a, ("b", "service: b\nconsume: [a.summary]")],
        expect![[r#"
        m/b.yaml:2:1: the key `consume` is not known here [unknown-key]; write `consumes`
    "#]],
    );
    check(
        &[("a", "{"), ("b", "service: b\nconsumes: [a.summary]")],
        expect![[r#"
            m/a.yaml:1:2: this is not YAML: while parsing a node, did not find expected node content [yaml-syntax]; compare brackets, quotes and indentation here and on the lines above
        "#]],
    );
}

#[test]
fn services_that_consume_each_other_are_valid_and_told_once() {
    let one = |name: &str, uses: &str, used_by: &str| {
        format!("service: {name}\nconsumes: [{uses}.v]\nexposes: [{{ view: v, to: [{used_by}] }}]")
    };
    let (a, b, c) = (one("a", "b", "c"), one("b", "c", "a"), one("c", "a", "b"));
    let (outside, last) = ("service: d\nconsumes: [e.v]", "service: e\nexposes: [{ view: v, to: [d] }]");
    let files = [("a", a.as_str()), ("b", &b), ("c", &c), ("d", outside), ("e", last)];
    let circles = load(CONFIG, &files, None).expect("they are valid").circles();
    assert_eq!(circles.len(), 1);
    assert!(circles[0].services.iter().map(crate::ident::Ident::as_str).eq(["a", "b", "c", "a"]));
    assert_eq!((circles[0].at.line, circles[0].at.column), (2, 12));
}

#[test]
fn what_is_exposed_is_checked() {
    check_one(
        "exposes: [{ function: f, to: [b] }]",
        expect![[r#"
            m/a.yaml:2:23: `f` does not say which argument types [bad-signature]; write `f(uuid, text)` with its own types, or `f()` for none
            m/a.yaml:2:31: there is no service `b` [unknown-service]; add a manifest `b.yaml`, or remove this
        "#]],
    );
    check_one(
        "exposes: [{ function: a.f(), to: [b] }]",
        expect![[r#"
            m/a.yaml:2:23: `a.f()` is no function: it names a schema [bad-signature]; write its name and argument types: `cancel_order(uuid, text)`, without the schema
            m/a.yaml:2:35: there is no service `b` [unknown-service]; add a manifest `b.yaml`, or remove this
        "#]],
    );
    check_one(
        "exposes: [{ view: a.v, to: [b] }]",
        expect![[r#"
            m/a.yaml:2:19: `a.v` cannot be a view's name [bad-name]; write `v`, without the schema
            m/a.yaml:2:29: there is no service `b` [unknown-service]; add a manifest `b.yaml`, or remove this
        "#]],
    );
    check_one(
        "exposes: [{ to: [b] }]",
        expect![[r#"
            m/a.yaml:2:11: an entry of `exposes` names exactly one object [bad-value]; write one of view, table, function, procedure, sequence and type: `{ view: order_summary, to: [billing] }`
            m/a.yaml:2:18: there is no service `b` [unknown-service]; add a manifest `b.yaml`, or remove this
        "#]],
    );
    check_one(
        "exposes: [{ sequence: s, to: [b], privileges: [insert] }]",
        expect![[r#"
            m/a.yaml:2:31: there is no service `b` [unknown-service]; add a manifest `b.yaml`, or remove this
            m/a.yaml:2:48: `insert` is no privilege of this kind of object [bad-privilege]; write some of select, update, usage
        "#]],
    );
}
