//! Which views and routines a migration creates, with whose rights they run, and what they call.

use std::collections::BTreeSet;

use squawk_syntax::SyntaxKind::*;
use squawk_syntax::{SourceFile, SyntaxNode};

use super::definition::definitions;
use super::reference::Use;
use super::{effort, find, script};

/// A schema and a name in it.
type Name = (String, String);

/// One view or routine that a script creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its name; without a schema it is in the service's own.
    pub name: Name,
    /// Whether it is a function or procedure.
    pub is_routine: bool,
    /// Whether it is SECURITY DEFINER, or a standard SQL body that is not volatile.
    pub is_harmless: bool,
    /// What it calls.
    pub calls: BTreeSet<Name>,
}

/// Gives them in their order; none of a text that is too much to be parsed.
#[must_use]
pub fn created(sql: &str, own: &str) -> Vec<Created> {
    if effort::is_too_much(sql) {
        return Vec::new();
    }
    let routines: Vec<(usize, bool)> =
        SourceFile::parse(sql).syntax_node().children().filter_map(|node| routine(&node)).collect();
    let references = find::references(sql, &[own]);
    let all = definitions(sql).into_iter().filter(|definition| !definition.dropped);
    let one = |definition: super::definition::Definition| {
        let is_harmless = routines.iter().find(|(start, _)| *start == definition.statement.start).map(|(_, is)| *is);
        let within = references.iter().filter(|reference| definition.statement.contains(&reference.at));
        let calls = within.filter(|reference| reference.used == Use::Call);
        Created {
            calls: calls.filter_map(|call| Some((call.schema.clone()?, call.name.clone()?))).collect(),
            name: (definition.schema.unwrap_or_else(|| own.to_owned()), definition.name),
            is_routine: is_harmless.is_some(),
            is_harmless: is_harmless.unwrap_or_default(),
        }
    };
    all.map(one).collect()
}

/// Gives where a statement begins that creates a routine, and whether calling it is harmless.
fn routine(node: &SyntaxNode) -> Option<(usize, bool)> {
    if !matches!(node.kind(), CREATE_FUNCTION | CREATE_PROCEDURE) {
        return None;
    }
    // a quoted body is one token
    let words: Vec<String> = script::significant(node).map(|token| token.text().to_uppercase()).collect();
    let follows = |first: &str, second: &str| words.windows(2).any(|pair| pair[0] == first && pair[1] == second);
    let has = |word: &str| words.iter().any(|w| w == word);
    let is_standard = follows("BEGIN", "ATOMIC") || has("RETURN");
    let is_harmless = follows("SECURITY", "DEFINER") || (is_standard && (has("STABLE") || has("IMMUTABLE")));
    Some((super::walk::range(node).start, is_harmless))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_with_whose_rights_code_runs_and_what_it_calls() {
        let sql = "create or replace function norm(v text) returns text language plpgsql as $$ begin return v; end $$;
            create function s.safe() returns int language sql security definer as 'select 1';
            create function body_says_it() returns text language sql as 'select ''security definer''';
            create function f(a int) returns int immutable return a + 1;
            create view shown as select norm(v), lower(v), s.safe() from t;
            drop view gone;";
        let found: Vec<_> = created(sql, "own")
            .into_iter()
            .map(|c| {
                (
                    c.name.1,
                    c.is_routine,
                    c.is_harmless,
                    c.calls.into_iter().map(|(s, n)| format!("{s}.{n}")).collect::<Vec<_>>().join(" "),
                )
            })
            .collect();
        let expected = [
            ("norm", true, false, ""),
            ("safe", true, true, ""),
            ("body_says_it", true, false, ""),
            ("f", true, true, ""),
            ("shown", false, false, "own.lower own.norm s.safe"),
        ];
        assert_eq!(found, expected.map(|(n, r, h, c)| (n.to_owned(), r, h, c.to_owned())));
    }
}
