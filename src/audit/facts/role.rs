//! Roles, memberships, and settings of roles.

use std::collections::HashMap;

use crate::ident::Ident;

/// A role's position in [`Roles`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(pub u32);

impl RoleId {
    /// Gives the position.
    #[must_use]
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// The OID of the role that initdb made.
pub const BOOTSTRAP_SUPERUSER: u32 = 10;

/// The first OID that initdb does not use.
pub const FIRST_NORMAL_OID: u32 = 16384;

/// What is known of a role's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Password {
    /// This session may not read `pg_authid`.
    #[default]
    Unknown,
    /// It has none.
    None,
    /// An md5 hash.
    Md5,
    /// A SCRAM verifier.
    Scram,
}

/// One role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its OID.
    pub oid: u32,
    /// Its name; the OID in digits when only an access list still remembers it.
    pub name: Ident,
    /// SUPERUSER.
    pub superuser: bool,
    /// INHERIT.
    pub inherit: bool,
    /// CREATEROLE.
    pub create_role: bool,
    /// CREATEDB.
    pub create_db: bool,
    /// LOGIN.
    pub login: bool,
    /// REPLICATION.
    pub replication: bool,
    /// BYPASSRLS.
    pub bypass_rls: bool,
    /// CONNECTION LIMIT, −1 for none.
    pub connection_limit: i32,
    /// Whether VALID UNTIL had passed when the facts were read.
    pub expired: bool,
    /// The kind of its password.
    pub password: Password,
    /// Whether the role is gone and only an access list still remembers its OID.
    pub dangling: bool,
}

impl Role {
    /// Tells whether the role is one of the server's own (`pg_*`).
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.oid < FIRST_NORMAL_OID && self.oid != BOOTSTRAP_SUPERUSER
    }

    /// Tells whether the role is the one that initdb made.
    #[must_use]
    pub fn is_bootstrap(&self) -> bool {
        self.oid == BOOTSTRAP_SUPERUSER
    }
}

/// All roles, in the order of their names, dangling ones last.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    list: Vec<Role>,
    by_oid: HashMap<u32, RoleId>,
    by_name: HashMap<Ident, RoleId>,
}

impl std::ops::Index<RoleId> for Roles {
    type Output = Role;

    fn index(&self, id: RoleId) -> &Role {
        &self.list[id.at()]
    }
}

impl Roles {
    /// Adds a role.
    pub fn push(&mut self, role: Role) -> RoleId {
        let id = RoleId(u32::try_from(self.list.len()).expect("OIDs have 32 bits, so there are no more roles"));
        self.by_oid.insert(role.oid, id);
        self.by_name.entry(role.name.clone()).or_insert(id);
        self.list.push(role);
        id
    }

    /// Tells how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Goes through all.
    pub fn iter(&self) -> impl Iterator<Item = (RoleId, &Role)> {
        (0..).map(RoleId).zip(&self.list)
    }

    /// Finds a role by name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<RoleId> {
        self.by_name.get(name).copied()
    }

    /// Finds a role by OID; one that is gone is remembered as dangling.
    pub fn by_oid(&mut self, oid: u32) -> RoleId {
        match self.by_oid.get(&oid) {
            Some(id) => *id,
            None => self.push(dangling(oid)),
        }
    }

    /// Finds the role that an access list names: a name, else the OID of one that is gone.
    pub fn by_acl_name(&mut self, name: &Ident) -> RoleId {
        match self.by_name.get(name) {
            Some(id) => *id,
            None => self.by_oid(name.as_str().parse().unwrap_or(0)),
        }
    }

    /// Sets what is known of a role's password.
    pub fn set_password(&mut self, oid: u32, password: Password) {
        if let Some(id) = self.by_oid.get(&oid) {
            self.list[id.at()].password = password;
        }
    }
}

fn dangling(oid: u32) -> Role {
    Role {
        oid,
        name: Ident::from_server(&oid.to_string()),
        superuser: false,
        inherit: false,
        create_role: false,
        create_db: false,
        login: false,
        replication: false,
        bypass_rls: false,
        connection_limit: -1,
        expired: false,
        password: Password::Unknown,
        dangling: true,
    }
}

/// One membership by one grantor; from 16 on the same pair may stand several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The role that was granted.
    pub role: RoleId,
    /// Whom it was granted to.
    pub member: RoleId,
    /// Who granted it.
    pub grantor: RoleId,
    /// ADMIN OPTION.
    pub admin: bool,
    /// Whether the member has the role's privileges at once; before 16 its own INHERIT attribute decides.
    pub inherit: bool,
    /// Whether the member may SET ROLE to it; before 16 always.
    pub set: bool,
}

/// One setting of a role, a database, or a role in a database (`pg_db_role_setting`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The role; nothing for all.
    pub role: Option<RoleId>,
    /// The database's name; nothing for all.
    pub database: Option<Ident>,
    /// The parameter.
    pub name: String,
    /// Its value.
    pub value: String,
}
