//! What follows the rows, in the order in which a load wants it.

use std::collections::BTreeSet;

use super::statement;
use super::table::TableName;
use crate::ident::Ident;

/// What follows the rows, sorted by when it can run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostData {
    /// Indexes of tables, each as soon as its table is full.
    pub indexes: Vec<Index>,
    /// What waits for all indexes, in the dump's order.
    pub middle: Vec<String>,
    /// Foreign keys, after all of that.
    pub foreign_keys: Vec<ForeignKey>,
    /// What turns row-level security on and who may use which relation, once the foreign keys are checked: the check runs
    /// as the owner, from which a forced policy hides rows, and which may have revoked its own privileges.
    pub access: Vec<String>,
}

/// An index, or a constraint that makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its table.
    pub table: TableName,
    /// The statement.
    pub sql: String,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its table.
    pub table: TableName,
    /// The statement that adds it, without looking at the rows where `validate` follows; then what names it, such as its
    /// comment.
    pub sql: String,
    /// The statement that looks at the rows, which lets other tables' go on at the same time.
    pub validate: Option<String>,
}

impl PostData {
    /// Sorts a dump's post-data; `tables` are those that hold rows of their own.
    ///
    /// Indexes of other relations (materialized views) keep their place in the dump's order.
    #[must_use]
    pub fn sort(dump: &str, tables: &BTreeSet<TableName>) -> Self {
        let mut sorted = Self::default();
        let (mut promoted, mut named) = (Vec::new(), Vec::new());
        let statements = statement::split(dump);
        let mut rest = statements.as_slice();
        while let [text, others @ ..] = rest {
            if let Some(access) = statement::access(rest) {
                sorted.access.push(access.join(";\n"));
                rest = &rest[access.len()..];
                continue;
            }
            rest = others;
            let text = *text;
            if text.starts_with("SET ") || text.starts_with("SELECT pg_catalog.set_config(") {
                continue;
            }
            let owned = text.to_owned();
            match read(text) {
                Some(Read::Index(table)) if tables.contains(&table) => {
                    sorted.indexes.push(Index { table, sql: owned });
                }
                Some(Read::Unique { table, constraint, word, columns }) if tables.contains(&table) => {
                    let (name, index) = (table.sql(), constraint.quoted());
                    let sql = format!("CREATE UNIQUE INDEX {index} ON {} USING btree {columns}", name.as_str());
                    sorted.indexes.push(Index { table, sql });
                    let name = name.as_str();
                    promoted.push(format!("ALTER TABLE ONLY {name} ADD CONSTRAINT {index} {word} USING INDEX {index}"));
                }
                Some(Read::Foreign { table, constraint, references }) => {
                    // Partitioned tables know no NOT VALID, or leave it on their partitions' keys.
                    let both = tables.contains(&table) && references.is_some_and(|other| tables.contains(&other));
                    let plain = both && !text.ends_with(" NOT VALID") && !text.ends_with(" NOT ENFORCED");
                    let (name, constraint_name) = (table.sql(), constraint);
                    let constraint = constraint_name.quoted();
                    let validate =
                        plain.then(|| format!("ALTER TABLE {} VALIDATE CONSTRAINT {constraint}", name.as_str()));
                    let sql = if plain { owned + " NOT VALID" } else { owned.clone() };
                    sorted.foreign_keys.push(ForeignKey { table: table.clone(), sql, validate });
                    named.push((table, constraint_name));
                }
                Some(Read::Access) => sorted.access.push(owned),
                Some(Read::OfConstraint { table, constraint }) => {
                    let of = |(t, c): &(TableName, Ident)| *t == table && *c == constraint;
                    match named.iter().position(of) {
                        Some(key) => sorted.foreign_keys[key].sql += &format!(";\n{owned}"),
                        None => sorted.middle.push(owned),
                    }
                }
                _ => sorted.middle.push(owned),
            }
        }
        promoted.append(&mut sorted.middle);
        sorted.middle = promoted;
        sorted
    }
}

enum Read<'a> {
    Index(TableName),
    /// A plain primary or unique key: its index can be built beside others of the table, and be named afterwards.
    Unique {
        table: TableName,
        constraint: Ident,
        word: &'static str,
        columns: &'a str,
    },
    Foreign {
        table: TableName,
        constraint: Ident,
        references: Option<TableName>,
    },
    /// Something of a constraint that is there by then: its comment, or a change of it.
    OfConstraint {
        table: TableName,
        constraint: Ident,
    },
    Access,
}

fn read(text: &str) -> Option<Read<'_>> {
    let index = text.strip_prefix("CREATE INDEX ").or_else(|| text.strip_prefix("CREATE UNIQUE INDEX "));
    if let Some(rest) = index {
        let (_, rest) = statement::name(rest)?;
        let rest = rest.strip_prefix(" ON ")?;
        let (table, _) = statement::table(rest.strip_prefix("ONLY ").unwrap_or(rest))?;
        return Some(Read::Index(table));
    }
    if let Some(rest) = text.strip_prefix("COMMENT ON CONSTRAINT ") {
        let (constraint, rest) = statement::name(rest)?;
        let (table, _) = statement::table(rest.strip_prefix(" ON ")?)?;
        return Some(Read::OfConstraint { table, constraint });
    }
    let rest = text.strip_prefix("ALTER TABLE ")?;
    let (table, rest) = statement::table(rest.strip_prefix("ONLY ").unwrap_or(rest))?;
    let rest = rest.trim_start();
    if rest == "ENABLE ROW LEVEL SECURITY" {
        return Some(Read::Access);
    }
    for change in ["ALTER CONSTRAINT ", "VALIDATE CONSTRAINT "] {
        let Some((constraint, _)) = rest.strip_prefix(change).and_then(statement::name) else { continue };
        return Some(Read::OfConstraint { table, constraint });
    }
    let (constraint, rest) = statement::name(rest.strip_prefix("ADD CONSTRAINT ")?)?;
    let rest = rest.trim_start();
    if rest.starts_with("FOREIGN KEY ") {
        let references = rest.split_once(" REFERENCES ").and_then(|(_, other)| statement::table(other));
        return Some(Read::Foreign { table, constraint, references: references.map(|(other, _)| other) });
    }
    for word in ["PRIMARY KEY", "UNIQUE"] {
        let Some(columns) = rest.strip_prefix(word).map(str::trim_start) else { continue };
        let simple = is_list_of_names(columns);
        return Some(if simple { Read::Unique { table, constraint, word, columns } } else { Read::Index(table) });
    }
    rest.starts_with("EXCLUDE ").then_some(Read::Index(table))
}

/// Tells whether a text is nothing but names in parentheses: no `WITHOUT OVERLAPS`, no `INCLUDE`, no `DEFERRABLE`.
fn is_list_of_names(text: &str) -> bool {
    let Some(mut rest) = text.strip_prefix('(') else { return false };
    while let Some((_, after)) = statement::name(rest) {
        if after == ")" {
            return true;
        }
        rest = after.strip_prefix(", ").unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_keys_are_built_as_indexes_first() {
        for plain in [r#"("a")"#, r#"("a", "b) ""c")"#] {
            assert!(is_list_of_names(plain), "{plain}");
        }
        for other in [r#"("a", "b" WITHOUT OVERLAPS)"#, r#"("a") INCLUDE ("b")"#, r#"("a") DEFERRABLE"#, "", "()"] {
            assert!(!is_list_of_names(other), "{other}");
        }
        let dump = |end| {
            format!(
                "ALTER TABLE ONLY \"s\".\"a\"\n ADD CONSTRAINT \"f\" FOREIGN KEY (\"b\") REFERENCES \"s\".\"b\"(\"id\"){end};"
            )
        };
        for (end, validated) in [("", true), (" NOT VALID", false), (" DEFERRABLE NOT ENFORCED", false)] {
            let key = PostData::sort(&dump(end), &tables(&["a", "b"])).foreign_keys.remove(0);
            assert_eq!(key.validate.is_some(), validated, "{key:?}");
        }
    }

    fn tables(names: &[&str]) -> BTreeSet<TableName> {
        let ident = |text| Ident::new(text).expect("a name");
        names.iter().map(|name| TableName { schema: ident("s"), name: ident(name) }).collect()
    }

    #[test]
    fn foreign_keys_come_last_and_are_validated_apart() {
        let dump = "SET default_tablespace = '';\n\
            ALTER TABLE ONLY \"s\".\"a\"\n    ADD CONSTRAINT \"fk\" FOREIGN KEY (\"b\") REFERENCES \"s\".\"b\"(\"id\");\n\
            ALTER TABLE ONLY \"s\".\"b\"\n    ADD CONSTRAINT \"pk\" PRIMARY KEY (\"id\");\n\
            ALTER TABLE ONLY \"s\".\"b\"\n    ADD CONSTRAINT \"u\" UNIQUE (\"id\") DEFERRABLE;\n\
            CREATE INDEX \"i\" ON ONLY \"s\".\"p\" USING btree (\"x\");\n\
            CREATE INDEX \"i\" ON \"s\".\"a\" USING btree (\"x\");\n";
        let sorted = PostData::sort(dump, &tables(&["a", "b"]));
        let partitioned = PostData::sort(dump, &tables(&["a"]));
        assert_eq!(partitioned.foreign_keys[0].validate, None);
        let indexes: Vec<_> = sorted.indexes.iter().map(|i| (i.table.name.as_str(), i.sql.as_str())).collect();
        assert_eq!(
            indexes,
            [
                ("b", r#"CREATE UNIQUE INDEX "pk" ON "s"."b" USING btree ("id")"#),
                ("b", "ALTER TABLE ONLY \"s\".\"b\"\n    ADD CONSTRAINT \"u\" UNIQUE (\"id\") DEFERRABLE"),
                ("a", r#"CREATE INDEX "i" ON "s"."a" USING btree ("x")"#),
            ]
        );
        assert_eq!(
            sorted.middle,
            [
                r#"ALTER TABLE ONLY "s"."b" ADD CONSTRAINT "pk" PRIMARY KEY USING INDEX "pk""#,
                r#"CREATE INDEX "i" ON ONLY "s"."p" USING btree ("x")"#
            ]
        );
        assert!(sorted.foreign_keys[0].sql.ends_with(" NOT VALID"));
        let validate = r#"ALTER TABLE "s"."a" VALIDATE CONSTRAINT "fk""#;
        assert_eq!(sorted.foreign_keys[0].validate.as_deref(), Some(validate));
    }

    #[test]
    fn what_names_a_foreign_key_travels_with_it_and_what_names_another_constraint_does_not() {
        let dump = "ALTER TABLE ONLY \"s\".\"a\"\n    ADD CONSTRAINT \"fk\" FOREIGN KEY (\"b\") REFERENCES \"s\".\"b\"(\"id\");\n\
            COMMENT ON CONSTRAINT \"fk\" ON \"s\".\"a\" IS 'of; it';\n\
            COMMENT ON CONSTRAINT \"fk\" ON \"s\".\"b\" IS 'of another';\n\
            COMMENT ON CONSTRAINT \"fk\" ON DOMAIN \"s\".\"a\" IS 'of a domain';\n\
            ALTER TABLE \"s\".\"a\" ENABLE ROW LEVEL SECURITY;\n";
        let sorted = PostData::sort(dump, &tables(&["a", "b"]));
        let key = &sorted.foreign_keys[0].sql;
        assert!(key.ends_with(" NOT VALID;\nCOMMENT ON CONSTRAINT \"fk\" ON \"s\".\"a\" IS 'of; it'"), "{key}");
        assert_eq!(sorted.middle.len(), 2, "{:?}", sorted.middle);
        assert_eq!(sorted.access, [r#"ALTER TABLE "s"."a" ENABLE ROW LEVEL SECURITY"#]);
    }
}
