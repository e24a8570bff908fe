//! As much of JSON Schema as SARIF's schema says; a keyword that is not known here fails the test.

use serde_json::Value;

/// Insists that a document keeps to SARIF's schema.
#[track_caller]
pub(super) fn expect_valid(document: &Value) {
    let wrong = mistakes(document);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn mistakes(document: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(include_str!("../data/sarif-schema-2.1.0.json")).expect("JSON");
    let mut wrong = Vec::new();
    check(&schema, &schema, document, "", &mut wrong);
    wrong
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else { return };
    for (keyword, says) in keywords {
        match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" | "default" | "definitions" | "format" => {}
            "$ref" => {
                let pointer =
                    says.as_str().and_then(|s| s.strip_prefix('#')).expect("a reference inside of the schema");
                check(root, root.pointer(pointer).expect("what is referred to"), value, at, wrong);
            }
            "anyOf" => expect(any(root, says, value) > 0, at, keyword, value, wrong),
            "oneOf" => expect(any(root, says, value) == 1, at, keyword, value, wrong),
            "enum" => expect(list(says).contains(value), at, keyword, value, wrong),
            "type" => {
                let fits = says.as_str().map_or_else(
                    || list(says).iter().any(|t| is(t.as_str().unwrap_or_default(), value)),
                    |word| is(word, value),
                );
                expect(fits, at, keyword, value, wrong);
            }
            "minimum" => expect(number(value) >= number(says), at, keyword, value, wrong),
            "maximum" => expect(number(value) <= number(says), at, keyword, value, wrong),
            "pattern" => expect(matches(says.as_str().expect("text"), value), at, keyword, value, wrong),
            "properties" | "required" | "additionalProperties" => {}
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, says, item, &format!("{at}/{index}"), wrong);
                }
            }
            "minItems" => {
                let enough = value.as_array().is_none_or(|all| all.len() as u64 >= says.as_u64().expect("a number"));
                expect(enough, at, keyword, value, wrong);
            }
            "uniqueItems" => {
                let all = list(value);
                let unique = all.iter().enumerate().all(|(i, a)| !all[..i].contains(a));
                expect(unique || says == &Value::Bool(false), at, keyword, value, wrong);
            }
            other => panic!("the schema says {other}, which is not known here"),
        }
    }
    check_object(root, schema, value, at, wrong);
}

fn check_object(root: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let Some(object) = value.as_object() else { return };
    for name in list(&schema["required"]) {
        expect(object.contains_key(name.as_str().expect("text")), at, &format!("required {name}"), value, wrong);
    }
    for (name, item) in object {
        let at = format!("{at}/{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => wrong.push(format!("{at}: no such property")),
            (Value::Null, other) => check(root, other, item, &at, wrong),
            (known, _) => check(root, known, item, &at, wrong),
        }
    }
}

fn expect(fits: bool, at: &str, keyword: &str, value: &Value, wrong: &mut Vec<String>) {
    if !fits {
        let text: String = value.to_string().chars().take(120).collect();
        wrong.push(format!("{at}: not {keyword}: {text}"));
    }
}

fn any(root: &Value, schemas: &Value, value: &Value) -> usize {
    let fits = |schema: &&Value| {
        let mut wrong = Vec::new();
        check(root, schema, value, "", &mut wrong);
        wrong.is_empty()
    };
    list(schemas).iter().filter(fits).count()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn is(word: &str, value: &Value) -> bool {
    match word {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the type {other} is not known here"),
    }
}

/// Knows the patterns that our documents can meet.
fn matches(pattern: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return true };
    match pattern {
        "^[a-zA-Z0-9]{8}-[a-zA-Z0-9]{4}-[1-5][a-zA-Z0-9]{3}-[89ab][a-zA-Z0-9]{3}-[a-zA-Z0-9]{12}$"
        | "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$" => {
            panic!("pgcleave writes no {pattern}")
        }
        "[0-9]+(\\.[0-9]+){3}" => text.split('.').filter(|p| p.parse::<u32>().is_ok()).count() >= 4,
        other => panic!("the pattern {other} is not known here"),
    }
}

#[test]
fn a_document_that_breaks_the_schema_is_found() {
    let minimal =
        serde_json::json!({ "version": "2.1.0", "runs": [{ "tool": { "driver": { "name": "x" } }, "results": [] }] });
    assert_eq!(mistakes(&minimal), Vec::<String>::new());
    let broken = |pointer: &str, value: Value| {
        let mut document = minimal.clone();
        *document.pointer_mut(pointer).expect("it is there") = value;
        mistakes(&document).len()
    };
    assert_eq!(broken("/version", serde_json::json!("2.0.0")), 1);
    assert_eq!(broken("/runs/0/tool/driver", serde_json::json!({})), 1);
    assert_eq!(broken("/runs/0/results", serde_json::json!([{ "ruleId": 1, "message": { "text": "x" } }])), 1);
    assert_eq!(broken("/runs/0/results", serde_json::json!([{ "message": { "text": "x" }, "colour": 1 }])), 1);
    assert_eq!(broken("/runs/0/results", serde_json::json!([{ "message": { "text": "x" }, "level": "bad" }])), 1);
}
