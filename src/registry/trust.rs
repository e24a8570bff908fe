//! The registry is read only once it is known to be in trusted hands.

use sqlx::postgres::PgConnection;

use super::SCHEMA;
use crate::pg::error::Error;
use crate::pg::trust::{self, Form, Verified};

/// The body of the one function that V3 makes.
const SPLIT_MOVED: &str = "
begin
  raise exception using errcode = 'read_only_sql_transaction', message = tg_argv[0], hint = tg_argv[1];
end
";

/// What the registry's migrations make, as PostgreSQL 15 to 18 print it.
const FORM: Form<'static> = Form {
    schema: SCHEMA,
    defaults: &["now()", "SESSION_USER", "'steady'::text"],
    checks: &[
        "CHECK ((active = ANY (ARRAY['a'::\"char\", 'b'::\"char\"])))",
        "CHECK ((phase = ANY (ARRAY['steady'::text, 'publishing'::text, 'retiring'::text])))",
        "CHECK ((side = ANY (ARRAY['source'::text, 'target'::text])))",
    ],
    functions: &[("split_moved", SPLIT_MOVED)],
    code: "foreign-registry",
    fix: "if the owner is your administrator, connect as it and revoke or drop what is listed; \
          if nobody of yours made it, review it and run: drop schema pgcleave cascade",
};

/// Looks at the registry, before a row of it is read; nothing where there is none.
///
/// # Errors
/// Somebody who is not trusted owns or may change it, or it holds what pgcleave did not make.
pub async fn verified(connection: &mut PgConnection) -> Result<Option<Verified>, Error> {
    trust::schema(connection, &FORM).await
}

/// Tells whether the registry is trusted and has a table.
pub(super) async fn has(connection: &mut PgConnection, table: &str) -> Result<bool, Error> {
    Ok(verified(connection).await?.is_some_and(|registry| registry.has(table)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_is_the_one_of_the_migration() {
        let migration = include_str!("../../migrations/pgcleave/V3__split.sql");
        assert_eq!(migration.split("$$").nth(1), Some(SPLIT_MOVED));
    }
}
