//! What to do about an error, by its code.

/// Gives the advice for an error's code, if there is any.
pub(crate) fn of(code: &str) -> Option<String> {
    let advice = match code {
        "no-database-url" | "bad-database-url" => {
            "for example: export DATABASE_URL=postgresql://admin@localhost:5432/shop (a password fits in PGPASSFILE; in the string, its @ and / are written %40 and %2F)"
        }
        "lock-held" => "wait for it to end, or run again with a longer --lock-wait",
        "hazard-not-allowed" => "pgcleave plan shows them; allow each by its name, such as --allow revoke",
        "database-moved" | "plan-outdated" => "make a new plan with pgcleave plan --out, and review it",
        "foreign-registry" => {
            "connect as the administrator that made the registry, or name it in pgcleave.yaml: \
             operators: { NAME: { purpose: administrator of pgcleave } }; docs/security.md says who is trusted"
        }
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
        "not-provisioned" => "run pgcleave apply: it makes roles and schemas, and runs the migrations too",
        "migration-mismatch" => "put the applied files back as they were; what should change goes into a new file",
        "migration-left-owner" => "remove the statement that changes the role",
        "no-postgresql" => "apt install postgresql, or name a folder with postgres and initdb in PGCLEAVE_PG_BIN",
        "bad-postgresql-folder" => "it is the folder that holds the programs, such as /usr/lib/postgresql/17/bin",
        "other-major" => "remove the folder (its data are lost), or name the older programs in PGCLEAVE_PG_BIN",
        "sink-name" => "rename the credential, or use another kind of sink",
        "coupled" => "remove the coupling, or accept its kind: --allow foreign-key,needs",
        "archive-exists" => "choose another folder, or move the old one away: an archive is never overwritten",
        "no-pg-dump" => "install the client programs of that version, or set PGCLEAVE_PG_BIN to their folder",
        "table-locked" => "look in pg_stat_activity for who holds it, or wait longer: --lock-wait 300",
        "superuser-objects" => {
            "look at each: what is named runs with a superuser's rights. To accept it: --allow superuser-objects, as a superuser"
        }
        "existing-roles" => {
            "if the archive is yours and these roles are the ones that it means: --allow existing-roles; else import into another server"
        }
        "archive-statement" => "the archive was changed, or another program wrote it: look into the file that is named",
        "psql-command" => {
            "the definition that is named was made to run a command on the host that restores it: do not use this archive"
        }
        "foreign-journal" => "find out who made schema pgcleave_import, drop it, and import again",
        "foreign-schema" => {
            "drop the empty schema in the target, so that the import makes it, or take CREATE on it from that role"
        }
        "extension-schema" => "run the statement that the message names, and try again",
        "target-not-empty" => "choose another database, or drop the schema there yourself",
        "no-split" => "split start begins one; name the two databases that it began with",
        "split-target" => "name the two databases that the split began with; split check tells whether a new one fits",
        "split-blocked" => "split check lists what is in the way, with each thing's fix",
        "split-bridge" => {
            "leave out what cannot be bridged: --leave-out \"schema.function(types)\", or --bridge none for all"
        }
        "split-differs-rollback" => {
            "bring those rows to the source and run split rollback again, which compares; or split abort --discard-differing drops them"
        }
        "split-uncompared" => {
            "split cutover, run again, compares them; split finish --uncompared ends the split all the same"
        }
        "split-route" => {
            "the writes are where split status says; mend the pooler or the command, and run the same command again"
        }
        "archive-damaged" => "take the archive from another copy, or export again",
        _ => return None,
    };
    Some(advice.to_owned())
}
