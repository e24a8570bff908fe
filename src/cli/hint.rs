//! What to do about an error, by its code.

/// Gives the advice for an error's code, if there is any.
pub(crate) fn of(code: &str) -> Option<String> {
    let advice = match code {
        "no-database-url" | "bad-database-url" => {
            "for example: export DATABASE_URL=postgresql://admin@localhost:5432/shop (a password fits in PGPASSFILE)"
        }
        "lock-held" => "wait for it to end, or run again with a longer --lock-wait",
        "hazard-not-allowed" => "look at them with pgcleave plan, then allow each: --allow revoke --allow change-owner",
        "database-moved" | "plan-outdated" => "make a new plan with pgcleave plan --out, and review it",
        "foreign-registry" => "connect as the administrator who made it, or as a superuser",
        "coupled" => "remove the coupling, or accept its kind: --allow-coupling foreign-key,needs",
        "archive-exists" => "choose another folder, or move the old one away: an archive is never overwritten",
        "no-pg-dump" => "install the client programs of that version, or set PGCLEAVE_PG_BIN to their folder",
        "table-locked" => "look in pg_stat_activity for who holds it, or wait longer: --lock-wait 300",
        "target-not-empty" => "choose another database, or drop the schema there yourself",
        "archive-damaged" => "take the archive from another copy, or export again",
        _ => return None,
    };
    Some(advice.to_owned())
}
