//! The definitions of a schema, in the order in which a load wants them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::control::Control;
use super::error::Error;
use super::pg_dump::{PgDump, Section};
use super::statement;
use super::table::TableName;
use crate::ident::Ident;
use crate::pg::connect::Target;

/// Takes from a dump what only psql or only another server understands, and lets the schema be there already.
///
/// Current minors of pg_dump write `\restrict`, which an older psql refuses; pg_dump 17 and newer set a parameter that
/// older servers do not know; current servers keep a mark of their own among a column's options, which an older pg_dump
/// takes for one of the user's. Materialized views are filled at the very end, when all else is there, and only then.
#[must_use]
pub fn cleaned(dump: &str, schema: &Ident) -> String {
    let body = dump.find("\nSET ").map_or(0, |i| i + 1);
    let (head, body) = dump.split_at(body);
    let key = head.lines().find_map(|line| line.strip_prefix("\\restrict "));
    let mut text: String = head.lines().filter(|line| !line.starts_with('\\')).flat_map(|line| [line, "\n"]).collect();
    let body = body.replacen("SET transaction_timeout = 0;\n", "", 1);
    let last = key.map(|key| format!("\n\\unrestrict {key}\n"));
    let end = last.and_then(|last| body.rfind(&last)).unwrap_or(body.len());
    let create = format!("\nCREATE SCHEMA {};\n", schema.quoted());
    let body = body[..end].replacen(&create, &create.replace("SCHEMA ", "SCHEMA IF NOT EXISTS "), 1);
    text += &without(&body);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Takes a server's own marks from the statements that would set them, and statements that fill a materialized view;
/// names may hold line feeds.
fn without(body: &str) -> Cow<'_, str> {
    if !body.contains(MARK) && !body.contains(FILL) {
        return Cow::Borrowed(body);
    }
    let (mut text, mut done) = (String::new(), 0);
    for statement in statement::split(body) {
        let kept = if statement.starts_with(FILL) { Some(String::new()) } else { unmarked(statement) };
        let Some(kept) = kept else { continue };
        let at = statement.as_ptr().addr() - body.as_ptr().addr();
        text += &body[done..at];
        text += &kept;
        done = at + statement.len();
        if kept.is_empty() {
            done += body[done..].bytes().take_while(|b| matches!(b, b';' | b'\n')).count();
        }
    }
    Cow::Owned(text + &body[done..])
}

/// A server's own mark among a column's options.
const MARK: &str = "pg_attver=";

/// How pg_dump fills a materialized view.
const FILL: &str = "REFRESH MATERIALIZED VIEW ";

/// Gives a column's options without the server's own mark, empty if no other is left; nothing for other statements.
fn unmarked(statement: &str) -> Option<String> {
    let inner = statement.strip_prefix("ALTER TABLE ONLY \"")?.strip_suffix(')')?;
    let (head, options) = inner.rsplit_once(" SET (").filter(|(_, options)| options.contains(MARK))?;
    let others: Vec<_> = options.split(',').map(str::trim).filter(|o| !o.starts_with(MARK)).collect();
    let kept = format!("ALTER TABLE ONLY \"{head} SET ({})", others.join(", "));
    Some(if others.is_empty() { String::new() } else { kept })
}

/// The definitions of a schema, as pg_dump wrote them and [`cleaned`] left them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Definitions {
    /// What must be there before rows come.
    pub pre_data: String,
    /// Indexes, constraints, triggers, rules.
    pub post_data: String,
}

/// Has pg_dump write the definitions as a snapshot sees them.
///
/// # Errors
/// pg_dump could not be started, or ended badly.
pub async fn dump(
    program: &PgDump,
    source: &Target,
    schema: &Ident,
    snapshot: &str,
    control: &Control,
) -> Result<Definitions, Error> {
    // At once, so that both have their locks before anybody waits to alter a table.
    let (pre_data, post_data) = tokio::try_join!(
        program.run(source, schema, Section::PreData, Some(snapshot), control),
        program.run(source, schema, Section::PostData, Some(snapshot), control),
    )?;
    Ok(Definitions { pre_data: cleaned(&pre_data, schema), post_data: cleaned(&post_data, schema) })
}

/// What follows the rows, sorted by when it can run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostData {
    /// Indexes of tables, each as soon as its table is full.
    pub indexes: Vec<Index>,
    /// What waits for all indexes, in the dump's order.
    pub middle: Vec<String>,
    /// Foreign keys, last.
    pub foreign_keys: Vec<ForeignKey>,
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
    /// The statement that adds it; where `validate` follows, without looking at the rows.
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
        let mut promoted = Vec::new();
        for text in statement::split(dump) {
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
                    let (name, constraint) = (table.sql(), constraint.quoted());
                    let validate =
                        plain.then(|| format!("ALTER TABLE {} VALIDATE CONSTRAINT {constraint}", name.as_str()));
                    let sql = if plain { owned + " NOT VALID" } else { owned };
                    sorted.foreign_keys.push(ForeignKey { table, sql, validate });
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
}

fn read(text: &str) -> Option<Read<'_>> {
    let index = text.strip_prefix("CREATE INDEX ").or_else(|| text.strip_prefix("CREATE UNIQUE INDEX "));
    if let Some(rest) = index {
        let (_, rest) = statement::name(rest)?;
        let rest = rest.strip_prefix(" ON ")?;
        let (table, _) = statement::table(rest.strip_prefix("ONLY ").unwrap_or(rest))?;
        return Some(Read::Index(table));
    }
    let rest = text.strip_prefix("ALTER TABLE ")?;
    let (table, rest) = statement::table(rest.strip_prefix("ONLY ").unwrap_or(rest))?;
    let (constraint, rest) = statement::name(rest.trim_start().strip_prefix("ADD CONSTRAINT ")?)?;
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
    fn a_server_s_own_mark_is_no_option_of_a_column() {
        let line = |options: &str| format!("ALTER TABLE ONLY \"s\".\"t\" ALTER COLUMN \"a\nb\" SET ({options});\n\n");
        let dump = |options: &str| format!("{}-- next\n", line(options));
        assert_eq!(without(&dump("pg_attver=22161408")), "-- next\n");
        let marked = dump("n_distinct=-0.5, pg_attver=7, n_distinct_inherited=2");
        assert_eq!(without(&marked), dump("n_distinct=-0.5, n_distinct_inherited=2"));
        for other in [dump("n_distinct=7"), "select ' SET (pg_attver=7)';\n".to_owned()] {
            assert_eq!(without(&other), other);
        }
    }

    #[test]
    fn materialized_views_are_not_filled_by_the_definitions() {
        let before = "CREATE INDEX \"i\" ON \"s\".\"m\" USING btree (\"a\");\n\n\n";
        let fills =
            format!("{before}REFRESH MATERIALIZED VIEW \"s\".\"m\";\n\n\nselect 'REFRESH MATERIALIZED VIEW x';\n");
        assert_eq!(without(&fills), format!("{before}select 'REFRESH MATERIALIZED VIEW x';\n"));
    }

    #[test]
    fn psql_commands_go_and_look_alikes_in_bodies_stay() {
        let dump = "--\n-- dump\n--\n\n\\restrict abc\n\n-- Dumped\n\nSET statement_timeout = 0;\nSET transaction_timeout = 0;\n\
            CREATE SCHEMA \"s\";\n\nselect '\n\\restrict abc\n';\n\n\\unrestrict abc\n\n";
        let schema = Ident::new("s").expect("a name");
        assert_eq!(
            cleaned(dump, &schema),
            "--\n-- dump\n--\n\n\n-- Dumped\n\nSET statement_timeout = 0;\nCREATE SCHEMA IF NOT EXISTS \"s\";\n\n\
            select '\n\\restrict abc\n';\n"
        );
    }
}
