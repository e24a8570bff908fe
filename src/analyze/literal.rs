//! String literals that the server reads as names or as SQL.

use squawk_syntax::SyntaxKind::*;
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode as _};

use super::reference::{Certainty, Use};
use super::usage::Usage;
use super::walk::{self, Found, Site};
use super::{body, dynamic};

/// Gives a string literal's value.
pub(super) fn value(literal: &SyntaxNode) -> Option<String> {
    Some(ast::Literal::cast(literal.clone())?.decoded_value()?.into_text())
}

/// Notes what a literal names: as a `regclass` and the like, or as the argument of a function that looks a name up.
pub(super) fn names(node: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let Some(reading) = reading(node) else { return };
    match reading {
        Reading::Sql => {
            let Some(text) = ast::Literal::cast(node.clone()).and_then(|literal| literal.decoded_value()) else {
                return;
            };
            let place = |at: usize| (site.place)(body::source(&text, at));
            let site = Site { place: &place, certainty: Certainty::Possible, nested: site.nested + 1, ..*site };
            walk::text(text.text(), &site, found);
        }
        Reading::Name(used) => {
            let Some(text) = value(node) else { return };
            let usage = Usage::from(used);
            match (used, parts(&text)) {
                (_, parts) if parts.is_empty() => {}
                (Use::Schema, mut parts) => {
                    walk::schema(node, Use::Schema, &parts.pop().unwrap_or_default(), site, found);
                }
                (_, parts) => walk::name(usage, parts, walk::range(node), site, found),
            }
        }
    }
}

/// How the server reads a literal.
enum Reading {
    Name(Use),
    Sql,
}

/// Finds how a literal is read, from the casts and the call around it; nothing when it is data.
fn reading(literal: &SyntaxNode) -> Option<Reading> {
    let mut used = None;
    let mut node = literal.clone();
    loop {
        let parent = node.parent()?;
        match parent.kind() {
            PAREN_EXPR => {}
            CAST_EXPR => used = cast(&parent).or(used),
            ARG => {
                let call = parent.ancestors().find(|ancestor| ancestor.kind() == CALL_EXPR)?;
                let list = parent.parent()?;
                let arguments: Vec<SyntaxNode> = list.children().filter(|part| part.kind() == ARG).collect();
                let index = arguments.iter().position(|argument| *argument == parent)?;
                let (parts, _) = walk::callee(&call)?;
                let function = parts.last()?;
                return match argument(function, index, arguments.len()) {
                    Some(Reading::Name(Use::Object)) if used.is_some() => used.map(Reading::Name),
                    Some(reading) => Some(reading),
                    None => used.map(Reading::Name),
                };
            }
            _ => return used.map(Reading::Name),
        }
        node = parent;
    }
}

/// Tells what a cast to one of the `reg…` types names.
fn cast(cast: &SyntaxNode) -> Option<Use> {
    let name = cast.children().find(|child| child.kind() == PATH_TYPE)?;
    let name = name.text().to_string().to_lowercase();
    let used = match name.rsplit('.').next()?.trim() {
        "regclass" | "regconfig" | "regdictionary" => Use::Object,
        "regproc" | "regprocedure" => Use::Call,
        "regtype" => Use::Type,
        "regnamespace" => Use::Schema,
        "regoper" | "regoperator" => Use::Operator,
        "regcollation" => Use::Collation,
        _ => return None,
    };
    Some(used)
}

/// Tells how a function reads a literal argument.
fn argument(function: &str, index: usize, count: usize) -> Option<Reading> {
    let first = index == 0;
    // the role may be left out before these
    let from_end = count - index;
    let reading = match function {
        "has_table_privilege" | "has_any_column_privilege" | "has_sequence_privilege" if from_end == 2 => {
            Reading::Name(Use::Object)
        }
        "has_column_privilege" if from_end == 3 => Reading::Name(Use::Object),
        "has_function_privilege" if from_end == 2 => Reading::Name(Use::Call),
        "has_type_privilege" if from_end == 2 => Reading::Name(Use::Type),
        "has_schema_privilege" if from_end == 2 => Reading::Name(Use::Schema),
        "schema_to_xml" | "schema_to_xmlschema" | "schema_to_xml_and_xmlschema" if first => Reading::Name(Use::Schema),
        "nextval" | "currval" | "setval" | "pg_sequence_last_value" | "pg_get_sequence_data" if first => {
            Reading::Name(Use::Sequence)
        }
        "to_regclass"
        | "pg_get_serial_sequence"
        | "pg_relation_size"
        | "pg_table_size"
        | "pg_indexes_size"
        | "pg_total_relation_size"
        | "table_to_xml"
        | "table_to_xmlschema"
        | "table_to_xml_and_xmlschema"
        | "create_hypertable"
            if first =>
        {
            Reading::Name(Use::Object)
        }
        "to_regproc" | "to_regprocedure" if first => Reading::Name(Use::Call),
        "to_regtype" if first => Reading::Name(Use::Type),
        "to_regnamespace" if first => Reading::Name(Use::Schema),
        "to_regoper" | "to_regoperator" if first => Reading::Name(Use::Operator),
        "to_regcollation" if first => Reading::Name(Use::Collation),
        // With one argument less these read it as the text to search.
        "to_tsvector" | "to_tsquery" | "plainto_tsquery" | "phraseto_tsquery" | "websearch_to_tsquery" | "ts_debug"
            if first && count == 2 =>
        {
            Reading::Name(Use::Object)
        }
        "json_to_tsvector" | "jsonb_to_tsvector" if first && count == 3 => Reading::Name(Use::Object),
        "ts_headline" if first && count == 4 => Reading::Name(Use::Object),
        "ts_lexize" if first => Reading::Name(Use::Object),
        "query_to_xml" | "query_to_xmlschema" | "query_to_xml_and_xmlschema" | "ts_stat" if first => Reading::Sql,
        "crosstab" | "crosstab2" | "crosstab3" | "crosstab4" | "schedule" | "schedule_in_database" => Reading::Sql,
        "dblink" | "dblink_exec" | "dblink_open" | "dblink_send_query" if !first || count == 1 => Reading::Sql,
        _ => return None,
    };
    Some(reading)
}

/// Notes the schemas of a `set_config('search_path', …)`.
pub(super) fn set_config(call: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let Some(list) = call.children().find(|child| child.kind() == ARG_LIST) else { return };
    let literals: Vec<Option<SyntaxNode>> =
        list.children().map(|arg| arg.first_child().filter(|child| child.kind() == LITERAL)).collect();
    let Some(Some(setting)) = literals.first() else { return };
    if !value(setting).is_some_and(|setting| setting.eq_ignore_ascii_case("search_path")) {
        return;
    }
    match literals.get(1) {
        Some(Some(path)) => {
            for schema in value(path).unwrap_or_default().split(',') {
                let name = parts(schema).pop().unwrap_or_default();
                if dynamic::hole(&name).is_none() {
                    walk::schema(path, Use::SearchPath, &name, site, found);
                }
            }
        }
        _ => found.push(Found::unknown(site, walk::range(call))),
    }
}

/// Notes the schema that a foreign table's options name; whether its server is this one, nobody knows from the text.
pub(super) fn foreign_option(option: &SyntaxNode, site: &Site<'_>, found: &mut Vec<Found>) {
    let is_table = |node: SyntaxNode| matches!(node.kind(), CREATE_FOREIGN_TABLE | ALTER_FOREIGN_TABLE);
    let literal = option.children().find(|child| child.kind() == LITERAL);
    let named = option.children().find(|child| child.kind() != LITERAL);
    let named = named.is_some_and(|name| walk::folded(name.text().to_string().trim()) == "schema_name");
    let (Some(literal), true, true) = (literal, named, option.ancestors().any(is_table)) else { return };
    let site = Site { certainty: Certainty::Possible, ..*site };
    walk::schema(&literal, Use::Schema, &value(&literal).unwrap_or_default(), &site, found);
}

/// Splits a name as the server does when it reads one from text; what follows it (arguments, modifiers) is left out.
#[must_use]
pub fn parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let end = match rest.strip_prefix('"') {
            Some(inner) => {
                let mut bytes = inner.bytes().enumerate();
                let mut end = None;
                while let Some((i, byte)) = bytes.next() {
                    if byte == b'"' && inner.as_bytes().get(i + 1) == Some(&b'"') {
                        bytes.next();
                    } else if byte == b'"' {
                        end = Some(i + 2);
                        break;
                    }
                }
                let Some(end) = end else { return Vec::new() };
                end
            }
            None => rest.find(['.', '(', '[', ' ', '"']).unwrap_or(rest.len()),
        };
        if end == 0 {
            return Vec::new();
        }
        parts.push(walk::folded(&rest[..end]));
        match rest[end..].trim_start().strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None => return parts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_text_are_split_as_the_server_splits_them() {
        for (text, expected) in [
            ("billing.seq", vec!["billing", "seq"]),
            (" Billing . \"S.e\"\"q\" ", vec!["billing", "S.e\"q"]),
            ("billing.f(int, a.b)", vec!["billing", "f"]),
            ("billing.t[]", vec!["billing", "t"]),
            ("seq", vec!["seq"]),
            ("", vec![]),
            (".a", vec![]),
            ("\"open", vec![]),
            ("a.", vec![]),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }
}
