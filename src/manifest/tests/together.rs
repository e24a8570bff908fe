//! One mistake hides no other.

use super::*;

#[test]
fn what_is_missing_from_a_record_hides_nothing_of_the_rest() {
    check(
        &[
            (
                "a",
                "servise: a\ncredentials:\n  app: { settings: { role: x }, connection_limit: 0 }\n\
                exposes: [{ view: x y, privileges: [fly] }]\nconsumes: [c]\nmigrations: ../none\n",
            ),
            ("b", "service: B\nread_models: [{ key: [], refresh: { every: 5 } }]\nextensions: [x, x]\n"),
            ("c", "service: c\nschema: pg_c\nexposes: [{ to: [A-] }]\n"),
        ],
        expect![[r#"
            m/a.yaml:1:1: the key `servise` is not known here [unknown-key]; write `service`
            m/a.yaml:3:8: `access` is missing [missing-key]; add `access: …`
            m/a.yaml:3:22: the setting `role` is not for manifests: it would change who the login is [bad-setting]; remove it
            m/a.yaml:3:51: a connection limit of 0 lets nobody in [bad-value]; write 1 or more, or remove it for no limit
            m/a.yaml:4:11: `to` is missing [missing-key]; add `to: …`
            m/a.yaml:4:19: `x y` cannot be a view's name [bad-name]; write the bare name, as the catalog has it
            m/a.yaml:4:37: `fly` is no privilege of this kind of object [bad-privilege]; write some of select, insert, update, delete, truncate, references, trigger
            m/a.yaml:5:12: `c` does not say whose object it is [bad-name]; write `service.object`: `billing.invoice_status`
            m/a.yaml:6:13: there is no folder none [missing-file]; make it, or correct the path: it is seen from the folder m
            m/b.yaml:1:10: `B` cannot be a service's name [bad-name]; write `b`: a lower-case letter, then letters, digits and `_`
            m/b.yaml:2:15: `name` is missing [missing-key]; add `name: …`
            m/b.yaml:2:15: `query` is missing [missing-key]; add `query: …`
            m/b.yaml:2:22: the key has no columns [bad-value]; name the columns that identify a row
            m/b.yaml:2:44: `5` is not a duration [bad-value]; write a number and a unit: `30s`, `15m`, `24h` or `7d`
            m/b.yaml:3:17: the extension `x` is listed twice [duplicate-entry]; the first one is at m/b.yaml:3:14; keep one of them
            m/c.yaml:2:9: the schema `pg_c` belongs to PostgreSQL [reserved-name]; choose another name
            m/c.yaml:3:11: an entry of `exposes` names exactly one object [bad-value]; write one of view, table, function, procedure, sequence and type: `{ view: order_summary, to: [billing] }`
            m/c.yaml:3:18: `A-` cannot be a service's name [bad-name]; write `a_`: a lower-case letter, then letters, digits and `_`
        "#]],
    );
}

#[test]
fn a_waivers_mistakes_are_told_together() {
    check_config(
        "audit: { waivers: [{ rule: r, reason: \" \", expires: 1.3.2027 }] }",
        expect![[r#"
        pgcleave.yaml:1:20: `object` is missing [missing-key]; add `object: …`
        pgcleave.yaml:1:39: the reason is empty [bad-value]; write something, or remove the key
        pgcleave.yaml:1:53: `1.3.2027` is not a date [bad-value]; write year, month and day: `2027-03-01`
    "#]],
    );
}
