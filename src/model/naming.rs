//! The roles' names, as the design fixes them.

use crate::ident::{Ident, IdentError};

/// Which of a service's three roles a credential becomes a member of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Becomes the owner: for migrations.
    Owner,
    /// Reads and writes: for the service itself.
    Write,
    /// Reads only: for reports.
    Read,
}

impl Access {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Write, Self::Read];
}

/// Which of a credential's two login roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "two equal slots")]
pub enum Slot {
    A,
    B,
}

impl Slot {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// Gives the other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Gives the letter that ends the role's name.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// Makes role names with the environment's prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Naming {
    /// Stands before every role's name, such as `stg_`; may be empty.
    pub prefix: String,
}

impl Naming {
    /// Names the role that owns the service's schema.
    ///
    /// # Errors
    /// The name passes 63 bytes; so for the others here.
    pub fn owner(&self, service: &str) -> Result<Ident, IdentError> {
        self.name(&[service, "_owner"])
    }

    /// Names the role that reads and writes.
    pub fn writer(&self, service: &str) -> Result<Ident, IdentError> {
        self.name(&[service, "_writer"])
    }

    /// Names the role that reads.
    pub fn reader(&self, service: &str) -> Result<Ident, IdentError> {
        self.name(&[service, "_reader"])
    }

    /// Names the role that a kind of access belongs to.
    pub fn access(&self, service: &str, access: Access) -> Result<Ident, IdentError> {
        match access {
            Access::Owner => self.owner(service),
            Access::Write => self.writer(service),
            Access::Read => self.reader(service),
        }
    }

    /// Names one of a credential's two login roles: `<service>_<credential>_<a|b>`.
    pub fn login(&self, service: &str, credential: &str, slot: Slot) -> Result<Ident, IdentError> {
        self.name(&[service, "_", credential, "_", slot.letter()])
    }

    /// Names the one login that a credential may have where it was not made by this tool: `<service>_<credential>`.
    ///
    /// # Errors
    /// As above.
    pub fn single_login(&self, service: &str, credential: &str) -> Result<Ident, IdentError> {
        self.name(&[service, "_", credential])
    }

    /// Names the group through which all services' roles get CONNECT.
    pub fn connect_group(&self) -> Result<Ident, IdentError> {
        self.name(&["pgcleave_connect"])
    }

    /// Names the group through which owners and writers get TEMP.
    pub fn temporary_group(&self) -> Result<Ident, IdentError> {
        self.name(&["pgcleave_temporary"])
    }

    /// Names the role that owns what a moved service's bridge keeps in a database.
    ///
    /// # Errors
    /// As above.
    pub fn bridge(&self, moved: &str) -> Result<Ident, IdentError> {
        self.name(&[moved, "_bridge"])
    }

    /// Names the login with which the other end of a moved service's bridge comes.
    ///
    /// # Errors
    /// As above.
    pub fn caller(&self, moved: &str) -> Result<Ident, IdentError> {
        self.name(&[moved, "_caller"])
    }

    fn name(&self, parts: &[&str]) -> Result<Ident, IdentError> {
        Ident::new(&[&[self.prefix.as_str()], parts].concat().concat())
    }
}

/// What stands in the name of every temporary login, after the role prefix.
const TEMPORARY: &str = "pgcleave_tmp_";

/// The most bytes of a role prefix that the name of a temporary login keeps: more do not fit into 63.
const TEMPORARY_PREFIX_BYTES: usize = 33;

/// Names a temporary login of a database: `<prefix>pgcleave_tmp_<database's OID>_<random>`, both in 8 hexadecimal digits.
///
/// # Errors
/// The prefix holds a NUL.
pub fn temporary_login(prefix: &str, database_oid: u32, random: u32) -> Result<Ident, IdentError> {
    let prefix = &prefix[..prefix.floor_char_boundary(TEMPORARY_PREFIX_BYTES)];
    Ident::new(&format!("{prefix}{TEMPORARY}{database_oid:08x}_{random:08x}"))
}

/// Tells whether a role is named as temporary logins are, whatever the role prefix of who made it.
#[must_use]
pub fn is_temporary_login(role: &Ident) -> bool {
    let hexadecimal =
        |text: &str| text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let Some((_, tags)) = role.as_str().rsplit_once(TEMPORARY) else { return false };
    tags.split_once('_').is_some_and(|(database, random)| hexadecimal(database) && hexadecimal(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_login_is_known_by_its_name_whatever_the_prefix() {
        for prefix in ["", "stg_", &"é".repeat(40)] {
            let name = temporary_login(prefix, 5, u32::MAX).expect("it fits");
            assert!(name.as_str().ends_with("pgcleave_tmp_00000005_ffffffff"), "{name:?}");
            assert!(is_temporary_login(&name), "{name:?}");
        }
        for other in
            ["pgcleave_tmp_", "pgcleave_tmp_00000005_fffffff", "pgcleave_tmp_0000000G_ffffffff", "orders_app_a"]
        {
            assert!(!is_temporary_login(&Ident::from_server(other)), "{other}");
        }
    }
}
