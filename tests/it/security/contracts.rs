//! Contracts that run their provider's code with the rights of their consumer.

use crate::support::{Project, TestDb};

const VIEW: &str = "create table item (v text);
    create function norm(v text) returns text language plpgsql stable security definer
      set search_path = pg_catalog, provider, pg_temp as 'begin return lower(v); end';
    create function other(v text) returns text language plpgsql as 'begin return v; end';
    create view shown with (security_barrier) as select norm(v) as v, upper(v) as w from item;";

const TURN: &str = "create or replace function norm(v text) returns text language plpgsql volatile as $$
    begin execute 'update consumer.secret_rows set v = ''taken over'''; return v;
    exception when others then return lower(v); end $$;";

/// Says which hazards a plan has.
fn hazards(project: &Project) -> Vec<String> {
    let plan = project.run(&["plan", "--format", "json"]).exits(0).json();
    let hazards = plan["hazards"].as_array().unwrap_or_else(|| panic!("{plan:#}"));
    hazards.iter().map(|hazard| hazard.as_str().expect("a name").to_owned()).collect()
}

fn audited(project: &Project) -> Vec<String> {
    let answer = project.run(&["audit", "--rule", "EXE01", "--format", "json"]).exits(0).json();
    let findings = answer["findings"].as_array().expect("findings");
    findings.iter().map(|f| f["message"].as_str().expect("a message").to_owned()).collect()
}

#[tokio::test]
async fn a_function_behind_a_contract_that_runs_as_its_consumer_is_a_hazard() {
    for as_superuser in [true, false] {
        let db = TestDb::new().await;
        let mut project = Project::new(&db);
        if !as_superuser {
            project.connect_as(db.owning_admin().await);
        }
        project.manifest(
            "provider",
            "migrations: ../migrations/provider\ncredentials: { app: { access: write } }\nexposes:\n  - { view: shown, to: [consumer] }\n",
        );
        project.manifest("consumer", "credentials: { app: { access: write } }\nconsumes: [provider.shown]\n");
        project.write("migrations/provider/V1__shown.sql", VIEW);
        // a definer with its own search_path is what is asked for
        assert!(!hazards(&project).contains(&"contract-runs-as-consumer".to_owned()));
        project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        assert_eq!(audited(&project), Vec::<String>::new());

        // what no contract calls is the provider's own affair
        let other = "create or replace function other(v text) returns text language plpgsql as 'begin return v; end';";
        project.write("migrations/provider/V2__other.sql", other);
        assert_eq!(hazards(&project), Vec::<String>::new());
        project.run(&["apply"]).exits(0);

        project.write("migrations/provider/V3__turn.sql", TURN);
        assert_eq!(hazards(&project), ["contract-runs-as-consumer"]);
        let refused = project.run(&["apply"]).exits(5);
        assert!(refused.stderr.contains("contract-runs-as-consumer"), "{}", refused.stderr);
        let plan = project.run(&["plan", "-v"]).stdout;
        assert!(plan.contains("provider.norm"), "{plan}");
        project.run(&["apply", "--allow", "contract-runs-as-consumer"]).exits(0);
        assert_eq!(audited(&project), ["provider.shown runs provider.norm(text) with the rights of consumer"]);
        assert_eq!(hazards(&project), Vec::<String>::new());
    }
}

#[tokio::test]
async fn exposing_what_runs_as_its_caller_is_a_hazard() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    let provider = "migrations: ../migrations/provider\ncredentials: { app: { access: write } }\n";
    project.manifest("provider", provider);
    project.manifest("consumer", "credentials: { app: { access: write } }\n");
    let code = "create function touch() returns int language sql volatile as 'select 1';
        create function pure(a int) returns int immutable return a + 1;
        create function safe() returns int language sql security definer set search_path = pg_catalog, pg_temp as 'select 1';";
    project.write("migrations/provider/V1__code.sql", code);
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    for (function, hazard) in [("pure(integer)", false), ("safe()", false), ("touch()", true)] {
        project
            .manifest("provider", &format!("{provider}exposes:\n  - {{ function: \"{function}\", to: [consumer] }}\n"));
        project.manifest(
            "consumer",
            &format!("credentials: {{ app: {{ access: write }} }}\nconsumes: [\"provider.{function}\"]\n"),
        );
        let found = hazards(&project).contains(&"contract-runs-as-consumer".to_owned());
        assert_eq!(found, hazard, "{function}");
    }
}
