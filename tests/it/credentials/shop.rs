//! Two services, applied: what the tests of credentials start from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pgcleave::credentials::issue::{Declared, Issuer};
use pgcleave::credentials::rotate::{self, Options, Outcome};
use pgcleave::credentials::secret::{Place, Secret};
use pgcleave::credentials::sink::Sink;
use pgcleave::credentials::verify;
use pgcleave::credentials::verify::matrix::Matrix;
use pgcleave::event::Event;
use pgcleave::ident::Ident;
use pgcleave::manifest::service::{
    AuditPolicy, ContractKind, Credential, Exposed, MigrateLimits, Position, Project, SecretSink, Service,
};
use pgcleave::model::naming::{Access, Naming, Slot};
use pgcleave::model::privilege::Privilege;
use pgcleave::pg::connect::Target;
use pgcleave::pg::session::SessionKind;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::TestDb;

pub(super) struct Shop {
    pub(super) db: TestDb,
    pub(super) folder: tempfile::TempDir,
    pub(super) project: Project,
    pub(super) target: Target,
}

pub(super) fn ident(text: &str) -> Ident {
    Ident::new(text).expect("a name")
}

fn service(name: &str, credentials: &[(&str, Access)], exposes: Vec<Exposed>) -> Service {
    let credential =
        |access| Credential { access, connection_limit: None, settings: BTreeMap::new(), at: Position::default() };
    Service {
        name: ident(name),
        description: None,
        team: None,
        schema: ident(name),
        migrations: None,
        layout: None,
        database_url_env: None,
        managed: true,
        moved_to: None,
        extensions: Vec::new(),
        credentials: credentials.iter().map(|(n, access)| ((*n).to_owned(), credential(*access))).collect(),
        exposes,
        consumes: Vec::new(),
        read_models: Vec::new(),
        event_log: None,
        outbox: None,
        at: Position::default(),
    }
}

fn exposed(kind: ContractKind, name: &str, arguments: Option<&str>, privilege: Privilege) -> Exposed {
    Exposed {
        kind,
        name: ident(name),
        arguments: arguments.map(str::to_owned),
        to: vec![ident("orders")],
        privileges: privilege.into(),
        at: Position::default(),
    }
}

impl Shop {
    /// Applies two empty services as the superuser; the secrets go to a folder.
    pub(super) async fn new() -> Self {
        let db = TestDb::new().await;
        let url = db.url();
        Self::with(db, &url, SecretSink::Directory(PathBuf::from("secrets"))).await
    }

    /// The same with another sink.
    pub(super) async fn with_sink(sink: SecretSink) -> Self {
        let db = TestDb::new().await;
        let url = db.url();
        Self::with(db, &url, sink).await
    }

    /// The same, as an administrator that is not a superuser.
    pub(super) async fn by_createrole_admin() -> Self {
        let db = TestDb::new().await;
        let url = db.owning_admin().await;
        Self::with(db, &url, SecretSink::Directory(PathBuf::from("secrets"))).await
    }

    pub(super) async fn with(db: TestDb, url: &str, sink: SecretSink) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let exposes = vec![
            exposed(ContractKind::View, "invoice_status", None, Privilege::Select),
            exposed(ContractKind::Function, "total", Some("uuid"), Privilege::Execute),
        ];
        let orders = service(
            "orders",
            &[("app", Access::Write), ("migrator", Access::Owner), ("reports", Access::Read)],
            Vec::new(),
        );
        let billing = service("billing", &[("app", Access::Write), ("migrator", Access::Owner)], exposes);
        let project = Project {
            root: folder.path().to_owned(),
            naming: Naming { prefix: db.prefix().to_owned() },
            database_url_env: None,
            secrets: sink,
            administrator: None,
            client_sslrootcert: None,
            close_database: true,
            limits: MigrateLimits::default(),
            audit: AuditPolicy::default(),
            services: [orders, billing].into_iter().map(|s| (s.name.clone(), s)).collect(),
            described: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
        };
        let target = Target::parse(&SecretString::from(url)).expect("a connection string");
        let shop = Self { db, folder, project, target };
        shop.apply().await;
        shop
    }

    pub(super) async fn apply(&self) {
        let options = pgcleave::apply::Options {
            plan: pgcleave::plan::build::Options::default(),
            allow: pgcleave::plan::change::Hazard::ALL.into_iter().collect(),
            lock_wait_seconds: 60,
            jobs: 1,
            limits: pgcleave::pg::watch::Limits::default(),
            saved: None,
            interrupt: pgcleave::interrupt::Interrupt::default(),
        };
        let applied = pgcleave::apply::apply(&self.target, &self.project, &options, &quiet).await.expect("it applies");
        assert_eq!(applied.failed(), 0, "{applied:?}");
    }

    /// Makes objects of every kind as the services' own migrators, and applies the contracts.
    pub(super) async fn with_objects(self) -> Self {
        self.run_as(
            "billing",
            "migrator",
            "create type billing.status as enum ('open', 'paid'); create type billing.span as range (subtype = date);
             create domain billing.money_amount as numeric check (value >= 0);
             create table billing.invoice (
               id uuid primary key, order_id uuid not null, number serial, amount billing.money_amount,
               status billing.status not null default 'open');
             create view billing.invoice_status as select order_id, status from billing.invoice;
             create function billing.total(uuid) returns numeric stable language sql
               as 'select sum(amount) from billing.invoice where order_id = $1';
             alter function billing.total(uuid) security definer set search_path = billing, pg_temp;
             create function billing.pay(uuid) returns void language sql
               as 'update billing.invoice set status = ''paid'' where id = $1';
             create procedure billing.close_month(date) language sql as 'select 1'",
        )
        .await;
        self.run_as(
            "orders",
            "migrator",
            "create table orders.item (id bigint generated always as identity primary key, name text);
             create view orders.item_number as select id from orders.item;
             create table orders.line (id bigint, at date not null, primary key (id, at))
               partition by range (at);
             create table orders.line_2026 partition of orders.line for values from ('2026-01-01') to ('2027-01-01');
             create sequence orders.numbers;
             create materialized view orders.daily as select at, count(*) as n from orders.line group by at with no data;
             create view orders.big as select at, count(*) as n from orders.line group by at;
             create function orders.twice(int, variadic int[]) returns int immutable language sql as 'select $1 * 2';
             create function orders.note() returns trigger language plpgsql as 'begin return new; end';
             create function orders.next() returns bigint volatile language sql as 'select nextval(''orders.numbers'')'",
        )
        .await;
        self.apply().await;
        self
    }

    pub(super) fn sink(&self) -> Sink {
        Sink::new(&self.project.secrets, &self.project.root, &self.project.naming)
    }

    pub(super) fn issuer(&self) -> Issuer {
        Issuer { sink: self.sink(), place: Place::from(&self.target), naming: self.project.naming.clone() }
    }

    pub(super) fn declared(&self, service: &str, credential: &str) -> Declared {
        let (service, credential) = (ident(service), credential.to_owned());
        let access = self.project.services[&service].credentials[&credential].access;
        Declared { service, credential, access }
    }

    pub(super) fn login(&self, service: &str, credential: &str, slot: Slot) -> String {
        self.project.naming.login(service, credential, slot).expect("a name").as_str().to_owned()
    }

    pub(super) async fn secret(&self, service: &str, credential: &str) -> Secret {
        self.sink().read(service, credential).await.expect("a readable sink").expect("a published secret")
    }

    pub(super) async fn admin(&self) -> PgConnection {
        self.target.connect(SessionKind::Administrator, "test").await.expect("the administrator connects")
    }

    /// Connects with a secret as a client would, through its URL.
    pub(super) async fn connect(&self, secret: &Secret) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect(secret.url().expose_secret()).await
    }

    pub(super) async fn run_as(&self, service: &str, credential: &str, sql: &str) {
        let secret = self.secret(service, credential).await;
        let mut connection = self.connect(&secret).await.expect("a published secret logs in");
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await {
            panic!("{error}\n{sql}");
        }
        let _ = connection.close().await;
    }

    pub(super) async fn rotate_with(&self, service: &str, credential: &str, options: &Options) -> Outcome {
        let mut connection = self.admin().await;
        let chosen = [self.declared(service, credential)];
        let issuer = self.issuer();
        let mut outcomes = rotate::rotate(&mut connection, &self.target, &issuer, &chosen, options, &quiet).await;
        outcomes.pop().expect("one outcome for one credential")
    }

    pub(super) async fn verify(&self) -> Matrix {
        let mut connection = self.admin().await;
        verify::verify(&mut connection, &self.target, &self.project, &self.sink()).await.expect("it verifies")
    }

    /// Gives `phase active` of the registry.
    pub(super) async fn phase(&self, service: &str, credential: &str) -> String {
        let sql = format!(
            "select phase || ' ' || active::text from pgcleave.credential where service = '{service}' and name = '{credential}'"
        );
        self.db.texts(&sql).await.concat()
    }

    pub(super) fn secrets_folder(&self) -> PathBuf {
        Path::new(self.folder.path()).join("secrets")
    }
}

pub(super) fn quiet(_: Event) {}
