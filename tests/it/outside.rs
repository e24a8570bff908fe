//! A project comes from a pull request: nothing outside its folder is read, and nothing of it is quoted.

use crate::support::{Project, TestDb};

const SECRET: &str = "hunter2-of-the-runner";

async fn project() -> (TestDb, Project, tempfile::TempDir) {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    project.manifest("orders", "migrations: ../migrations/orders\n");
    project.write("migrations/orders/V1__a.sql", "create table a (i int);");
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("V2__b.sql"), format!("{SECRET} is no SQL;")).expect("a file");
    std::fs::write(outside.path().join("config"), format!("password: {SECRET}\n")).expect("a file");
    (db, project, outside)
}

fn link(project: &Project, target: &std::path::Path, name: &str) {
    std::os::unix::fs::symlink(target, project.path().join(name)).expect("a link");
}

#[track_caller]
fn refused(project: &Project) {
    for command in [&["check"][..], &["plan"], &["plan", "--format", "json"], &["check", "--format", "json"]] {
        let answer = project.run(command);
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert!(!said.contains(SECRET), "{said}");
        assert!(said.contains("outside"), "{command:?}: {said}");
    }
    assert_eq!(project.run(&["check"]).code, 2);
}

#[tokio::test]
async fn links_and_paths_that_lead_out_are_refused_and_not_quoted() {
    let (_db, project, outside) = project().await;
    project.run(&["check"]).exits(0);

    link(&project, &outside.path().join("V2__b.sql"), "migrations/orders/V2__b.sql");
    refused(&project);
    project.remove("migrations/orders/V2__b.sql");

    for (name, target) in [("manifests/stolen.yaml", "config"), ("q.sql", "config")] {
        link(&project, &outside.path().join(target), name);
        let models = "read_models: [ { name: m, query: ../q.sql } ]\n";
        project.manifest("orders", if name == "q.sql" { models } else { "migrations: ../migrations/orders\n" });
        refused(&project);
        project.remove(name);
    }

    link(&project, outside.path(), "migrations/other");
    for path in [
        "../migrations/other",
        &format!("../../{}", outside.path().file_name().expect("a name").to_string_lossy()),
        &outside.path().to_string_lossy(),
    ] {
        project.manifest("orders", &format!("migrations: \"{path}\"\n"));
        refused(&project);
    }
    project.manifest("orders", "migrations: ../migrations/orders\n");

    // a link that stays inside is followed
    link(&project, &project.path().join("migrations/orders"), "migrations/same");
    project.manifest("orders", "migrations: ../migrations/same\n");
    project.run(&["check"]).exits(0);
}

#[tokio::test]
async fn neither_the_configuration_nor_its_folder_of_manifests_may_lie_outside() {
    let (db, project, outside) = project().await;
    let text = std::fs::read_to_string(project.path().join("pgcleave.yaml")).expect("the configuration");
    for folder in [outside.path().to_string_lossy().into_owned(), "..".to_owned()] {
        project.write("pgcleave.yaml", &text.replace("manifests: manifests", &format!("manifests: \"{folder}\"")));
        refused(&project);
    }
    project.remove("pgcleave.yaml");
    link(&project, &outside.path().join("config"), "pgcleave.yaml");
    refused(&project);
    drop(db);
}

#[tokio::test]
async fn a_folder_without_any_manifest_is_an_error_and_no_removal_of_all() {
    let (_db, project, _outside) = project().await;
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    std::fs::rename(project.path().join("manifests/orders.yaml"), project.path().join("orders.yaml"))
        .expect("it moves");
    for command in [&["plan"][..], &["apply", "--prune", "--allow", "revoke,close-database,drop-service"], &["check"]] {
        let refused = project.run(command).exits(2);
        assert!(refused.stderr.contains("no-manifests"), "{}", refused.stderr);
    }
}

#[tokio::test]
async fn no_environment_is_guessed() {
    let (db, project, _outside) = project().await;
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pgcleave"));
        command.current_dir(project.path()).env("TEST_URL", db.url()).env_remove("DATABASE_URL");
        crate::support::answer(command.args(arguments).output().expect("it runs"))
    };
    let prefix = db.prefix();
    let one = format!("test: {{ database_url_env: TEST_URL, role_prefix: {prefix} }}");
    project.write("pgcleave.yaml", &format!("environments: {{ {one} }}\n"));
    run(&["plan"]).exits(0);
    let url = db.url();
    let refused = run(&["plan", "--database-url", &url]).exits(2);
    assert!(refused.stderr.contains("no-environment"), "{}", refused.stderr);
    run(&["--env", "test", "plan", "--database-url", &url]).exits(0);

    let several = format!("environments: {{ {one}, prod: {{ database_url_env: PROD_URL }} }}\n");
    project.write("pgcleave.yaml", &several);
    for command in ["plan", "apply", "migrate", "audit"] {
        let refused = run(&[command]).exits(2);
        assert!(
            refused.stderr.contains("no-environment") && refused.stderr.contains("prod, test"),
            "{}",
            refused.stderr
        );
    }
    run(&["check"]).exits(0);
    project.write("pgcleave.yaml", &format!("{several}default_environment: test\n"));
    let plan = run(&["plan"]).exits(0).stdout;
    assert!(plan.contains(&format!("{prefix}orders_owner")), "{plan}");
    assert!(run(&["plan", "--database-url", &url]).exits(2).stderr.contains("no-environment"));

    project.write("pgcleave.yaml", "secrets: { directory: .secrets }\n");
    let plan = run(&["plan", "--database-url", &url]).exits(0).stdout;
    assert!(!plan.contains(prefix), "{plan}");
}
