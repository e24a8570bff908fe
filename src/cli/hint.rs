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
        _ => return None,
    };
    Some(advice.to_owned())
}
