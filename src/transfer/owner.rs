//! Several owners in one schema: whoever restores gives each object to its owner, who must be able to create in the schema
//! meanwhile.

use super::statement;
use crate::ident::Ident;
use crate::sql;
use crate::sql::{Comma, Sql};

/// What the other owners may do with the schema while its definitions run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Gives it, as the schema's owner; empty where nobody else owns anything.
    pub open: Sql,
    /// Takes it back, and gives what the definitions give.
    pub close: String,
}

impl Access {
    /// Reads from the definitions who may use the schema for good.
    #[must_use]
    pub fn new(schema: &Ident, owner: Option<&Ident>, owners: &[Ident], pre_data: &str) -> Self {
        let Some(owner) = owner else { return Self::default() };
        let others: Vec<&Ident> = owners.iter().filter(|other| *other != owner).collect();
        if others.is_empty() {
            return Self::default();
        }
        let on = format!(" ON SCHEMA {} TO ", schema.quoted());
        let given = statement::split(pre_data);
        let given = given.into_iter().filter(|s| s.starts_with("GRANT ") && s.contains(&on));
        let others = Comma(others.iter());
        let open = sql!("grant usage, create on schema ", schema, " to ", others.clone());
        let revoke = sql!("revoke usage, create on schema ", schema, " from ", others);
        let close = given.fold(revoke.as_str().to_owned(), |all, grant| format!("{all};\n{grant}"));
        Self { open, close }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_for_the_time_being_ends_with_what_the_definitions_give() {
        let ident = |text| Ident::new(text).expect("a name");
        let owners = [ident("o"), ident("p")];
        let dump =
            "CREATE TABLE x ();\nGRANT USAGE ON SCHEMA \"s\" TO \"p\";\nGRANT SELECT ON TABLE \"s\".\"t\" TO \"p\";\n";
        let access = Access::new(&ident("s"), Some(&owners[0]), &owners, dump);
        assert_eq!(access.open.as_str(), r#"grant usage, create on schema "s" to "p""#);
        let close = "revoke usage, create on schema \"s\" from \"p\";\nGRANT USAGE ON SCHEMA \"s\" TO \"p\"";
        assert_eq!(access.close, close);
        assert_eq!(Access::new(&ident("s"), Some(&owners[0]), &owners[..1], dump), Access::default());
    }
}
