//! Small databases made by hand, to judge without a server.

use super::facts::Facts;
use super::facts::relation::{Relation, RelationKind};
use super::facts::role::{BOOTSTRAP_SUPERUSER, FIRST_NORMAL_OID, Membership, Password, Role};
use super::facts::routine::Routine;
use super::facts::{Schema, Session, object::SchemaId};
use super::finding::Finding;
use super::services::Services;
use super::{Options, run};
use crate::ident::Ident;
use crate::model::acl::AclKind;

/// A database under construction; names are made up as they are needed.
pub(super) struct World {
    facts: Facts,
    oid: u32,
}

pub(super) fn ident(name: &str) -> Ident {
    Ident::new(name).expect("a name")
}

impl World {
    pub(super) fn new(major: u32) -> Self {
        let mut facts = Facts::default();
        facts.session = Session { major, database: "shop".to_owned(), ..Session::default() };
        let mut world = Self { facts, oid: FIRST_NORMAL_OID };
        world.push_role("postgres", BOOTSTRAP_SUPERUSER, true);
        world
    }

    fn push_role(&mut self, name: &str, oid: u32, superuser: bool) {
        self.facts.roles.push(Role {
            oid,
            name: ident(name),
            superuser,
            inherit: true,
            create_role: false,
            create_db: false,
            login: true,
            replication: false,
            bypass_rls: false,
            connection_limit: 5,
            expired: false,
            password: Password::Scram,
            dangling: false,
        });
    }

    fn next_oid(&mut self) -> u32 {
        self.oid += 1;
        self.oid
    }

    /// Adds login roles.
    pub(super) fn logins(mut self, names: &[&str]) -> Self {
        for name in names {
            let oid = self.next_oid();
            self.push_role(name, oid, false);
        }
        self
    }

    /// Grants a role: `options` holds `i`, `s` and `a` for INHERIT, SET and ADMIN.
    pub(super) fn member(mut self, member: &str, role: &str, options: &str) -> Self {
        let find = |name: &str| self.facts.roles.find(name).expect("the role was added");
        let (role, member, grantor) = (find(role), find(member), find("postgres"));
        let has = |letter| options.contains(letter);
        let (inherit, set, admin) = (has('i'), has('s'), has('a'));
        self.facts.memberships.push(Membership { role, member, grantor, admin, inherit, set });
        self
    }

    fn acl(
        &mut self,
        kind: AclKind,
        owner: &str,
        acl: Option<&str>,
    ) -> (super::facts::role::RoleId, super::facts::acl::AclId) {
        let owner = self.facts.roles.find(owner).expect("the role was added");
        let major = self.facts.session.major;
        let acl = self.facts.acls.intern(&mut self.facts.roles, kind, owner, acl, major).expect("an access list");
        (owner, acl)
    }

    /// Adds a schema; without a list it is its owner's alone.
    pub(super) fn schema(mut self, name: &str, owner: &str, acl: Option<&str>) -> Self {
        let (owner, acl) = self.acl(AclKind::Schema, owner, acl);
        let oid = self.next_oid();
        self.facts.schemas.push(Schema { oid, name: ident(name), owner, acl });
        self
    }

    fn find_schema(&self, name: &str) -> SchemaId {
        let at = self.facts.schemas.iter().position(|s| s.name.as_str() == name).expect("the schema was added");
        SchemaId(at as u32)
    }

    /// Adds a table, named with its schema.
    pub(super) fn table(mut self, name: &str, owner: &str, acl: Option<&str>) -> Self {
        let (schema, table) = name.split_once('.').expect("schema.table");
        let schema = self.find_schema(schema);
        let (owner, acl) = self.acl(AclKind::Relation, owner, acl);
        let oid = self.next_oid();
        self.facts.relations.push(Relation {
            oid,
            schema,
            name: ident(table),
            owner,
            kind: RelationKind::Table,
            acl,
            security_invoker: false,
            security_barrier: false,
            check_option: None,
            updatable: 0,
            row_security: false,
            force_row_security: false,
            populated: true,
            partition: false,
            of_column: false,
            tablespace: 0,
        });
        self
    }

    /// Adds a function without arguments, named with its schema.
    pub(super) fn function(mut self, name: &str, owner: &str, acl: Option<&str>) -> Self {
        let (schema, function) = name.split_once('.').expect("schema.function");
        let schema = self.find_schema(schema);
        let (owner, acl) = self.acl(AclKind::Routine, owner, acl);
        let oid = self.next_oid();
        self.facts.routines.push(Routine {
            oid,
            schema,
            name: ident(function),
            arguments: "".into(),
            owner,
            acl,
            kind: 'f',
            security_definer: false,
            volatility: 'v',
            language: ident("sql"),
            config: Vec::new(),
            trigger: false,
            body: None,
            atomic: false,
        });
        self
    }

    pub(super) fn facts(mut self) -> Facts {
        self.facts.finish();
        self.facts
    }

    /// Judges it, with every schema taken for a service.
    pub(super) fn judged(self) -> Vec<Finding> {
        self.judged_with(&Services::inferred())
    }

    pub(super) fn judged_with(self, services: &Services) -> Vec<Finding> {
        run(&self.facts(), services, &Options::default()).findings
    }
}

/// Two services, each with a schema, an owner, an application and a reader, and billing with one table.
pub(super) fn shop(major: u32) -> World {
    World::new(major)
        .logins(&["orders_owner", "orders_app", "billing_owner", "billing_app", "billing_ro", "team"])
        .schema("orders", "orders_owner", Some("{orders_owner=UC/orders_owner,orders_app=U/orders_owner}"))
        .schema("billing", "billing_owner", Some("{billing_owner=UC/billing_owner,billing_ro=U/billing_owner}"))
        .table(
            "billing.invoices",
            "billing_owner",
            Some("{billing_owner=arwdDxt/billing_owner,billing_ro=r/billing_owner}"),
        )
}

/// Gives rule, principal and object of each finding of the rules that a test is about.
pub(super) fn told(findings: &[Finding], rules: &[&str]) -> Vec<String> {
    let about = findings.iter().filter(|f| rules.contains(&f.rule));
    about.map(|f| format!("{} {}: {}", f.rule, f.principal, f.path)).collect()
}
