//! A pooler in transaction mode is found before anything is written.

use pgcleave::error::Coded as _;
use pgcleave::pg::connect::Target;
use pgcleave::pg::pooler::Backend;
use pgcleave::pg::session::SessionKind;

use crate::support::{Bouncer, Project, TestDb};

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_recognised() {
    let db = TestDb::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let bouncer = Bouncer::start(folder.path(), &db.url()).await.expect("there is a PgBouncer on this machine");
    let target = Target::parse(&bouncer.url().into()).expect("a connection string");
    let error = target.connect(SessionKind::Administrator, "test").await.expect_err("settings would not last");
    assert_eq!(error.code(), "pooler-transaction-mode", "{error}");
    let mut connection = target.connect(SessionKind::Tested, "test").await.expect("it connects");
    let error = Backend::lasting(&target, &mut connection).await.expect_err("it hands sessions on");
    assert_eq!(error.code(), "pooler-transaction-mode", "{error}");
    // one that keeps its sessions will do
    let target = Target::parse(&db.url().into()).expect("a connection string");
    let mut connection = target.connect(SessionKind::Administrator, "test").await.expect("it connects");
    let backend = Backend::lasting(&target, &mut connection).await.expect("it keeps its session");
    backend.check(&mut connection, "go on").await.expect("it still does");
    let mut other = target.connect(SessionKind::Administrator, "test").await.expect("it connects");
    let error = backend.check(&mut other, "go on").await.expect_err("that is another session");
    assert_eq!(error.code(), "pooler-transaction-mode", "{error}");
}

#[tokio::test]
async fn commands_that_write_refuse_it() {
    let db = TestDb::new().await;
    let mut project = Project::new(&db);
    project.manifest(
        "orders",
        "schema: orders\nmigrations: ../migrations/orders\ncredentials:\n  app: { access: write }\n",
    );
    project.write("migrations/orders/V1__t.sql", "create table t (i int)");
    let folder = tempfile::tempdir().expect("a folder");
    let bouncer = Bouncer::start(folder.path(), &db.url()).await.expect("there is a PgBouncer on this machine");
    project.connect_as(bouncer.url());
    let answer = project.run(&["apply", "--allow", "revoke,close-database"]);
    assert!(answer.stderr.contains("pooler-transaction-mode"), "{}", answer.stderr);
    assert_eq!(
        db.texts("select nspname::text from pg_namespace where nspname in ('orders', 'pgcleave')").await.len(),
        0
    );
    project.connect_as(db.url());
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    project.write("migrations/orders/V2__u.sql", "create table u (i int)");
    project.connect_as(bouncer.url());
    for command in [&["apply"][..], &["migrate"], &["credentials", "rotate", "--all"]] {
        let answer = project.run(command);
        assert_ne!(answer.code, 0, "{command:?}");
        let told = answer.stdout + &answer.stderr;
        assert!(told.contains("pooler in transaction mode"), "{command:?}: {told}");
    }
    assert_eq!(db.texts("select relname::text from pg_class where relname = 'u'").await.len(), 0);
}
