//! Bodies of routines and DO blocks: text within text.

use squawk_syntax::SyntaxKind::{self, *};
use squawk_syntax::ast::{self, AstNode as _};
use squawk_syntax::decoded_text::DecodedText;
use squawk_syntax::{SyntaxNode, SyntaxToken};

use super::effort::{self, Effort};
use super::script;
use super::walk::{self, Found, Site};

/// Walks the body of a CREATE FUNCTION, CREATE PROCEDURE or DO; a standard body is part of the tree already.
pub(super) fn routine(node: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let Some((literal, text)) = body_text(node) else { return };
    let unknown = || Found::unknown(site, walk::range(&literal));
    if effort::of(text.text()) == Effort::TooMuch {
        found.push(unknown());
        return;
    }
    match language(node).as_str() {
        "plpgsql" => {
            let plpgsql = ast::Do::cast(node.clone())
                .and_then(|block| block.plpgsql())
                .or_else(|| ast::CreateFunction::cast(node.clone()).and_then(|function| function.plpgsql()))
                .or_else(|| ast::CreateProcedure::cast(node.clone()).and_then(|procedure| procedure.plpgsql()));
            let Some(plpgsql) = plpgsql else { return found.push(unknown()) };
            let place = |at: usize| (site.place)(source(&text, at));
            walk::tree(&plpgsql.syntax(), &Site { place: &place, nested: site.nested + 1, ..*site }, found);
        }
        "sql" => {
            let place = |at: usize| (site.place)(source(&text, at));
            walk::text(text.text(), &Site { place: &place, nested: site.nested + 1, ..*site }, found);
        }
        "c" | "internal" => {}
        _ => found.push(unknown()),
    }
}

/// Tells whether all bodies in a tree are fit to be parsed.
pub(super) fn all_fit(root: &SyntaxNode) -> bool {
    root.descendants().filter_map(|node| body_text(&node)).all(|(_, text)| effort::of(text.text()) == Effort::Little)
}

/// Gives a byte's place in the text that a decoded one came from.
pub(super) fn source(text: &DecodedText, at: usize) -> usize {
    let at = u32::try_from(at).unwrap_or(u32::MAX);
    usize::from(text.source_pos(at.into()))
}

/// Gives the string that holds a routine's body.
fn body_text(node: &SyntaxNode) -> Option<(SyntaxNode, DecodedText)> {
    let literal = match node.kind() {
        DO => node.children().find(|child| child.kind() == LITERAL)?,
        CREATE_FUNCTION | CREATE_PROCEDURE => {
            let options = node.children().find(|child| child.kind() == FUNC_OPTION_LIST)?;
            let definition = options.descendants().filter(|part| part.kind() == AS_DEFINITION).last()?;
            definition.children().find(|child| child.kind() == LITERAL)?
        }
        _ => return None,
    };
    let text = ast::Literal::cast(literal.clone())?.decoded_value()?;
    Some((literal, text))
}

/// Gives the language that a routine names; that of DO is plpgsql unless it says otherwise.
fn language(node: &SyntaxNode) -> String {
    let is_option = |part: &SyntaxNode| matches!(part.kind(), LANGUAGE_FUNC_OPTION | DO_LANGUAGE);
    let Some(option) = node.descendants().filter(is_option).last() else {
        return if node.kind() == DO { "plpgsql" } else { "sql" }.to_owned();
    };
    let name = option.children().next().map(|name| name.text().to_string()).unwrap_or_default();
    match name.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(quoted) => quoted.to_owned(),
        None => walk::folded(&name),
    }
}

/// Walks a statement of PL/pgSQL that the parser gave up on, most often for its INTO.
pub(super) fn repaired(node: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let start = walk::range(node).start;
    let sql = without_into(node);
    let place = |at: usize| (site.place)(start + at);
    walk::text(&sql, &Site { place: &place, nested: site.nested + 1, ..*site }, found);
}

/// Blanks the INTO clause of a statement; every other byte keeps its place.
fn without_into(node: &SyntaxNode) -> String {
    let start = walk::range(node).start;
    let mut sql = node.text().to_string();
    let tokens: Vec<SyntaxToken> = script::significant(node).collect();
    let kind = |i: usize| tokens.get(i).map(SyntaxToken::kind);
    let mut depth = 0_usize;
    for i in 0..tokens.len() {
        match tokens[i].kind() {
            L_PAREN => depth += 1,
            R_PAREN => depth = depth.saturating_sub(1),
            INTO_KW if depth == 0 && !matches!(i.checked_sub(1).and_then(kind), Some(INSERT_KW | MERGE_KW)) => {
                let last = last_of_targets(i, &kind);
                let from = usize::from(tokens[i].text_range().start()) - start;
                let to = usize::from(tokens[last].text_range().end()) - start;
                sql.replace_range(from..to, &" ".repeat(to - from));
                return sql;
            }
            _ => {}
        }
    }
    sql
}

/// Gives the last token of an INTO clause: `[STRICT] a, b.c, d[1]`.
fn last_of_targets(into: usize, kind: &dyn Fn(usize) -> Option<SyntaxKind>) -> usize {
    let mut at = into;
    if kind(at + 1) == Some(STRICT_KW) {
        at += 1;
    }
    loop {
        if kind(at + 1).is_none_or(|next| matches!(next, SEMICOLON | FROM_KW)) {
            return at;
        }
        at += 1;
        while kind(at + 1) == Some(DOT) && kind(at + 2).is_some() {
            at += 2;
        }
        if kind(at + 1) == Some(L_BRACK) {
            while kind(at + 1).is_some() && kind(at) != Some(R_BRACK) {
                at += 1;
            }
        }
        if kind(at + 1) != Some(COMMA) {
            return at;
        }
        at += 1;
    }
}

/// Gives what goes before and after a text to dollar-quote it.
pub(super) fn dollar_quotes(before: &str, text: &str) -> (String, String) {
    let mut tag = "$b$".to_owned();
    while text.contains(tag.trim_end_matches('$')) {
        tag.insert(1, 'b');
    }
    (format!("{before}{tag}"), tag)
}
