//! Text that is broken, deep or made to hurt.

use expect_test::expect;
use proptest::prelude::*;

use super::*;

#[test]
fn errors_have_their_place() {
    let errors = syntax_errors("select 1;\n\nselect * frm x y z;\ncreate tabel x ();");
    let lines: Vec<_> = errors.iter().map(|e| format!("{}:{} {}\n", e.line, e.column, e.message)).collect();
    expect![[r#"
        3:9 missing comma
        4:1 expected command, found CREATE_KW
    "#]]
    .assert_eq(&lines.concat());
    assert_eq!(syntax_errors("create table a (b int); do $$ begin select 1 into x; end $$;"), []);
    assert_eq!(syntax_errors(&"(".repeat(100_000)).len(), 1);
}

#[test]
fn too_deep_text_is_unprovable_and_ends_nothing() {
    for one in ["(", "f(", "(select ", "case when ", "not ", "- ", "1+", "begin ", "a join ", "explain ", "::int", ".a"]
    {
        let found = references(&one.repeat(50_000), &[]);
        assert_eq!(found.len(), 1, "{one}");
        assert_eq!(found[0].certainty, Certainty::Unprovable);
        let inside = format!("select * from billing.x; do $$ begin {} end $$;", one.repeat(50_000));
        assert_eq!(references(&inside, &[]).len(), 2, "{one}");
    }
    // What is just bearable must not exhaust the stack of a test's thread.
    for one in ["(", "f(", "(select ", "(select * from ", "case when ", "not ", "a + ", "- - - (", "array[", "a join "]
    {
        for times in (10..400).step_by(30) {
            let _ = references(&format!("select {}", one.repeat(times)), &[]);
        }
    }
    let nested = (0..10).fold("select 1".to_owned(), |sql, _| {
        format!("do '{}'", format!("begin execute '{}'; end", sql.replace('\'', "''")).replace('\'', "''"))
    });
    let _ = references(&nested, &[]);
}

fn soup() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "select",
        "from",
        "billing.x",
        "'",
        "$$",
        "$a$",
        "(",
        ")",
        "begin",
        "end",
        "if",
        "then",
        "loop",
        "case",
        "when",
        ";",
        "do",
        "execute",
        "format(",
        "'%I.%s'",
        "||",
        "into",
        "strict",
        "create function f() returns int language plpgsql as",
        "::regclass",
        "\"",
        ".",
        ",",
        "E'\\",
        "--",
        "/*",
        "*/",
        "\n",
        "é",
        "with",
        "as",
        "insert",
        "update",
        "set",
        "search_path",
        "=",
        "return",
        "query",
        "U&",
        "\u{0}",
        "declare",
        "%type",
        "table",
        "references",
        "[",
        "]",
        ":=",
        "nextval('a.b')",
        "language",
        "atomic",
        "operator(",
        "1",
        "\u{10fffd}",
    ];
    proptest::collection::vec(proptest::sample::select(WORDS), 0..60).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_panics(text in prop_oneof!["\\PC{0,200}", soup(), "[(){};'$.|%a-c \n-]{0,120}"]) {
        for found in [references(&text, &["s"]), body_references("plpgsql", &text, &["s"]), expression_references(&text, &[])] {
            for reference in found {
                prop_assert!(text.is_char_boundary(reference.at), "{reference:?}");
            }
        }
        let _ = syntax_errors(&text);
    }

    #[test]
    fn a_reference_is_found_where_it_stands(before in "[a-z \n]{0,20}", filler in 0..5_usize) {
        let comment = format!("/* {before} */ ");
        let sql = format!("{comment}{}select * from billing.x;", "select 1;\n".repeat(filler));
        let found = references(&sql, &[]);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(&sql[found[0].at..][..9], "billing.x");
        prop_assert_eq!(sql.lines().nth(found[0].line - 1).map(|l| l.chars().skip(found[0].column - 1).take(9).collect::<String>()), Some("billing.x".to_owned()));
    }
}
