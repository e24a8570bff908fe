//! Walks a tree and notes what its names refer to.

use std::collections::BTreeSet;
use std::ops::Range;

use squawk_syntax::SyntaxKind::*;
use squawk_syntax::ast;
use squawk_syntax::{SourceFile, SyntaxNode, SyntaxToken};

use super::effort;
use super::reference::{Certainty, Use};
use super::usage::{self, Usage};
use super::{body, dynamic, literal};
use crate::model::privilege::Privileges;

/// SQL in SQL in SQL is followed this far.
const DEEPEST_NESTED: usize = 6;

/// Where a tree's text comes from, and what that says about what is found in it.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    /// From a byte of the tree's text to one of the text that was asked about.
    pub(super) place: &'a dyn Fn(usize) -> usize,
    pub(super) certainty: Certainty,
    /// In how many other texts this one stands.
    pub(super) nested: usize,
    /// Whether names without a schema are wanted.
    pub(super) looked_up: bool,
}

/// A reference without its line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) used: Use,
    pub(super) needs: Privileges,
    pub(super) schema: Option<String>,
    pub(super) name: Option<String>,
    pub(super) certainty: Certainty,
}

impl Found {
    /// Notes something at a range of the site's text.
    pub(super) fn new(site: &Site<'_>, range: Range<usize>, used: Use) -> Self {
        let at = (site.place)(range.start);
        let end = if range.is_empty() { at } else { (site.place)(range.end - 1) + 1 };
        Self { at, end, used, needs: used.needs(), schema: None, name: None, certainty: site.certainty }
    }

    /// Notes that nobody knows what the text at a range does.
    pub(super) fn unknown(site: &Site<'_>, range: Range<usize>) -> Self {
        Self { certainty: Certainty::Unprovable, ..Self::new(site, range, Use::Unknown) }
    }
}

/// Parses a text and walks it, if that is bearable.
pub(super) fn text(sql: &str, site: &Site<'_>, found: &mut Vec<Found>) {
    if site.nested > DEEPEST_NESTED || effort::is_too_much(sql) {
        found.push(Found::unknown(site, 0..sql.len()));
    } else {
        tree(&SourceFile::parse(sql).syntax_node(), site, found);
    }
}

/// Walks a tree.
pub(super) fn tree(root: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let known: BTreeSet<String> =
        root.descendants().filter(|node| node.kind() == CTE_NAME).map(|node| ast::normalize_name_node(&node)).collect();
    for node in root.descendants() {
        match node.kind() {
            PATH | PATH_REF if !is_path(node.parent().as_ref()) => path(&node, &known, site, found),
            CALL_EXPR => call(&node, site, found),
            LITERAL => literal::names(&node, site, found),
            SCHEMA_REF | SCHEMA => schema(&node, Use::Schema, &ast::normalize_name_node(&node), site, found),
            SET_CONFIG | SET_CONFIG_PARAM | SET_SCHEMA_VALUE => search_path(&node, site, found),
            ROLE_NAME_REF => role(&node, site, found),
            AUTHORIZATION_SCHEMA => authorization(&node, site, found),
            ADD_FOREIGN_OPTION | SET_FOREIGN_OPTION => literal::foreign_option(&node, site, found),
            CREATE_FUNCTION | CREATE_PROCEDURE | DO => body::routine(&node, site, found),
            ERROR if root.kind() == PLPGSQL => body::repaired(&node, site, found),
            _ => {}
        }
    }
    if root.kind() == PLPGSQL {
        dynamic::executed(root, site, found);
    } else {
        broken(root, site, found);
    }
}

/// Gives a node's bytes without the blanks around it.
pub(super) fn range(node: &SyntaxNode) -> Range<usize> {
    let range = node.text_range();
    usize::from(range.start())..usize::from(range.end())
}

pub(super) fn is_path(node: Option<&SyntaxNode>) -> bool {
    node.is_some_and(|node| matches!(node.kind(), PATH | PATH_REF))
}

fn path(node: &SyntaxNode, known: &BTreeSet<String>, site: &Site<'_>, found: &mut Vec<Found>) {
    let Some(usage) = usage::of(node) else { return };
    let mut parts = parts(node);
    if let (Some(operator), Some(last)) = (node.parent().filter(|parent| parent.kind() == OP), parts.last_mut())
        && last.is_empty()
    {
        // The tree keeps the operator's signs beside the path.
        let text = operator.text().to_string();
        *last = text.rsplit('.').next().unwrap_or_default().trim().to_owned();
    }
    if let [one] = parts.as_slice()
        && known.contains(one)
    {
        return;
    }
    name(usage, parts, range(node), site, found);
}

/// Gives the parts of a dotted name, as the server reads them.
pub(super) fn parts(path: &SyntaxNode) -> Vec<String> {
    let segments = path.descendants().filter(|part| matches!(part.kind(), PATH_SEGMENT | PATH_SEGMENT_REF));
    segments.map(|part| ast::normalize_name_node(&part)).collect()
}

/// Notes a name of one or more parts.
pub(super) fn name(usage: Usage, mut parts: Vec<String>, at: Range<usize>, site: &Site<'_>, found: &mut Vec<Found>) {
    let Usage { used, needs, columns } = usage;
    parts.truncate(parts.len().saturating_sub(columns));
    let Some(name) = parts.pop() else { return };
    let schema = parts.pop();
    let noted = Found { needs, ..Found::new(site, at.clone(), used) };
    match (schema, dynamic::hole(&name)) {
        (Some(schema), _) if dynamic::hole(&schema).is_some() => found.push(Found::unknown(site, at)),
        (None, Some(dynamic::Hole::Text)) => found.push(Found::unknown(site, at)),
        (schema @ Some(_), Some(_)) => found.push(Found { schema, ..noted }),
        (schema @ Some(_), None) => found.push(Found { schema, name: Some(name), ..noted }),
        (None, None) if site.looked_up && used.is_looked_up() => found.push(Found { name: Some(name), ..noted }),
        (None, _) => {}
    }
}

fn call(node: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let Some((parts, at)) = callee(node) else { return };
    if parts.last().is_some_and(|last| last == "set_config") {
        literal::set_config(node, site, found);
    }
    name(Use::Call.into(), parts, at, site, found);
}

/// Gives the parts of a call's function and where they stand.
pub(super) fn callee(call: &SyntaxNode) -> Option<(Vec<String>, Range<usize>)> {
    let function = call.first_child()?;
    let mut parts = Vec::new();
    let mut node = function.clone();
    while node.kind() == FIELD_EXPR {
        let mut children = node.children();
        let (inner, last) = (children.next()?, children.next()?);
        parts.push(ast::normalize_name_node(&last));
        node = inner;
    }
    if node.kind() != NAME_REF {
        return None;
    }
    parts.push(ast::normalize_name_node(&node));
    parts.reverse();
    Some((parts, range(&function)))
}

/// Notes a schema that is named for itself.
pub(super) fn schema(node: &SyntaxNode, used: Use, name: &str, site: &Site<'_>, found: &mut Vec<Found>) {
    if name.is_empty() {
        return;
    }
    match dynamic::hole(name) {
        Some(_) => found.push(Found::unknown(site, range(node))),
        None => found.push(Found { schema: Some(name.to_owned()), ..Found::new(site, range(node), used) }),
    }
}

fn search_path(node: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let is_search_path = |parameter: SyntaxNode| parameter.text().to_string().eq_ignore_ascii_case("search_path");
    let parameter = node.children().find(|child| child.kind() == CONFIG_PARAMETER_REF);
    if node.kind() != SET_SCHEMA_VALUE && !parameter.is_some_and(is_search_path) {
        return;
    }
    for value in node.descendants() {
        match value.kind() {
            CONFIG_VALUE_NAME => schema(&value, Use::SearchPath, &ast::normalize_name_node(&value), site, found),
            LITERAL => schema(&value, Use::SearchPath, &literal::value(&value).unwrap_or_default(), site, found),
            _ => {}
        }
    }
}

/// Notes a role that is granted something or given ownership, or that is named for anything but to take from it.
fn role(node: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let name = ast::normalize_name_node(node);
    let mut around = node.ancestors().skip(1).take(4);
    // The parser takes privileges for roles.
    let Some(given) = around.find(|ancestor| !matches!(ancestor.kind(), ROLE_REF | ROLE_REF_LIST)) else { return };
    let used = match given.kind() {
        GRANT | GRANT_DEFAULT_PRIVILEGES | OWNER_TO | POLICY_ROLES | USER_MAPPING_ROLE | NAMED_SCHEMA => Use::Role,
        _ if node.ancestors().any(|ancestor| matches!(ancestor.kind(), REVOKE | REVOKE_DEFAULT_PRIVILEGES)) => return,
        _ => Use::RoleName,
    };
    if dynamic::hole(&name).is_none() {
        found.push(Found { name: Some(name), ..Found::new(site, range(node), used) });
    }
}

/// Notes the role that `CREATE SCHEMA AUTHORIZATION` names the schema after, and gives it to.
fn authorization(node: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    for role in node.descendants().filter(|part| part.kind() == ROLE) {
        let name = folded(role.text().to_string().trim());
        if dynamic::hole(&name).is_none() {
            found.push(Found { name: Some(name), ..Found::new(site, range(&role), Use::Role) });
        }
    }
}

/// Looks for dotted names where the parser lost its way.
fn broken(root: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let is_lost = |token: &SyntaxToken| token.parent().is_some_and(|node| node.kind() == ERROR);
    if !root.descendants().any(|node| node.kind() == ERROR) {
        return;
    }
    let tokens: Vec<SyntaxToken> = super::script::significant(root).collect();
    let kind = |i: usize| tokens.get(i).map(SyntaxToken::kind);
    for i in 0..tokens.len() {
        let is_first = i == 0 || kind(i - 1) != Some(DOT);
        if !is_first || kind(i + 1) != Some(DOT) || !(is_lost(&tokens[i]) || is_lost(&tokens[i + 1])) {
            continue;
        }
        let Some(last) = tokens.get(i + 2) else { continue };
        let used = match (i.checked_sub(1).and_then(kind), kind(i + 3)) {
            (Some(FROM_KW | JOIN_KW | ONLY_KW), _) => Use::Read,
            (Some(INTO_KW), _) => Use::Insert,
            (Some(UPDATE_KW), _) => Use::Update,
            (Some(REFERENCES_KW), _) => Use::ForeignKey,
            (_, Some(L_PAREN)) => Use::Call,
            _ => continue,
        };
        let site = Site { certainty: Certainty::Possible, ..*site };
        let at = usize::from(tokens[i].text_range().start())..usize::from(last.text_range().end());
        name(used.into(), vec![folded(tokens[i].text()), folded(last.text())], at, &site, found);
    }
}

/// Reads an identifier as the server does.
pub(super) fn folded(token: &str) -> String {
    match token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => token.to_lowercase(),
    }
}
