//! A server that trusts whoever comes: no password and no expiry keeps a login out, only NOLOGIN does.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::{Dedicated, Project, TestDb};

/// Tries to log in from the server's own machine, where it trusts everybody; gives what psql says.
async fn trusted(admin: &mut PgConnection, login: &str) -> Result<String, String> {
    let psql = format!(
        "psql -XAtq -h 127.0.0.1 -p $(cat /tmp/trusted_port) -d postgres -U {login} -c \"select current_user\" 2>&1 || true"
    );
    let sql = format!(
        "create temporary table said (line text); copy said from program $psql${psql}$psql$; \
         select coalesce(string_agg(line, ' '), '') from said; "
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *admin).await.expect("psql is on the server's machine");
    sqlx::raw_sql("drop table said").execute(admin).await.expect("it is ours");
    let said: String = sqlx::Row::get(rows.last().expect("one row"), 0);
    if said == login { Ok(said) } else { Err(said) }
}

#[tokio::test]
async fn a_login_that_is_retired_stays_out_where_trust_lets_an_expired_one_in() {
    let (db, server) = (TestDb::new().await, Dedicated::start().await);
    let mut admin = PgConnection::connect(&server.url("postgres")).await.expect("the superuser connects");
    for statement in [
        "create temporary table done (line text)",
        "do $$ begin execute format('copy done from program %L', format('sed -i ''1i host all all 127.0.0.1/32 trust'' %s && echo %s > /tmp/trusted_port',
           current_setting('hba_file'), current_setting('port'))); end $$",
        "select pg_reload_conf()",
    ] {
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    let mut project = Project::new(&db);
    project.connect_as(server.url("postgres"));
    project.manifest("orders", "credentials: { app: { access: write } }\n");
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let login = |slot: &str| format!("{}orders_app_{slot}", db.prefix());
    assert_eq!(trusted(&mut admin, &login("a")).await, Ok(login("a")));

    project.run(&["credentials", "rotate", "orders", "--grace", "1s"]).exits(0);
    let expire = format!("alter role {} valid until '2000-01-01'", login("b"));
    sqlx::raw_sql(AssertSqlSafe(expire)).execute(&mut admin).await.expect("a role");
    assert_eq!(trusted(&mut admin, &login("b")).await, Ok(login("b")), "no expiry keeps it out");
    let refused = trusted(&mut admin, &login("a")).await.expect_err("it is retired");
    assert!(refused.contains("is not permitted to log in"), "{refused}");
    // The plan takes an expiry away that no manifest names, since the service would be kept out elsewhere.
    project.run(&["apply"]).exits(0);
    project.run(&["credentials", "verify"]).exits(0);
}
