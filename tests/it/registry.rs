//! The registry: made once, by whoever may, and never by an older pgcleave.

use pgcleave::ident::Ident;
use pgcleave::registry;
use sqlx::{Connection as _, PgConnection};

use crate::support::TestDb;

#[tokio::test]
async fn a_registry_of_a_newer_pgcleave_is_refused() {
    let db = TestDb::new().await;
    let mut connection = db.connect().await;
    assert!(!registry::exists(&mut connection).await.expect("works"));
    registry::ensure(&mut connection).await.expect("made");
    registry::ensure(&mut connection).await.expect("nothing to do");
    assert!(registry::exists(&mut connection).await.expect("works"));
    db.run("insert into pgcleave.refinery_schema_history values (999, 'later', '2030-01-01T00:00:00Z', '1')").await;
    let error = registry::ensure(&mut connection).await.expect_err("newer");
    assert!(error.to_string().starts_with("the registry has version 999"), "{error}");
}

#[tokio::test]
async fn the_registry_is_made_once_by_many_and_by_an_administrator_without_superuser() {
    let db = TestDb::new().await;
    let url = db.createrole_admin().await;
    let make = || async {
        let mut connection = PgConnection::connect(&url).await.expect("a login");
        registry::ensure(&mut connection).await
    };
    let (a, b, c) = tokio::join!(make(), make(), make());
    a.and(b).and(c).expect("all three end well");
    assert_eq!(db.texts("select count(*)::text from pgcleave.refinery_schema_history").await, ["5"]);
    let service = registry::Registered {
        name: Ident::new("orders").expect("a name"),
        schema: Ident::new("orders").expect("a name"),
        role_prefix: "x_".to_owned(),
    };
    let mut connection = PgConnection::connect(&url).await.expect("a login");
    registry::record_service(&mut connection, &service).await.expect("recorded");
    registry::record_service(&mut connection, &service).await.expect("recorded again");
    assert_eq!(registry::services(&mut connection).await.expect("listed"), [service]);
    assert_eq!(registry::record_plan(&mut connection, "abc", 3, "{\"a\": 1}").await.expect("recorded"), 1);
}
