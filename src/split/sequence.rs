//! Sequences, which replication does not carry: the side that is to take the writes is set ahead beforehand, and only
//! looked at in the pause.

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use super::error::Error;
use crate::ident::Ident;
use crate::pg::connect::Target;
use crate::pg::error::Error as PgError;
use crate::pg::exec;
use crate::sql;
use crate::sql::{NameLiteral, Sql};
use crate::transfer::loader::{Loader, Owners};

/// How many values a sequence is set ahead: more than are drawn between that and the pause.
pub(super) const HEADROOM: i64 = 1000;

/// Where a sequence stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) name: Ident,
    /// The last value drawn; nothing if none was.
    pub(super) last: Option<i64>,
    pub(super) increment: i64,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) cycle: bool,
}

/// Reads where the schema's sequences stand, by name.
pub(super) async fn read(connection: &mut PgConnection, schema: &Ident) -> Result<Vec<Position>, PgError> {
    let rows = sqlx::query(
        "select sequencename::pg_catalog.text as name, last_value, increment_by, min_value, max_value, cycle \
         from pg_catalog.pg_sequences where schemaname = $1 order by 1",
    )
    .bind(schema.as_str())
    .fetch_all(connection)
    .await
    .map_err(|e| PgError::new("read the sequences", &e))?;
    let position = |row: &sqlx::postgres::PgRow| Position {
        name: Ident::from_server(row.get("name")),
        last: row.get("last_value"),
        increment: row.get("increment_by"),
        min: row.get("min_value"),
        max: row.get("max_value"),
        cycle: row.get("cycle"),
    };
    Ok(rows.iter().map(position).collect())
}

/// Gives where sequences of the other side must be set, so that no value comes twice: `headroom` steps ahead of this
/// side where there is room for ten times as much, exactly level where not.
pub(super) fn behind(this: &[Position], other: &[Position], headroom: i64) -> Vec<(Ident, i64)> {
    let wanted = |position: &Position| {
        let last = position.last?;
        let there = other.iter().find(|o| o.name == position.name)?.last;
        let (ahead, aim) = aims(position, last, headroom);
        there.is_none_or(|there| !ahead(there)).then(|| (position.name.clone(), aim))
    };
    this.iter().filter_map(wanted).collect()
}

/// Tells whether a place is good enough, and gives one that is.
fn aims(position: &Position, last: i64, headroom: i64) -> (impl Fn(i64) -> bool, i64) {
    let (step, up, cycle) = (position.increment, position.increment > 0, position.cycle);
    let far = |steps: i64| last.saturating_add(step.saturating_mul(steps));
    let limit = if up { position.max } else { position.min };
    let fits = |value: i64| if up { value < limit } else { value > limit };
    let room = !cycle && fits(far(headroom.saturating_mul(10)));
    let (enough, aim) = if room { (far(headroom / 2), far(headroom)) } else { (last, last) };
    let ahead = move |there: i64| {
        if cycle {
            there == last
        } else if up {
            there >= enough
        } else {
            there <= enough
        }
    };
    (ahead, aim)
}

/// Sets sequences, as their owners.
pub(super) async fn set(
    admin: &mut PgConnection,
    target: &Target,
    schema: &Ident,
    positions: &[(Ident, i64)],
) -> Result<(), Error> {
    if positions.is_empty() {
        return Ok(());
    }
    let all = owners(admin, schema).await?;
    let loader =
        Loader::start(admin, target, &Owners { schema, owner: None, all: &all, superusers: true, jobs: 1 }).await?;
    let done = async {
        let mut session = loader.connect("pgcleave split").await?;
        exec::batch(&mut session, "set the sequences", &setting(schema, positions)).await?;
        let _ = session.close().await;
        Ok(())
    }
    .await;
    let finished = loader.finish(admin).await;
    done.map_err(|error: PgError| Error::from(error))?;
    Ok(finished?)
}

/// Sets sequences in a session that is there already: in the pause nobody makes a login, and `setval` runs no code of the
/// service.
pub(super) async fn set_in_pause(
    connection: &mut PgConnection,
    schema: &Ident,
    positions: &[(Ident, i64)],
) -> Result<(), PgError> {
    if positions.is_empty() {
        return Ok(());
    }
    exec::batch(connection, "set the sequences", &setting(schema, positions)).await
}

async fn owners(admin: &mut PgConnection, schema: &Ident) -> Result<Vec<Ident>, PgError> {
    let names: Vec<String> = sqlx::query_scalar(
        "select distinct pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text from pg_catalog.pg_class c \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1 and c.relkind = 'S' order by 1",
    )
    .bind(schema.as_str())
    .fetch_all(admin)
    .await
    .map_err(|e| PgError::new("ask who owns the sequences", &e))?;
    Ok(names.iter().map(|name| Ident::from_server(name)).collect())
}

fn setting(schema: &Ident, positions: &[(Ident, i64)]) -> Sql {
    let mut statement = Sql::new();
    for (name, value) in positions {
        let name = NameLiteral(schema, name);
        statement.push(&sql!("select pg_catalog.setval(", name, "::pg_catalog.regclass, ", *value, ", true); "));
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: Option<i64>, increment: i64) -> Position {
        let name = Ident::new("q").expect("a name");
        Position { name, last, increment, min: -100_000, max: 100_000, cycle: false }
    }

    fn aim(this: &Position, other: &Position, headroom: i64) -> Option<i64> {
        behind(std::slice::from_ref(this), std::slice::from_ref(other), headroom).first().map(|(_, value)| *value)
    }

    #[test]
    fn the_other_side_is_set_ahead_in_the_direction_of_the_steps() {
        assert_eq!(aim(&at(Some(7), 1), &at(None, 1), 1000), Some(1007));
        assert_eq!(aim(&at(Some(7), -2), &at(Some(7), -2), 1000), Some(-1993));
        assert_eq!(aim(&at(Some(7), 1), &at(Some(600), 1), 1000), None);
        assert_eq!(aim(&at(None, 1), &at(None, 1), 1000), None);
    }

    #[test]
    fn near_its_end_a_sequence_is_set_level() {
        assert_eq!(aim(&at(Some(99_000), 1), &at(Some(5), 1), 1000), Some(99_000));
        assert_eq!(aim(&at(Some(99_000), 1), &at(Some(99_000), 1), 1000), None);
    }

    #[test]
    fn in_the_pause_level_is_enough() {
        assert_eq!(aim(&at(Some(7), 1), &at(Some(7), 1), 0), None);
        assert_eq!(aim(&at(Some(8), 1), &at(Some(7), 1), 0), Some(8));
    }

    #[test]
    fn a_cycling_sequence_is_never_set_ahead() {
        let cycling = |last| Position { cycle: true, ..at(Some(last), 1) };
        assert_eq!(aim(&cycling(7), &cycling(50), 1000), Some(7));
        assert_eq!(aim(&cycling(7), &cycling(7), 1000), None);
    }
}
