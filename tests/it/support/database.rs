//! A test's own database and role prefix.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::server::{self, Server, server};

/// A fresh database and a role prefix that no other test has; both go away with the value.
pub(crate) struct TestDb {
    server: &'static Server,
    name: String,
    prefix: String,
}

impl TestDb {
    /// Makes a database on the shared server; starts that server if this is the first one.
    pub(crate) async fn new() -> Self {
        let server = server().await;
        let prefix = format!("t{}_", random_word(5));
        let name = format!("pgcleave_test_{}", prefix.trim_end_matches('_'));
        let mut admin = server.connect_admin().await;
        execute(&mut admin, &format!("create database {name}")).await;
        let _ = admin.close().await;
        Self { server, name, prefix }
    }

    /// Gives the superuser's connection string to this database.
    pub(crate) fn url(&self) -> String {
        self.server.admin_url(&self.name)
    }

    /// Gives the connection string of another login.
    pub(crate) fn url_as(&self, role: &str, password: &str) -> String {
        self.server.url(role, password, &self.name)
    }

    /// Gives what stands before the name of every role of this test, such as `t3k9x0_`.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Gives the database's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Gives the server's major version.
    pub(crate) fn major(&self) -> u32 {
        self.server.major
    }

    /// Connects as the superuser.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.expect("the superuser can connect to the test's database")
    }

    /// Connects as another login; whether that works is the test's affair.
    pub(crate) async fn connect_as(&self, role: &str, password: &str) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect(&self.url_as(role, password)).await
    }

    /// Runs one or more statements as the superuser.
    pub(crate) async fn run(&self, sql: &str) {
        let mut connection = self.connect().await;
        execute(&mut connection, sql).await;
        let _ = connection.close().await;
    }

    /// Gives the first column of a query's rows, which must be text; a null reads `null`.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let mut connection = self.connect().await;
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("{error}\n{sql}"));
        let _ = connection.close().await;
        let text = |row: &sqlx::postgres::PgRow| row.get::<Option<String>, _>(0).unwrap_or_else(|| "null".to_owned());
        rows.iter().map(text).collect()
    }

    /// Makes this database's later sessions write every statement to the server's log.
    pub(crate) async fn log_statements(&self) {
        self.server.log_statements(&self.name).await;
    }

    /// Gives what the server has logged so far; other tests' lines are in it, too.
    pub(crate) async fn log(&self) -> String {
        self.server.log().await
    }

    /// Makes an administrator like a managed cloud's: CREATEROLE and CREATE on the database, no superuser, owns nothing.
    ///
    /// Gives its connection string; its name is `<prefix>admin`.
    pub(crate) async fn createrole_admin(&self) -> String {
        let (role, password) = (format!("{}admin", self.prefix), random_word(20));
        let database = &self.name;
        self.run(&format!(
            "create role {role} login createrole password '{password}'; grant create on database {database} to {role}"
        ))
        .await;
        self.url_as(&role, &password)
    }

    /// Makes such an administrator that owns the database too.
    pub(crate) async fn owning_admin(&self) -> String {
        let url = self.createrole_admin().await;
        self.run(&format!("alter database {} owner to {}admin", self.name, self.prefix)).await;
        url
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let (server, name, prefix) = (self.server, self.name.clone(), self.prefix.clone());
        let cleaning = server::runtime().spawn(async move { clean(server, &name, &prefix).await });
        // A server of our own goes away as a whole. On a lent one nothing may be left behind.
        if !server.is_ours() {
            let (done, wait) = std::sync::mpsc::channel();
            server::runtime().spawn(async move { done.send(cleaning.await.is_ok()) });
            let _ = wait.recv_timeout(std::time::Duration::from_secs(30));
        }
    }
}

/// Drops the database and the roles; best effort, since the test has already given its verdict.
async fn clean(server: &Server, name: &str, prefix: &str) -> Result<(), sqlx::Error> {
    let mut admin = PgConnection::connect(&server.maintenance_url()).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("drop database if exists {name} with (force)"))).execute(&mut admin).await?;
    let roles: Vec<String> = sqlx::query_scalar(
        "select pg_catalog.quote_ident(rolname) from pg_catalog.pg_roles where pg_catalog.starts_with(rolname, $1) order by 1",
    )
    .bind(prefix)
    .fetch_all(&mut admin)
    .await?;
    if !roles.is_empty() {
        // In one statement, since from 16 on one may have granted memberships between others.
        sqlx::raw_sql(AssertSqlSafe(format!("drop role {}", roles.join(", ")))).execute(&mut admin).await?;
    }
    admin.close().await
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await {
        panic!("{error}\n{sql}");
    }
}

/// Gives random lower-case letters and digits.
pub(super) fn random_word(length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect()
}
