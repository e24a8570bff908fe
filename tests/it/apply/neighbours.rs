//! Two databases of one server, whose services have no prefix to tell them apart.

use crate::support::{Project, TestDb};

/// A second database under the first one's administrator and role prefix, with a service of its own.
async fn pair(owning: bool) -> (TestDb, Project, TestDb, Project) {
    let left = TestDb::new().await;
    let right = TestDb::new().await;
    let mut url = left.url();
    if owning {
        url = left.owning_admin().await;
        right.run(&format!("alter database {} owner to {}admin", right.name(), left.prefix())).await;
    }
    let project = |db: &TestDb, service: &str| {
        let mut project = Project::new(db);
        project.connect_as(url.replace(left.name(), db.name()));
        project.write(
            "pgcleave.yaml",
            &format!(
                "environments: {{ test: {{ database_url_env: TEST_URL, role_prefix: {} }} }}\nsecrets: {{ directory: .secrets }}\n",
                left.prefix()
            ),
        );
        project.manifest(
            service,
            &format!("migrations: ../migrations/{service}\ncredentials: {{ app: {{ access: write }}, m: {{ access: owner }} }}\n"),
        );
        project.write(&format!("migrations/{service}/V1__a.sql"), &format!("create table rows_of_{service} (id int);"));
        project
    };
    let (here, there) = (project(&left, "svc_lefty"), project(&right, "svc_righty"));
    (left, here, right, there)
}

#[tokio::test]
async fn pruning_in_one_database_leaves_the_services_of_the_other_alone() {
    for owning in [false, true] {
        let (left, here, right, there) = pair(owning).await;
        here.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        here.run(&["credentials", "verify"]).exits(0);
        let saved = here.run(&["plan", "--format", "json"]).exits(0).json()["fingerprint"].clone();

        let plan = there.run(&["plan", "--prune", "-v"]).exits(0).stdout;
        assert!(!plan.contains("svc_lefty"), "{plan}");
        there.run(&["apply", "--prune", "--allow", "revoke,close-database"]).exits(0);
        there
            .run(&["apply", "--prune", "--allow", "revoke,close-database,change-owner,drop-role,drop-service"])
            .exits(0);

        here.run(&["credentials", "verify"]).exits(0);
        let now = here.run(&["plan", "--format", "json"]).exits(0).json()["fingerprint"].clone();
        assert_eq!(saved, now, "what another database does is no part of a plan's state");
        for project in [&here, &there] {
            let plan = project.run(&["plan", "--detailed-exitcode", "--format", "json"]).exits(0).json();
            assert_eq!(plan["unmanaged"], serde_json::json!([]));
            let audit = project.run(&["audit", "--fail-on", "never"]).exits(0).stdout;
            assert!(!audit.to_lowercase().contains("drop role"), "{audit}");
            let takes_connect = |line: &&str| line.contains("fix revoke") && line.contains("pgcleave_connect");
            assert_eq!(audit.lines().find(takes_connect), None, "{audit}");
        }

        // the positive control: a login that this database's registry lists is told of, and pruned
        let prefix = left.prefix();
        right.run(&format!("grant {prefix}pgcleave_connect to {prefix}svc_righty_app_a")).await;
        let plan = there.run(&["plan", "--format", "json"]).exits(0).json();
        assert_eq!(plan["unmanaged"].as_array().map(Vec::len), Some(1), "{plan:#}");
        let elsewhere = here.run(&["plan", "--format", "json"]).exits(0).json();
        assert_eq!(elsewhere["unmanaged"], serde_json::json!([]));
    }
}
