//! What a name is used for, by the place in the tree where it stands.

use squawk_syntax::SyntaxKind::{self, *};
use squawk_syntax::SyntaxNode;

use super::reference::Use;
use crate::model::privilege::{Privilege, Privileges};

/// What a name stands for: its use, what that needs, and how many of its parts name a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) used: Use,
    pub(super) needs: Privileges,
    /// How many parts at the end name a part of the object.
    pub(super) columns: usize,
}

impl From<Use> for Usage {
    fn from(used: Use) -> Self {
        Self { used, needs: used.needs(), columns: 0 }
    }
}

/// Tells what the outermost node of a dotted name is used for; nothing if it is no object of a schema.
pub(super) fn of(path: &SyntaxNode) -> Option<Usage> {
    let holder = path.parent()?;
    let around = holder.parent().map(|node| node.kind());
    let role = match holder.kind() {
        CONFIG_PARAMETER_REF | PLPGSQL_ALIAS_TARGET | ERROR => return None,
        PATH_TYPE if around == Some(ATTRIBUTE_VALUE) => attribute(&holder).into(),
        PATH_TYPE => Use::Type.into(),
        PLPGSQL_PERCENT_ROWTYPE => Use::RowType.into(),
        PERCENT_TYPE => Usage { columns: 1, ..Use::RowType.into() },
        QUALIFIED_COLUMN_NAME_REF => Usage { columns: 1, ..Use::Define.into() },
        OP if around == Some(OPERATOR_CALL) => Use::Operator.into(),
        COLLATION_REF if matches!(around, Some(COLLATE | COLLATION_FROM)) => Use::Collation.into(),
        OP_CLASS_REF if around == Some(PARTITION_ITEM) => Use::Object.into(),
        // The parser takes an exclusion's operator class for an operator.
        OP if around == Some(CONSTRAINT_EXCLUSION) => Use::Object.into(),
        PROCEDURE_NAME_REF if around == Some(CALL) => Use::Call.into(),
        FUNCTION_NAME_REF | ROUTINE_NAME_REF if is_kept(&holder) => Use::Call.into(),
        OPTION_SEQUENCE_NAME => Use::Define.into(),
        RELATION_NAME_REF | TABLE_NAME_REF => relation(&holder),
        _ => Use::Define.into(),
    };
    Some(role)
}

/// Tells whether a function is named to be called later, by a cast, an operator class or a handler.
fn is_kept(name: &SyntaxNode) -> bool {
    name.ancestors().skip(1).take(2).any(|node| {
        matches!(
            node.kind(),
            WITH_FUNCTION | OP_CLASS_OPTION_FUNCTION | HANDLER_CLAUSE | VALIDATOR_CLAUSE | INLINE_CLAUSE
        )
    })
}

/// Tells what an option of CREATE AGGREGATE, OPERATOR, TYPE and their like names.
fn attribute(value: &SyntaxNode) -> Use {
    let option = value.ancestors().find(|node| node.kind() == ATTRIBUTE_OPTION);
    let name = option.and_then(|option| option.children().find(|child| child.kind() == ATTRIBUTE_NAME));
    let name = name.map(|name| name.text().to_string().to_lowercase()).unwrap_or_default();
    match name.as_str() {
        "leftarg" | "rightarg" | "stype" | "mstype" | "subtype" | "basetype" | "element" | "like" => Use::Type,
        "collation" => Use::Collation,
        "commutator" | "negator" | "sortop" => Use::Operator,
        "subtype_opclass" | "copy" | "parser" | "template" | "dictionary" => Use::Object,
        "multirange_type_name" => Use::Define,
        _ => Use::Call,
    }
}

/// Tells what a relation is used for.
fn relation(name: &SyntaxNode) -> Usage {
    let Some(user) = name.ancestors().skip(1).find(|node| !wraps(node.kind())) else { return Use::Define.into() };
    let has = |kind: SyntaxKind| user.descendants().any(|node| node.kind() == kind);
    // what is compared or given back is read, and asks for SELECT
    let reads = user.children().any(|child| matches!(child.kind(), WHERE_CLAUSE | RETURNING_CLAUSE));
    let reading = if reads { Privilege::Select.into() } else { Privileges::NONE };
    let writes = |used: Use| Usage { needs: used.needs().union(reading), ..used.into() };
    let used = match user.kind() {
        RELATION_FROM_ITEM | LIKE_CLAUSE | TABLE => Use::Read,
        INSERT if has(CONFLICT_DO_UPDATE_SET) => {
            let needs = Privileges::of(&[Privilege::Insert, Privilege::Update, Privilege::Select]);
            return Usage { needs, ..Use::Insert.into() };
        }
        INSERT => return writes(Use::Insert),
        UPDATE => return writes(Use::Update),
        DELETE => return writes(Use::Delete),
        TRUNCATE => Use::Truncate,
        LOCK => Use::Lock,
        MERGE => {
            let parts = [
                (MERGE_INSERT, Privilege::Insert),
                (MERGE_UPDATE, Privilege::Update),
                (MERGE_DELETE, Privilege::Delete),
            ];
            let needs: Privileges =
                parts.into_iter().filter(|(kind, _)| has(*kind)).map(|(_, privilege)| privilege).collect();
            return Usage { needs: needs.union(Privilege::Select.into()), ..Use::Merge.into() };
        }
        COPY_TABLE => {
            let into = user.parent().is_some_and(|copy| copy.children().any(|child| child.kind() == COPY_FROM));
            if into { Use::Insert } else { Use::Read }
        }
        REFERENCES_CONSTRAINT | FOREIGN_KEY_CONSTRAINT => Use::ForeignKey,
        INHERITS | PARTITION_OF | INHERIT_TABLE | NO_INHERIT_TABLE | ATTACH_PARTITION | DETACH_PARTITION => {
            Use::Inherit
        }
        _ => Use::Define,
    };
    used.into()
}

fn wraps(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        RELATION_NAME_REF
            | TABLE_NAME_REF
            | RELATION_NAME
            | TABLE_RELATION_NAME
            | TABLE_LIST
            | RELATION_LIST
            | TABLE_AND_COLUMNS
            | TABLE_AND_COLUMNS_LIST
    )
}
