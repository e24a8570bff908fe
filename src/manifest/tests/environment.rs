//! Which environment is used: the one that is named, or the only possible one; none is guessed.

use super::*;
use crate::ident::Ident;

const SEVERAL: &str = "environments: { staging: { role_prefix: stg_ }, prod: { role_prefix: prd_ } }\n";
const ONE: &str = "environments: { only: { role_prefix: one_ } }\n";

fn chosen(config: &str, choice: Choice<'_>) -> Result<String, String> {
    let draft = Draft::new(SourceFile { path: "pgcleave.yaml".into(), bytes: config.into() });
    let loaded = draft.check(choice, &Disk::new());
    loaded.map(|project| project.naming.prefix).map_err(|invalid| invalid.to_string())
}

#[test]
fn one_environment_is_used_and_several_are_not_guessed() {
    assert_eq!(chosen("manifests: m\n", Choice::Default).as_deref(), Ok(""));
    assert_eq!(chosen(ONE, Choice::Default).as_deref(), Ok("one_"));
    assert_eq!(chosen(SEVERAL, Choice::Named("prod")).as_deref(), Ok("prd_"));
    let refused = chosen(SEVERAL, Choice::Default).expect_err("there are two");
    assert!(refused.contains("no-environment") && refused.contains("prod, staging"), "{refused}");
    let with_default = format!("{SEVERAL}default_environment: staging\n");
    assert_eq!(chosen(&with_default, Choice::Default).as_deref(), Ok("stg_"));
    assert_eq!(chosen(&with_default, Choice::Named("prod")).as_deref(), Ok("prd_"));
    assert_eq!(chosen(&with_default, Choice::None).as_deref(), Ok(""));
}

#[test]
fn a_connection_string_is_of_no_environment_unless_it_is_named() {
    assert_eq!(chosen("manifests: m\n", Choice::WithUrl).as_deref(), Ok(""));
    for config in [ONE.to_owned(), SEVERAL.to_owned(), format!("{SEVERAL}default_environment: staging\n")] {
        let refused = chosen(&config, Choice::WithUrl).expect_err("it is not said which");
        assert!(refused.contains("no-environment"), "{refused}");
    }
}

#[test]
fn a_default_that_is_no_environment_is_told() {
    let wrong = chosen(&format!("{SEVERAL}default_environment: stagin\n"), Choice::Named("prod"));
    assert!(wrong.expect_err("there is none").contains("unknown-environment"));
}

#[test]
fn an_operator_has_a_purpose_that_is_known() {
    let administrator = |operators: &str| {
        let config = format!("operators: {operators}\n");
        let draft = Draft::new(SourceFile { path: "pgcleave.yaml".into(), bytes: config.into() });
        let loaded = draft.check(Choice::Default, &Disk::new());
        loaded.map(|project| project.administrator).map_err(|invalid| invalid.to_string())
    };
    let of = "{ purpose: administrator of pgcleave }";
    assert_eq!(administrator("{}"), Ok(None));
    assert_eq!(administrator(&format!("{{ Admin-1: {of} }}")), Ok(Ident::new("Admin-1").ok()));
    let wrong = [
        ("{ metabase: { purpose: business intelligence } }".to_owned(), "administrator of pgcleave"),
        ("{ admin: {} }".to_owned(), "purpose"),
        (format!("{{ a: {of}, b: {of} }}"), "one registry"),
    ];
    for (operators, told) in wrong {
        let refused = administrator(&operators).expect_err(&operators);
        assert!(refused.contains(told), "{refused}");
    }
}
