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
        "credential-not-issued" | "login-not-ready" => {
            "run pgcleave apply first: it makes logins and their memberships"
        }
        "old-login-in-use" => {
            "let its clients reconnect with the published secret, or run again with --grace 15m (and --terminate to end them)"
        }
        "sink-write-only" => {
            "verify needs a sink that can be read back, such as secrets: { directory: .secrets }, in an environment of its own"
        }
        "sink-corrupt" => "move the file away; credentials rotate publishes a new secret",
        "sink-busy" => "wait for the other pgcleave to end, and run again",
        "sink-name" => "rename the credential, or use another kind of sink",
        _ => return None,
    };
    Some(advice.to_owned())
}
