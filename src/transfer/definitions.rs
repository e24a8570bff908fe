//! A schema's definitions as a load runs them: as its owners, in one transaction, and what needs a superuser apart.

use sqlx::postgres::PgConnection;

use super::error::Error;
use super::load::Marks;
use super::loader::{Loader, Owners};
use super::owner::Access;
use super::{statement, superuser};

/// Definitions, cut into parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prepared {
    parts: Vec<(bool, String)>,
    access: Access,
    above: Vec<String>,
}

impl Prepared {
    /// Reads a dump's pre-data. The schema is there by then, and has its owner; sessions have a search path of their own.
    #[must_use]
    pub fn new(pre_data: &str, owners: &Owners<'_>, untrusted: &[String]) -> Self {
        let schema = owners.schema.quoted();
        let made = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
        let given = format!("ALTER SCHEMA {schema} OWNER TO ");
        let path = "SELECT pg_catalog.set_config('search_path'";
        let mut statements = statement::split(pre_data);
        statements.retain(|text| *text != made && !text.starts_with(&given) && !text.starts_with(path));
        let above =
            statements.iter().filter(|text| superuser::needs(text, untrusted)).map(|text| short(text)).collect();
        let joined = |part: Vec<&str>| part.iter().flat_map(|text| [*text, ";\n"]).collect();
        let parts = superuser::parts(&statements, untrusted);
        Self {
            parts: parts.into_iter().map(|(above, part)| (above, joined(part))).collect(),
            access: Access::new(owners.schema, owners.owner, owners.all, pre_data),
            above,
        }
    }

    /// Lists the statements that need a superuser.
    #[must_use]
    pub fn above(&self) -> &[String] {
        &self.above
    }

    /// Refuses statements that need a superuser where nobody has allowed them.
    ///
    /// # Errors
    /// There are some, and each is named.
    pub fn permitted(&self, owners: &Owners<'_>) -> Result<(), Error> {
        if owners.superusers || self.above.is_empty() {
            return Ok(());
        }
        Err(Error::SuperuserObjects { schema: owners.schema.clone(), objects: self.above.clone() })
    }

    /// Runs each part that has no mark yet, in a transaction with its mark; the last one's mark is `name`.
    ///
    /// # Errors
    /// The server refused a statement; nothing of its part was kept.
    pub async fn run(
        &self,
        admin: &mut PgConnection,
        loader: &Loader,
        marks: &Marks<'_>,
        name: &str,
    ) -> Result<(), Error> {
        let mut connection = loader.connect("pgcleave import").await?;
        let last = self.parts.len().saturating_sub(1);
        let mut settings = String::from("set local check_function_bodies = off;\n");
        settings += self.access.open.as_str();
        for (i, (above, script)) in self.parts.iter().enumerate() {
            let name = if i == last { name.to_owned() } else { format!("{name} part {i}") };
            if marks.done.contains(&name) {
                continue;
            }
            let script = format!("{settings};\n{script}");
            if *above {
                marks.journal.step(admin, &name, &script).await?;
            } else {
                marks.journal.step(&mut connection, &name, &script).await?;
                loader.pin(&mut connection).await?;
            }
        }
        Ok(())
    }

    /// Takes back what other owners may do with the schema for the time being, once all is loaded.
    ///
    /// # Errors
    /// The server refused it.
    pub async fn close(&self, loader: &Loader, marks: &Marks<'_>) -> Result<(), Error> {
        if self.access.close.is_empty() || marks.done.contains("access") {
            return Ok(());
        }
        let mut connection = loader.connect("pgcleave import").await?;
        marks.journal.step(&mut connection, "access", &self.access.close).await
    }
}

/// Gives a statement's beginning, in one line.
fn short(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= 120 { line } else { format!("{}…", line.chars().take(119).collect::<String>()) }
}
