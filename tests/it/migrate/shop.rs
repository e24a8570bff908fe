//! Some services, provisioned by hand, and a folder of migrations for each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pgcleave::event::Event;
use pgcleave::ident::Ident;
use pgcleave::manifest::service::{AuditPolicy, MigrateLimits, Position, Project, SecretSink, Service};
use pgcleave::migrate::{self, Options, Outcome};
use pgcleave::model::naming::Naming;
use pgcleave::pg::connect::Target;
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::TestDb;

const NO_LOGIN_LEFT: &str =
    "select count(*)::text from pg_roles where rolname like '%pgcleave_tmp_%' and rolname like ";

/// A database with the roles and schemas of some services, and a folder of migrations for each.
pub(crate) struct Shop {
    pub(crate) db: TestDb,
    folder: tempfile::TempDir,
    pub(crate) project: Project,
    pub(crate) admin: String,
}

impl Shop {
    /// Provisions as the superuser.
    pub(crate) async fn new(services: &[&str]) -> Self {
        let db = TestDb::new().await;
        let admin = db.url();
        Self::as_administrator(db, admin, services).await
    }

    /// Provisions as an administrator that is no superuser.
    pub(crate) async fn managed(services: &[&str]) -> Self {
        let db = TestDb::new().await;
        let admin = db.createrole_admin().await;
        Self::as_administrator(db, admin, services).await
    }

    async fn as_administrator(db: TestDb, admin: String, services: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let naming = Naming { prefix: db.prefix().to_owned() };
        let mut connection = PgConnection::connect(&admin).await.expect("the administrator can log in");
        let mut project = project(folder.path(), naming, services);
        for name in services {
            provision(&mut connection, &db, name).await;
        }
        project.root = folder.path().to_owned();
        Self { db, folder, project, admin }
    }

    pub(crate) fn write(&self, service: &str, file: &str, text: &str) {
        let path = self.folder.path().join(service).join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the file's folder");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn remove(&self, service: &str, file: &str) {
        std::fs::remove_file(self.folder.path().join(service).join(file)).expect("a file less");
    }

    pub(crate) fn has(&self, service: &str, file: &str) -> bool {
        self.folder.path().join(service).join(file).exists()
    }

    pub(crate) fn target(&self) -> Target {
        Target::parse(&SecretString::from(self.admin.clone())).expect("a connection string")
    }

    pub(crate) async fn migrate(&self) -> BTreeMap<String, Outcome> {
        self.migrate_telling(&|_| ()).await
    }

    pub(crate) async fn migrate_telling(&self, listener: &(dyn Fn(Event) + Send + Sync)) -> BTreeMap<String, Outcome> {
        let outcomes = migrate::run(&self.target(), &self.project, &BTreeSet::new(), &Options::default(), listener)
            .await
            .expect("the run as a whole works");
        outcomes.into_iter().map(|o| (o.service.as_str().to_owned(), o)).collect()
    }

    pub(crate) async fn migrate_with(&self, options: &Options) -> BTreeMap<String, Outcome> {
        let outcomes = migrate::run(&self.target(), &self.project, &BTreeSet::new(), options, &|_| ())
            .await
            .expect("the run works");
        outcomes.into_iter().map(|o| (o.service.as_str().to_owned(), o)).collect()
    }

    /// Migrates one service, and gives what was applied or the error's text.
    pub(crate) async fn result(&self, service: &str) -> Result<Vec<String>, String> {
        let outcome = self.migrate().await.remove(service).expect("the service has migrations");
        outcome.error.map_or(Ok(outcome.applied), |error| Err(error.to_string()))
    }

    pub(crate) async fn history(&self, service: &str) -> Vec<String> {
        self.db
            .texts(&format!("select version || ' ' || name from {service}.refinery_schema_history order by version"))
            .await
    }

    pub(crate) async fn assert_no_login_left(&self) {
        let left = self.db.texts(&format!("{NO_LOGIN_LEFT} '{}%'", self.db.prefix())).await;
        assert_eq!(left, ["0"], "temporary logins are left");
    }

    pub(crate) fn owner(&self, service: &str) -> String {
        format!("{}{service}_owner", self.db.prefix())
    }
}

fn project(folder: &Path, naming: Naming, services: &[&str]) -> Project {
    let ident = |name: &str| Ident::new(name).expect("a name");
    let service = |name: &str| {
        let migrations = folder.join(name);
        std::fs::create_dir(&migrations).expect("a folder");
        let service = Service {
            name: ident(name),
            description: None,
            team: None,
            schema: ident(name),
            migrations: Some(migrations),
            layout: None,
            database_url_env: None,
            managed: true,
            moved_to: None,
            extensions: Vec::new(),
            credentials: BTreeMap::new(),
            exposes: Vec::new(),
            consumes: Vec::new(),
            read_models: Vec::new(),
            event_log: None,
            outbox: None,
            at: Position::default(),
        };
        (ident(name), service)
    };
    Project {
        root: folder.to_owned(),
        naming,
        database_url_env: None,
        secrets: SecretSink::Directory(folder.join(".secrets")),
        administrator: None,
        client_sslrootcert: None,
        close_database: true,
        limits: MigrateLimits::default(),
        audit: AuditPolicy::default(),
        services: services.iter().map(|name| service(name)).collect(),
        described: std::collections::BTreeMap::new(),
        elsewhere: std::collections::BTreeMap::new(),
    }
}

/// Does by hand what apply does before migrations, in the way that works without superuser.
async fn provision(connection: &mut PgConnection, db: &TestDb, service: &str) {
    let p = db.prefix();
    let (options, back) =
        if db.major() >= 16 { ("with inherit false, set true", "granted by current_user") } else { ("", "") };
    let sql = format!(
        "begin; create role {p}{service}_owner; create role {p}{service}_writer;
         grant {p}{service}_owner to current_user {options};
         create schema {service} authorization {p}{service}_owner;
         set local role {p}{service}_owner;
         grant usage on schema {service} to {p}{service}_writer;
         alter default privileges in schema {service} grant select, insert, update, delete on tables to {p}{service}_writer;
         reset role;
         revoke {p}{service}_owner from current_user {back}; commit"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("provisioned");
}
