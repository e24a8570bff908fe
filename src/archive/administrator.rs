//! What only the administrator can do for an import: roles, the empty schema, extensions, memberships, settings.
//!
//! Nothing of the archive's text is run here. Its files are read as statements of known shapes; what is run is made anew from
//! what they say, and roles that the target has already are not touched unasked.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::Error;
use super::import::Allow;
use super::layout;
use super::open::Opened;
use crate::event::{Event, Listener};
use crate::ident::Ident;
use crate::model::extension_schema;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::Sql;
use crate::transfer::error::Error as TransferError;
use crate::transfer::journal::Journal;
use crate::transfer::roles::{self, Existing, Held, Parsed};
use crate::transfer::{extension, statement};

/// What an archive wants of the administrator, and what the target has of it.
#[derive(Debug)]
pub(super) struct Administrator {
    schema: Ident,
    /// Who owns the schema; nothing for a predefined role, which no archive brings.
    pub(super) owner: Option<Ident>,
    /// Who owns something in it.
    pub(super) owners: Vec<Ident>,
    parsed: Parsed,
    existing: BTreeMap<Ident, Existing>,
    held: Held,
    /// What an earlier import of the same archive has made.
    made: BTreeSet<Ident>,
}

impl Administrator {
    /// Reads the archive's files, and looks for its roles in the target.
    ///
    /// # Errors
    /// A file holds a statement of another shape, or names a role that the archive does not bring.
    pub(super) async fn read(
        opened: &Opened,
        admin: &mut PgConnection,
        pre_data: &str,
        done: &HashSet<String>,
    ) -> Result<Self, Error> {
        let mut parsed = Parsed::default();
        for file in [layout::ROLES, layout::EXTENSIONS, layout::GRANTS] {
            let text = super::import::text(opened, file).await?;
            let wrong = |statement| Error::Statement { file: file.to_owned(), statement };
            parsed.add(&text).map_err(wrong)?;
        }
        let schema = opened.archive.schema.clone();
        let brought: BTreeSet<Ident> = parsed.roles.iter().map(|role| role.name.clone()).collect();
        let owner = opened.archive.owner.clone().or_else(|| owner_of(&schema, pre_data));
        let owner = owner.filter(|owner| !owner.as_str().starts_with("pg_"));
        let mut owners: BTreeSet<Ident> = opened.archive.owners.iter().chain(&parsed.owners).cloned().collect();
        owners.extend(owner.clone());
        let known = |role: &Ident| {
            let wrong = || Error::Statement {
                file: layout::ROLES.to_owned(),
                statement: format!("no statement creates the role {}", role.as_str()),
            };
            brought.contains(role).then_some(()).ok_or_else(wrong)
        };
        owners.iter().try_for_each(known)?;
        let (roles, held) = {
            let names: Vec<Ident> = brought
                .iter()
                .cloned()
                .chain(parsed.memberships.iter().flat_map(|m| [m.role.clone(), m.member.clone()]))
                .chain(parsed.settings.iter().map(|s| s.role.clone()))
                .collect();
            roles::existing(admin, &names, &schema).await?
        };
        let made = |role: &Existing| done.contains(&role_step(&role.name)).then(|| role.name.clone());
        Ok(Self {
            schema,
            owner,
            owners: owners.into_iter().collect(),
            made: roles.iter().filter_map(made).collect(),
            existing: roles.into_iter().map(|role| (role.name.clone(), role)).collect(),
            held,
            parsed,
        })
    }

    /// Refuses what the operator has not allowed.
    ///
    /// # Errors
    /// Roles of the target would run the archive's definitions, or get members; or something needs a superuser.
    pub(super) async fn permitted(&self, admin: &mut PgConnection, allow: &[Allow]) -> Result<(), Error> {
        let roles = self.intrusions();
        if !roles.is_empty() && !allow.contains(&Allow::ExistingRoles) {
            return Err(Error::ExistingRoles { schema: self.schema.as_str().to_owned(), roles });
        }
        let above = self.owners.iter().filter(|owner| self.existing.get(*owner).is_some_and(|role| role.superuser));
        let mut objects: Vec<_> =
            above.map(|owner| format!("objects of {}, a superuser here", owner.as_str())).collect();
        objects.extend(self.above(admin).await?);
        if !objects.is_empty() && !allow.contains(&Allow::SuperuserObjects) {
            return Err(TransferError::SuperuserObjects { schema: self.schema.clone(), objects }.into());
        }
        Ok(())
    }

    /// Gives a role that the target has and this import has not made.
    fn of_the_target(&self, role: &Ident) -> Option<&Existing> {
        self.existing.get(role).filter(|role| !self.made.contains(&role.name))
    }

    /// Names what roles of the target would do or get.
    fn intrusions(&self) -> Vec<String> {
        let mut out = Vec::new();
        for role in self.owners.iter().filter_map(|owner| self.of_the_target(owner)).filter(|role| !role.superuser) {
            let name = role.name.as_str();
            if role.mighty {
                out.push(format!("the definitions would run as {name}, which has rights of an administrator"));
            } else if role.here {
                out.push(format!("the definitions would run as {name}, which holds other objects of this database"));
            }
        }
        for membership in self.new_memberships() {
            let predefined = membership.role.as_str().starts_with("pg_");
            let granted = self.of_the_target(&membership.role);
            if predefined || granted.is_some_and(|role| role.superuser || role.mighty || role.anywhere) {
                let (role, member) = (membership.role.as_str(), membership.member.as_str());
                out.push(format!("{member} would become a member of {role}, which the archive does not bring"));
            }
        }
        out
    }

    fn new_memberships(&self) -> impl Iterator<Item = &roles::Membership> {
        let held = |m: &&roles::Membership| !self.held.memberships.contains(&(m.role.clone(), m.member.clone()));
        self.parsed.memberships.iter().filter(held)
    }

    /// Names extensions and settings that need a superuser.
    async fn above(&self, admin: &mut PgConnection) -> Result<Vec<String>, Error> {
        let names: Vec<&str> = self.parsed.extensions.iter().map(|e| e.name.as_str()).collect();
        let failed = |e: sqlx::Error| PgError::new("look for what needs a superuser", &e);
        let query = "select a.name::pg_catalog.text from pg_catalog.pg_available_extensions a \
            join pg_catalog.pg_available_extension_versions v on v.name = a.name and v.version = a.default_version \
            where a.name = any ($1) and a.installed_version is null and v.superuser and not v.trusted order by 1";
        let untrusted: Vec<String> =
            sqlx::query_scalar(query).bind(&names).fetch_all(&mut *admin).await.map_err(failed)?;
        let parameters: Vec<String> = self.parsed.settings.iter().map(|s| parameter(s).to_ascii_lowercase()).collect();
        let query = "select s.name from pg_catalog.pg_settings s \
            where pg_catalog.lower(s.name) = any ($1) and s.context not in ('user') order by 1";
        let strong: Vec<String> = sqlx::query_scalar(query).bind(&parameters).fetch_all(admin).await.map_err(failed)?;
        let mut out: Vec<_> =
            untrusted.into_iter().map(|name| format!("extension {name}, which is not trusted")).collect();
        for setting in &self.parsed.settings {
            let name = parameter(setting);
            if strong.iter().any(|strong| strong.eq_ignore_ascii_case(&name)) {
                out.push(format!("setting {name} of role {}", setting.role.as_str()));
            }
        }
        Ok(out)
    }

    /// Makes roles, the schema and extensions that are missing, in one transaction.
    ///
    /// # Errors
    /// The schema or an extension's schema is in other hands, or the server refused something; nothing was made then.
    pub(super) async fn create(
        &self,
        admin: &mut PgConnection,
        journal: &Journal,
        done: &HashSet<String>,
    ) -> Result<(), Error> {
        if done.contains(layout::EXTENSIONS) {
            return Ok(());
        }
        exec::fixed(admin, "begin to make roles and extensions", "begin").await?;
        let made = self.make(admin, journal).await;
        let end = if made.is_ok() { "commit" } else { "rollback" };
        let ended = exec::fixed(admin, "make roles and extensions", end).await;
        made?;
        Ok(ended?)
    }

    async fn make(&self, admin: &mut PgConnection, journal: &Journal) -> Result<(), Error> {
        for role in self.parsed.roles.iter().filter(|role| !self.existing.contains_key(&role.name)) {
            exec::batch(admin, "create a role", &roles::create_plainly(role)).await?;
            journal.mark(admin, &role_step(&role.name)).await?;
        }
        let found = Home::read(admin, &self.schema).await?;
        if found.is_none() {
            self.make_home(admin, &self.schema).await?;
        }
        for wanted in &self.parsed.extensions {
            if !extension::is_there(admin, &wanted.name).await? {
                self.home_of(admin, wanted).await?;
                for statement in extension_schema::create(&wanted.name, wanted.schema.as_ref()) {
                    exec::batch(admin, "create an extension", &statement).await?;
                }
            }
        }
        self.give_schema(admin, journal, found.as_ref()).await?;
        Ok(journal.mark(admin, layout::EXTENSIONS).await?)
    }

    /// Makes a schema in which nobody but the administrator may create.
    async fn make_home(&self, admin: &mut PgConnection, schema: &Ident) -> Result<(), Error> {
        exec::batch(admin, "create a schema", &sql!("create schema ", schema)).await?;
        // Default privileges of the administrator may have given it to others.
        let made = Home::read(admin, schema).await?.expect("it was made a moment ago");
        let mut revoke = Sql::new();
        for grantee in &made.grantees {
            revoke.push(&sql!("revoke all on schema ", schema, " from ", grantee, "; "));
        }
        if made.everybody {
            revoke.push(&sql!("revoke all on schema ", schema, " from public; "));
        }
        Ok(exec::batch(admin, "close a schema", &revoke).await?)
    }

    /// Makes the schema that an extension goes into, where it is not there.
    async fn home_of(&self, admin: &mut PgConnection, wanted: &roles::Extension) -> Result<(), Error> {
        let Some(home) = &wanted.schema else { return Ok(()) };
        if Home::read(admin, home).await?.is_some() {
            return Ok(());
        }
        self.make_home(admin, home).await?;
        // Bodies of the schema name it.
        Ok(exec::batch(admin, "open a schema", &sql!("grant usage on schema ", home, " to public")).await?)
    }

    /// Gives the schema to its owner, and makes sure that nothing of somebody else is in it.
    async fn give_schema(
        &self,
        admin: &mut PgConnection,
        journal: &Journal,
        found: Option<&Home>,
    ) -> Result<(), Error> {
        let Some(owner) = &self.owner else { return self.open_to_owners(admin, journal).await };
        if found.is_some_and(|home| home.owner == *owner) {
            return Ok(());
        }
        let strangers = found.map(|home| &home.creators).into_iter().flatten();
        let ours = |role: &&String| !self.owners.iter().any(|owner| owner.as_str() == role.as_str());
        if let Some(role) = strangers.into_iter().find(ours) {
            let (schema, role) = (self.schema.as_str().to_owned(), role.clone());
            return Err(Error::ForeignSchema { schema, role });
        }
        let give = sql!("alter schema ", self.schema, " owner to ", owner, ";\n");
        let give = sql!(roles::act(owner), give, roles::leave(owner));
        Ok(exec::batch(admin, "give the schema to its owner", &give).await?)
    }

    /// Lets the owners create in a schema that belongs to whoever owns the database, such as `public`.
    async fn open_to_owners(&self, admin: &mut PgConnection, journal: &Journal) -> Result<(), Error> {
        let query = "select r.rolname::pg_catalog.text from pg_catalog.pg_roles r \
            where r.rolname = any ($2) and not pg_catalog.has_schema_privilege(r.oid, $1, 'create') order by 1";
        let names: Vec<&str> = self.owners.iter().map(Ident::as_str).collect();
        let lacking: Vec<String> = sqlx::query_scalar(query)
            .bind(self.schema.as_str())
            .bind(&names)
            .fetch_all(&mut *admin)
            .await
            .map_err(|e| PgError::new("look who may create in the schema", &e))?;
        for role in lacking.iter().map(|name| Ident::from_server(name)) {
            let grant = sql!("grant create on schema ", self.schema, " to ", role);
            exec::batch(admin, "let an owner create in the schema", &grant).await?;
            journal.mark(admin, &create_step(&role)).await?;
        }
        Ok(())
    }

    /// Takes back what an owner was let do for the time being.
    ///
    /// # Errors
    /// The server refused it.
    pub(super) async fn close(&self, admin: &mut PgConnection, journal: &Journal) -> Result<(), Error> {
        let done = journal.done(admin).await?;
        for role in self.owners.iter().filter(|role| done.contains(&create_step(role))) {
            let revoke = sql!("revoke create on schema ", self.schema, " from ", role);
            exec::batch(admin, "close the schema", &revoke).await?;
        }
        Ok(())
    }

    /// Gives memberships, settings and privileges that are missing.
    ///
    /// # Errors
    /// The server refused one; none was given then.
    pub(super) async fn grant(
        &self,
        admin: &mut PgConnection,
        journal: &Journal,
        done: &HashSet<String>,
        listener: Listener<'_>,
    ) -> Result<(), Error> {
        if done.contains(layout::GRANTS) {
            return Ok(());
        }
        let mut all = Sql::new();
        for membership in self.new_memberships() {
            all.push(&roles::membership(membership));
        }
        let mut kept = BTreeSet::new();
        for setting in &self.parsed.settings {
            // Another database's setting of a role that is there already is nobody's here.
            let free = match self.of_the_target(&setting.role) {
                None => self.existing.contains_key(&setting.role) || self.brings(&setting.role),
                Some(role) => setting.in_database && !self.held.set_here.contains(&role.name) && !is_other(role),
            };
            if free {
                all.push(&roles::setting(setting));
            } else {
                kept.insert(setting.role.as_str());
            }
        }
        for grant in &self.parsed.on_database {
            let Some(grantee) = grant.grantee.as_ref().filter(|grantee| self.brings(grantee)) else { continue };
            let create = grant.privilege == "CREATE";
            if !create || self.of_the_target(grantee).is_none_or(|role| !is_other(role)) {
                all.push(&roles::on_database(grant));
            }
        }
        all.push(&self.defaults_of_others());
        if !kept.is_empty() {
            let names: Vec<_> = kept.into_iter().collect();
            let message = format!("roles that the target had before keep their settings: {}", names.join(", "));
            listener(Event::Note { message });
        }
        exec::fixed(admin, "begin to grant", "begin").await?;
        let granted: Result<(), Error> = async {
            exec::batch(admin, "give memberships and settings", &all).await?;
            Ok(journal.mark(admin, layout::GRANTS).await?)
        }
        .await;
        let end = if granted.is_ok() { "commit" } else { "rollback" };
        let ended = exec::fixed(admin, "give memberships and settings", end).await;
        granted?;
        Ok(ended?)
    }

    fn brings(&self, role: &Ident) -> bool {
        self.parsed.roles.iter().any(|brought| brought.name == *role)
    }

    /// Gives the global default privileges of the other roles that this import has made.
    fn defaults_of_others(&self) -> Sql {
        let mut out = Sql::new();
        for default in &self.parsed.defaults {
            let creator = &default.creator;
            let made = self.brings(creator) && self.of_the_target(creator).is_none();
            if made && !self.owners.contains(creator) {
                out.push(&sql!(roles::act(creator), roles::default(default), roles::leave(creator)));
            }
        }
        out
    }

    /// Gives the global default privileges of the owners, which the loading login sets.
    pub(super) fn defaults(&self) -> String {
        let ours = self.parsed.defaults.iter().filter(|default| self.owners.contains(&default.creator));
        ours.map(|default| roles::default(default).as_str().to_owned()).collect()
    }
}

/// Tells whether a role has a life of its own in the target.
fn is_other(role: &Existing) -> bool {
    role.superuser || role.mighty || role.here
}

fn role_step(role: &Ident) -> String {
    format!("role {}", role.as_str())
}

fn create_step(role: &Ident) -> String {
    format!("create for {}", role.as_str())
}

fn parameter(setting: &roles::Setting) -> String {
    setting.parameter.iter().map(Ident::as_str).collect::<Vec<_>>().join(".")
}

/// Reads from older archives' definitions who owns the schema.
fn owner_of(schema: &Ident, pre_data: &str) -> Option<Ident> {
    let start = format!("ALTER SCHEMA {} OWNER TO ", schema.quoted());
    let text = statement::split(pre_data).into_iter().find_map(|text| text.strip_prefix(&start))?;
    statement::name(text).map(|(name, _)| name)
}

/// A schema that is there.
struct Home {
    owner: Ident,
    /// Roles besides the administrator and superusers that may create in it, through whatever.
    creators: Vec<String>,
    /// Roles that have been granted anything, besides the owner.
    grantees: Vec<Ident>,
    /// Whether everybody has been granted something.
    everybody: bool,
}

impl Home {
    async fn read(admin: &mut PgConnection, schema: &Ident) -> Result<Option<Self>, PgError> {
        let failed = |e: sqlx::Error| PgError::new("look at a schema", &e);
        let query = sqlx::query(include_str!("sql/home.sql")).bind(schema.as_str());
        let Some(row) = query.fetch_optional(admin).await.map_err(failed)? else { return Ok(None) };
        let grantees: Vec<String> = row.get("grantees");
        Ok(Some(Self {
            owner: Ident::from_server(row.get("owner")),
            creators: row.get("creators"),
            grantees: grantees.iter().map(|name| Ident::from_server(name)).collect(),
            everybody: row.get("everybody"),
        }))
    }
}
