//! What PostgreSQL's own programs get from us: the connection, pinned settings, and nothing of our surroundings.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::support::{Project, TestDb, pg_dump_folder};

/// A pg_dump that writes down its arguments and libpq's variables before it runs.
async fn spying(db: &TestDb, folder: &std::path::Path) -> PathBuf {
    let real = pg_dump_folder(db.major()).await.expect("a pg_dump for this server").join("pg_dump");
    let seen = folder.join("seen");
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" != --version ]; then tr '\\000' '\\n' < /proc/$$/cmdline >> '{0}'; env | grep ^PG >> '{0}'; fi\n\
         exec '{1}' \"$@\"\n",
        seen.display(),
        real.display()
    );
    std::fs::write(folder.join("pg_dump"), text).expect("writable");
    std::fs::set_permissions(folder.join("pg_dump"), std::fs::Permissions::from_mode(0o755)).expect("ours");
    seen
}

#[tokio::test]
async fn pg_dump_takes_over_no_variable_of_ours() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    project.manifest("shop", "credentials: { app: { access: write } }\n");
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let room = tempfile::tempdir().expect("a folder");
    let seen = spying(&db, room.path()).await;
    let service = project.write("service.conf", "[other]\nconnect_timeout=55\n");
    let mut export = project.command(&["export", "shop", "--to", "archive"]);
    export.env("PGCLEAVE_PG_BIN", room.path()).env("PGSERVICE", "other").env("PGSERVICEFILE", service);
    export
        .env("PGDATESTYLE", "German")
        .env("PGTZ", "Mars/Base")
        .env("PGGEQO", "off")
        .env("PGSSLKEYLOGFILE", "/nowhere/keys");
    export.env("PGOPTIONS", "-c geqo_threshold=77 -c search_path=evil");
    crate::support::answer(export.output().expect("the binary runs")).exits(0);
    let seen = std::fs::read_to_string(seen).expect("pg_dump ran");
    for variable in
        ["PGSERVICE", "PGSERVICEFILE", "PGDATESTYLE", "PGTZ", "PGGEQO", "PGSSLKEYLOGFILE", "PGCLEAVE_PG_BIN"]
    {
        assert!(!seen.contains(&format!("{variable}=")), "{variable}: {seen}");
    }
    // What the connection asks for stays, in the connection's own words; what is pinned comes last.
    assert!(seen.contains("geqo_threshold=77") && seen.contains("PGCONNECT_TIMEOUT=55"), "{seen}");
    let options = seen.lines().find(|line| line.starts_with("PGOPTIONS=")).expect("settings");
    assert!(options.rfind("search_path=pg_catalog") > options.rfind("search_path=evil"), "{options}");
    let password =
        db.url().split_once("://").and_then(|(_, rest)| rest.split_once(':')).map(|(_, rest)| rest.to_owned());
    let password =
        password.and_then(|rest| rest.split_once('@').map(|(password, _)| password.to_owned())).expect("a password");
    let arguments = seen.lines().filter(|line| !line.starts_with("PG"));
    assert!(arguments.clone().count() > 5 && !arguments.clone().any(|line| line.contains(&format!(":{password}@"))));
}
