//! Property tests of the comparison.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::manifest::service::Project;
use crate::manifest::{Disk, Draft, SourceFile};
use crate::model::acl::Acl;
use crate::model::state::{Administrator, Class, Database, Object, ObjectKind, ObjectName, Schema};
use crate::plan::build::{Options, build};
use crate::plan::desired::desired;

fn ident(name: &str) -> Ident {
    Ident::new(name).expect("a name")
}

fn project() -> Project {
    let source = |path: &str, text: &str| SourceFile { path: path.into(), bytes: text.as_bytes().to_vec() };
    let orders =
        "service: orders\ncredentials: { app: { access: write }, m: { access: owner } }\nconsumes: [billing.v]\n";
    let billing = "service: billing\ncredentials: { app: { access: read } }\nexposes: [{ view: v, to: [orders] }]\n";
    let mut draft = Draft::new(source("pgcleave.yaml", "manifests: manifests\n"));
    draft.add(&source("manifests/orders.yaml", orders));
    draft.add(&source("manifests/billing.yaml", billing));
    draft.check(None, &Disk::default()).expect("they are valid")
}

fn any_objects() -> impl Strategy<Value = Vec<(String, ObjectName, Object)>> {
    let kinds = prop::sample::select(vec![
        (Class::Relation, ObjectKind::Table),
        (Class::Relation, ObjectKind::View),
        (Class::Sequence, ObjectKind::Sequence),
        (Class::Sequence, ObjectKind::LinkedSequence),
        (Class::Routine, ObjectKind::ReadingFunction),
        (Class::Routine, ObjectKind::Procedure),
        (Class::Type, ObjectKind::Domain),
    ]);
    let acls = prop::sample::select(vec!["{}", "{=r/o}", "{o=arwd/o,x=r*/o,y=r/x}", "{orders_reader=r*/orders_owner}"]);
    let owners = prop::sample::select(vec!["orders_owner", "billing_owner", "postgres", "o"]);
    let one = (prop::sample::select(vec!["orders", "billing"]), kinds, "[a-c]|v|refinery_schema_history", owners, acls);
    prop::collection::vec(one, 0..12).prop_map(|all| {
        let object = |(schema, (class, kind), name, owner, acl): (&str, _, String, &str, &str)| {
            let arguments = (class == Class::Routine).then(|| Arc::from("uuid, text"));
            let acl = Arc::new(Acl::parse(acl).expect("an access list"));
            let object = Object { kind, owner: ident(owner), acl, columns: BTreeMap::new() };
            (schema.to_owned(), ObjectName { class, name: ident(&name), arguments }, object)
        };
        all.into_iter().map(object).collect()
    })
}

fn observed(objects: Vec<(String, ObjectName, Object)>, major: u32) -> Observed {
    let mut schemas = BTreeMap::new();
    for (schema, name, object) in objects {
        let acl = Arc::new(Acl::parse("{o=UC/o,=U/o}").expect("an access list"));
        let schema = schemas.entry(ident(&schema)).or_insert_with(|| Schema {
            owner: ident("o"),
            acl,
            objects: BTreeMap::new(),
        });
        schema.objects.insert(name, object);
    }
    let database = Database { name: ident("d"), owner: ident("o"), acl: Acl::empty() };
    let state = State {
        database,
        roles: BTreeMap::new(),
        memberships: BTreeMap::new(),
        settings: BTreeMap::new(),
        extensions: BTreeMap::new(),
        schemas,
        default_privileges: BTreeMap::new(),
        services: BTreeMap::new(),
        credentials: BTreeMap::new(),
    };
    let administrator = Administrator {
        name: ident("admin"),
        superuser: true,
        createrole: true,
        owns_database: true,
        creates_schemas: true,
        registry_owner: None,
        grants_on: BTreeSet::new(),
        out_of_reach: BTreeSet::new(),
    };
    Observed {
        state,
        administrator,
        server_version: major * 10_000,
        other_logins: BTreeMap::new(),
        view_calls: BTreeSet::new(),
        untrusted: BTreeSet::new(),
        invokers: BTreeSet::new(),
        foreign_arguments: BTreeMap::new(),
        registry: true,
        splits: Vec::new(),
        everywhere: BTreeMap::new(),
        without_password: BTreeSet::new(),
        changed_passwords: BTreeSet::new(),
        prefixes: BTreeMap::new(),
    }
}

proptest! {
    #[test]
    fn what_is_wanted_does_not_differ_from_itself(objects in any_objects(), major in 15..=18u32) {
        let project = project();
        let mut observed = observed(objects, major);
        // the second time the new credentials count as issued
        for _ in 0..2 {
            observed.state = desired(&project, &observed).state;
        }
        let managed = Managed::of(&project);
        let wanted = desired(&project, &observed).state;
        let found = diff(&Comparison { desired: &wanted, observed: &observed, managed: &managed });
        prop_assert_eq!(found, Differences::default());
    }

    #[test]
    fn a_plan_does_not_depend_on_anything_but_its_input(objects in any_objects(), major in 15..=18u32) {
        let observed = observed(objects, major);
        let plans: Vec<_> =
            (0..2).map(|_| build(&project(), &observed, &[], &Options::default())).collect();
        prop_assert_eq!(&plans[0], &plans[1]);
        let sorted = plans[0].changes.is_sorted_by(|a, b| a.key() <= b.key());
        prop_assert!(sorted);
    }
}
