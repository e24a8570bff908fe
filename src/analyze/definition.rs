//! Which views and routines a script defines or drops.

use std::ops::Range;

use squawk_syntax::SyntaxKind::*;
use squawk_syntax::{SourceFile, SyntaxNode};

use super::reference::Use;
use super::{effort, usage, walk};

/// One view or routine in one statement that defines or drops it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// The schema, if it is written.
    pub(super) schema: Option<String>,
    pub(super) name: String,
    /// The statement's bytes.
    pub(super) statement: Range<usize>,
    pub(super) dropped: bool,
}

/// Gives them in their order; none of a text that is too much to be parsed.
pub(super) fn definitions(sql: &str) -> Vec<Definition> {
    if effort::is_too_much(sql) {
        return Vec::new();
    }
    SourceFile::parse(sql).syntax_node().children().flat_map(|statement| of(&statement)).collect()
}

fn of(statement: &SyntaxNode) -> Vec<Definition> {
    let (dropped, most) = match statement.kind() {
        CREATE_VIEW | CREATE_MATERIALIZED_VIEW | CREATE_FUNCTION | CREATE_PROCEDURE => (false, 1),
        DROP_VIEW | DROP_MATERIALIZED_VIEW | DROP_FUNCTION | DROP_PROCEDURE | DROP_ROUTINE => (true, usize::MAX),
        _ => return Vec::new(),
    };
    let paths = statement.descendants().filter(|node| matches!(node.kind(), PATH | PATH_REF));
    let paths = paths.filter(|node| !walk::is_path(node.parent().as_ref()));
    let named = paths.filter(|node| usage::of(node).is_some_and(|usage| usage.used == Use::Define));
    let definition = |node: SyntaxNode| {
        let mut parts = walk::parts(&node);
        let name = parts.pop()?;
        Some(Definition { schema: parts.pop(), name, statement: walk::range(statement), dropped })
    };
    named.take(most).filter_map(definition).collect()
}
