//! Routines whose argument types live in other schemas.

use crate::support::{Project, TestDb};

/// Three schemas that somebody made; `bakery.weigh` and `cafe.menu` take types of other schemas, `bakery.sift` has two forms.
const SCHEMAS: &str = "
create schema mill; create schema bakery; create schema cafe; create schema words;
create type mill.grain as (kind text, grams int);
create table bakery.loaves (id int);
create function bakery.weigh(g mill.grain) returns int language sql as 'select ($1).grams';
create function bakery.sift(g mill.grain) returns int language sql as 'select ($1).grams';
create function bakery.sift(g int) returns int language sql as 'select $1';
create domain words.loaf_name as text;
create function cafe.menu(n words.loaf_name) returns text language sql as 'select $1::text';
";

const EXECUTE: &str = "
select r || ' ' || f from unnest(array['@bakery_writer', '@cafe_writer', 'public']) as r,
    unnest(array['bakery.weigh(mill.grain)', 'bakery.sift(mill.grain)', 'bakery.sift(int)', 'cafe.menu(words.loaf_name)']) as f
where has_function_privilege(r, f, 'execute') order by 1";

const ALLOW: [&str; 3] = ["apply", "--allow", "revoke,change-owner,close-database"];

fn three_services(db: &TestDb) -> Project {
    let project = Project::new(db);
    for service in ["mill", "bakery", "cafe"] {
        project.manifest(service, "");
    }
    project
}

async fn expect_granted(db: &TestDb) {
    let wanted = [
        "@bakery_writer bakery.sift(int)",
        "@bakery_writer bakery.sift(mill.grain)",
        "@bakery_writer bakery.weigh(mill.grain)",
        "@cafe_writer cafe.menu(words.loaf_name)",
    ];
    let found = db.texts(&EXECUTE.replace('@', db.prefix())).await;
    assert_eq!(found, wanted.map(|text| text.replace('@', db.prefix())));
    let strangers =
        "select count(*)::text from pg_proc where pronamespace in ('bakery'::regnamespace, 'cafe'::regnamespace)
        and proowner::regrole::text not in ('@bakery_owner', '@cafe_owner')";
    assert_eq!(db.texts(&strangers.replace('@', db.prefix())).await, ["0"]);
}

#[tokio::test]
async fn a_superuser_grants_routines_whose_types_the_owner_cannot_look_up() {
    let db = TestDb::new().await;
    db.run(SCHEMAS).await;
    let project = three_services(&db);
    project.run(&ALLOW).exits(0);
    expect_granted(&db).await;
    project.expect_no_changes();
    // the owner is the grantor, as of all other grants
    let grantors =
        "select distinct a.grantor::regrole::text from pg_proc p, aclexplode(p.proacl) a where p.proname = 'sift'";
    assert_eq!(db.texts(grantors).await, [format!("{}bakery_owner", db.prefix())]);
}

#[tokio::test]
async fn an_administrator_leaves_what_it_cannot_name_and_says_what_a_superuser_can_run() {
    let db = TestDb::new().await;
    let url = db.owning_admin().await;
    let admin = format!("{}admin", db.prefix());
    db.run(&format!("set role {admin}; {SCHEMAS}")).await;
    let mut project = three_services(&db);
    project.connect_as(url);
    project.run(&ALLOW).exits(0);
    let owned = "select proname || ' ' || proowner::regrole from pg_proc where proowner = '@admin'::regrole and \
                 pronamespace <> to_regnamespace('pgcleave')";
    assert_eq!(db.texts(&owned.replace('@', db.prefix())).await, [format!("sift {admin}")]);
    // first its owner, then its privileges
    for _ in 0..2 {
        let plan = project.run(&["plan", "--format", "json"]).exits(0).json();
        let notes = plan["notes"].as_array().expect("notes").iter().filter_map(|note| note.as_str());
        let sql: Vec<_> = notes.filter_map(|note| note.split_once("a superuser can run: ")).collect();
        let [(why, sql)] = sql[..] else { panic!("{plan:#}") };
        assert!(why.starts_with("bakery.sift(mill.grain) is left as it is: "), "{why}");
        db.run(sql).await;
    }
    expect_granted(&db).await;
    project.expect_no_changes();
    assert!(!project.run(&["plan"]).exits(0).stdout.contains("is left as it is"));
}
