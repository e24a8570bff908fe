//! SQL that PL/pgSQL puts together and executes.
//!
//! The known pieces are joined, with a mark for each piece that only the run knows: a character that no script holds, and
//! that the parser takes for a part of a name.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use squawk_syntax::SyntaxKind::*;
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode as _};
use squawk_syntax::decoded_text::DecodedText;

use super::reference::Certainty;
use super::walk::{self, Found, Site};
use super::{body, format};

/// Any text may stand here.
const TEXT: char = '\u{10fffd}';
/// One quoted name stands here.
const NAME: char = '\u{10fffc}';

/// A piece that only the run knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hole {
    /// Any text.
    Text,
    /// One name.
    Name,
}

/// Tells whether a part of a name is known only at run time.
pub(super) fn hole(name: &str) -> Option<Hole> {
    match name {
        _ if name.contains(TEXT) => Some(Hole::Text),
        _ if name.contains(NAME) => Some(Hole::Name),
        _ => None,
    }
}

/// Walks all that a body executes.
pub(super) fn executed(root: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let mut assigned = None;
    let mut followed = BTreeSet::new();
    for node in root.descendants() {
        if !matches!(
            node.kind(),
            PLPGSQL_DYN_EXECUTE_STMT | PLPGSQL_FOR_DYN_STMT | PLPGSQL_RETURN_QUERY_EXECUTE_STMT | PLPGSQL_OPEN_EXECUTE
        ) {
            continue;
        }
        let Some(expression) = node.children().find(|child| child.kind() == PLPGSQL_EXPR) else { continue };
        let expression = inner(&expression);
        if expression.kind() == NAME_REF {
            let variable = ast::normalize_name_node(&expression);
            let texts = assigned.get_or_insert_with(|| assignments(root)).get(&variable);
            match texts {
                Some(texts) if followed.insert(variable) => {
                    texts.iter().for_each(|text| one(text, site, found));
                }
                Some(_) => {}
                None => found.push(Found::unknown(site, walk::range(&expression))),
            }
            continue;
        }
        one(&expression, site, found);
    }
}

/// Gives what each variable is assigned, anywhere in a body.
fn assignments(root: &SyntaxNode) -> BTreeMap<String, Vec<SyntaxNode>> {
    let mut assigned: BTreeMap<String, Vec<SyntaxNode>> = BTreeMap::new();
    for node in root.descendants().filter(|node| matches!(node.kind(), PLPGSQL_ASSIGN_STMT | PLPGSQL_VAR_DECL)) {
        let target = node.descendants().find(|part| matches!(part.kind(), PLPGSQL_VAR_NAME_REF | PLPGSQL_VAR_NAME));
        let expression = node.descendants().find(|part| part.kind() == PLPGSQL_EXPR);
        if let (Some(target), Some(expression)) = (target, expression) {
            assigned.entry(walk::folded(target.text().to_string().trim())).or_default().push(inner(&expression));
        }
    }
    assigned
}

/// Unwraps PL/pgSQL's expression, which the parser reads as a target list.
fn inner(expression: &SyntaxNode) -> SyntaxNode {
    let mut node = expression.clone();
    while matches!(node.kind(), PLPGSQL_EXPR | TARGET_LIST | TARGET | PAREN_EXPR) {
        let Some(child) = node.first_child() else { break };
        node = child;
    }
    node
}

/// Walks one text that is executed.
fn one(expression: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let at = walk::range(expression);
    let mut built = Built::new(&at);
    built.push(expression);
    let place = |at: usize| (site.place)(body::source(&built.text, at));
    let inside = Site { place: &place, certainty: Certainty::Possible, nested: site.nested + 1, ..*site };
    let before = found.len();
    walk::text(built.text.text(), &inside, found);
    let is_told = found[before..].iter().any(|found| found.certainty == Certainty::Unprovable);
    if built.has_text_hole && !is_told {
        found.push(Found::unknown(site, at));
    }
}

/// A text that is put together from pieces.
pub(super) struct Built {
    text: DecodedText,
    has_text_hole: bool,
}

impl Built {
    fn new(at: &Range<usize>) -> Self {
        Self { text: DecodedText::new(position(at.start).into()), has_text_hole: false }
    }

    /// Appends what an expression gives.
    pub(super) fn push(&mut self, expression: &SyntaxNode) {
        let at = walk::range(expression);
        match expression.kind() {
            LITERAL => match ast::Literal::cast(expression.clone()).and_then(|literal| literal.decoded_value()) {
                Some(value) => self.push_decoded(&value, 0..value.text().len()),
                None => self.known(&expression.text().to_string(), at.start),
            },
            PAREN_EXPR | CAST_EXPR | ARG | TARGET | COLLATE => match expression.first_child() {
                Some(child) if child.kind() != PATH_TYPE => self.push(&child),
                _ => self.hole(Hole::Text, at.start),
            },
            BIN_EXPR if expression.children().any(|op| op.kind() == CUSTOM_OP && op.text() == "||") => {
                expression.children().filter(|side| side.kind() != CUSTOM_OP).for_each(|side| self.push(&side));
            }
            CALL_EXPR => self.push_call(expression),
            _ => self.hole(Hole::Text, at.start),
        }
    }

    fn push_call(&mut self, call: &SyntaxNode) {
        let at = walk::range(call).start;
        let function = walk::callee(call).and_then(|(parts, _)| parts.last().cloned()).unwrap_or_default();
        let arguments: Vec<SyntaxNode> = call
            .children()
            .find(|child| child.kind() == ARG_LIST)
            .map(|list| list.children().filter(|child| child.kind() == ARG).collect())
            .unwrap_or_default();
        match function.as_str() {
            "format" => format::push(self, &arguments, at),
            "quote_literal" | "quote_nullable" => self.known("NULL", at),
            "quote_ident" => self.push_name(arguments.first(), at),
            "concat" => arguments.iter().for_each(|argument| self.push(argument)),
            "concat_ws" => {
                for (i, argument) in arguments.iter().enumerate().skip(1) {
                    if i > 1 {
                        self.push(&arguments[0]);
                    }
                    self.push(argument);
                }
            }
            "btrim" | "trim" | "rtrim" | "ltrim" if !arguments.is_empty() => self.push(&arguments[0]),
            _ => self.hole(Hole::Text, at),
        }
    }

    /// Appends an argument as one quoted name.
    pub(super) fn push_name(&mut self, argument: Option<&SyntaxNode>, at: usize) {
        let literal = argument.and_then(|argument| argument.descendants().find(|part| part.kind() == LITERAL));
        let is_literal = argument.is_some_and(|argument| inner_of_argument(argument).kind() == LITERAL);
        match literal.filter(|_| is_literal).and_then(|literal| super::literal::value(&literal)) {
            Some(value) => self.known(&format!("\"{}\"", value.replace('"', "\"\"")), at),
            None => self.hole(Hole::Name, at),
        }
    }

    /// Appends a part of a string of the tree.
    pub(super) fn push_decoded(&mut self, value: &DecodedText, part: Range<usize>) {
        for (i, c) in value.text()[part.clone()].char_indices() {
            self.text.push_char(c, position(body::source(value, part.start + i)).into());
        }
    }

    /// Appends a text of our own, as if it stood at a place.
    pub(super) fn known(&mut self, text: &str, at: usize) {
        for c in text.chars() {
            self.text.push_char(c, position(at).into());
        }
    }

    /// Appends a hole.
    pub(super) fn hole(&mut self, hole: Hole, at: usize) {
        self.has_text_hole |= hole == Hole::Text;
        self.text.push_char(if hole == Hole::Text { TEXT } else { NAME }, position(at).into());
    }
}

fn inner_of_argument(argument: &SyntaxNode) -> SyntaxNode {
    let mut node = argument.clone();
    while matches!(node.kind(), ARG | PAREN_EXPR | CAST_EXPR) {
        let Some(child) = node.first_child() else { break };
        node = child;
    }
    node
}

fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
