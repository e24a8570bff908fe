//! Cuts tables into pieces that several workers can copy at once.

use super::table::{Form, Table};
use crate::sql;
use crate::sql::{Comma, Literal, Sql};

/// The smallest piece that a table is cut into, in bytes on disk.
const SMALLEST_BYTES: u64 = 32 << 20;
/// The largest piece, in bytes on disk.
const LARGEST_BYTES: u64 = 256 << 20;
/// How many pieces each worker should get, so that all end at about the same time.
const PIECES_PER_WORKER: u64 = 8;

/// One piece of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The table's place in the list that was cut.
    pub table: usize,
    /// Which piece of the table it is, from 0.
    pub number: u32,
    /// The pages it covers; nothing for the whole table.
    pub pages: Option<Pages>,
    /// About how much it takes on disk.
    pub bytes: u64,
}

/// A range of a table's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// The first page.
    pub from: u64,
    /// The page after the last one; nothing for the last piece, so that a table that has grown loses nothing.
    pub to: Option<u64>,
}

/// Cuts all tables with rows of their own; the largest pieces of the largest tables come first, by reader.
#[must_use]
pub fn cut(tables: &[Table], workers: usize) -> Vec<Chunk> {
    let total: u64 = tables.iter().map(|t| t.bytes).sum();
    let workers = u64::try_from(workers.max(1)).unwrap_or(1);
    let goal = (total / (workers * PIECES_PER_WORKER)).clamp(SMALLEST_BYTES, LARGEST_BYTES);
    let mut order: Vec<usize> = (0..tables.len()).filter(|i| !tables[*i].partitioned).collect();
    order.sort_by_key(|i| (tables[*i].reader, std::cmp::Reverse(tables[*i].bytes), &tables[*i].name));
    order.into_iter().flat_map(|i| pieces(i, &tables[i], goal)).collect()
}

/// Gives each table as one piece, the largest first, by reader.
#[must_use]
pub fn whole(tables: &[Table]) -> Vec<Chunk> {
    let mut chunks: Vec<_> = (0..tables.len())
        .filter(|i| !tables[*i].partitioned)
        .map(|table| Chunk { table, number: 0, pages: None, bytes: tables[table].bytes })
        .collect();
    chunks.sort_by_key(|c| (tables[c.table].reader, std::cmp::Reverse(c.bytes), &tables[c.table].name));
    chunks
}

fn pieces(index: usize, table: &Table, goal: u64) -> Vec<Chunk> {
    let count = if table.bytes < goal * 3 / 2 { 1 } else { table.bytes.div_ceil(goal).min(table.pages.max(1)) };
    if count == 1 {
        return vec![Chunk { table: index, number: 0, pages: None, bytes: table.bytes }];
    }
    let piece = |n: u64| {
        let (from, to) = (table.pages * n / count, table.pages * (n + 1) / count);
        let pages = Pages { from, to: (n + 1 < count).then_some(to) };
        let number = u32::try_from(n).expect("a table has at most 2^32 pages");
        Chunk { table: index, number, pages: Some(pages), bytes: table.bytes / count }
    };
    (0..count).map(piece).collect()
}

impl Chunk {
    /// Gives the statement that writes the chunk's rows in the given form.
    #[must_use]
    pub fn copy_out(&self, tables: &[Table], form: Form) -> Sql {
        self.copy_out_but(tables, form, &[])
    }

    /// Gives the same for all rows but some, which are named by their `ctid`.
    #[must_use]
    pub fn copy_out_but(&self, tables: &[Table], form: Form, but: &[String]) -> Sql {
        let table = &tables[self.table];
        let columns = Comma(table.columns.iter().map(|c| &c.name));
        let listed = !table.columns.is_empty();
        let mut condition = self.condition();
        if !but.is_empty() {
            condition.push_static(if self.pages.is_none() { " where" } else { " and" });
            let but = format!("{{{}}}", but.iter().map(|row| format!("\"{row}\"")).collect::<Vec<_>>().join(","));
            condition.push(&sql!(" ctid <> all (", Literal(&but), "::pg_catalog.tid[])"));
        }
        let mut statement = sql!("copy ");
        if form == Form::Jsonl {
            // By x.*, since x alone may be a column.
            statement.push(&sql!(
                "(select pg_catalog.translate(pg_catalog.concat(pg_catalog.row_to_json(x.*)), E'\\n\\r', '  ') from (select ",
                table.json_columns(),
                " from only ",
                table.name.sql(),
                condition,
                ") x)"
            ));
        } else if listed && !condition.as_str().is_empty() {
            statement.push(&sql!("(select ", columns, " from only ", table.name.sql(), condition, ")"));
        } else {
            statement.push(&table.name.sql());
            if listed {
                statement.push(&sql!(" (", columns, ")"));
            }
        }
        statement.push_static(" to stdout");
        statement.push_static(form.options());
        statement
    }

    /// Gives the chunk's WHERE clause, with a space before it; nothing for a whole table.
    #[must_use]
    pub fn condition(&self) -> Sql {
        let Some(Pages { from, to }) = self.pages else { return Sql::new() };
        let page = |n: u64| i64::try_from(n).expect("a table has at most 2^32 pages");
        let mut condition = sql!(" where ctid >= '(", page(from), ",0)'::pg_catalog.tid");
        if let Some(to) = to {
            condition.push(&sql!(" and ctid < '(", page(to), ",0)'::pg_catalog.tid"));
        }
        condition
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::table::{Column, TableName};
    use super::*;
    use crate::ident::Ident;

    fn table(name: &str, bytes: u64, pages: u64) -> Table {
        let ident = |text| Ident::new(text).expect("a name");
        Table {
            oid: 1,
            name: TableName { schema: ident("s"), name: ident(name) },
            partitioned: false,
            bytes,
            pages,
            toast_bytes: 0,
            columns: vec![Column { name: ident("a b"), base_type: "int4".to_owned() }],
            cast_by_user: Vec::new(),
            key: Vec::new(),
            binary: true,
            reader: 0,
        }
    }

    proptest! {
        #[test]
        fn pieces_cover_every_page_once(bytes in 0u64..1 << 40, pages in 0u64..1 << 27, workers in 1usize..32) {
            let chunks = cut(&[table("t", bytes, pages)], workers);
            let mut next = 0;
            for (i, chunk) in chunks.iter().enumerate() {
                let Some(range) = chunk.pages else {
                    prop_assert_eq!(chunks.len(), 1);
                    break;
                };
                prop_assert_eq!(range.from, next);
                prop_assert_eq!(range.to.is_none(), i + 1 == chunks.len());
                next = range.to.unwrap_or(next);
            }
        }
    }

    #[test]
    fn the_largest_table_comes_first_and_is_cut() {
        let chunks = cut(&[table("small", 8192, 1), table("huge", 1 << 30, 131_072)], 2);
        assert!(chunks.len() > 8, "{chunks:?}");
        assert_eq!(chunks[0].table, 1);
        assert_eq!(chunks.last().map(|c| (c.table, c.pages)), Some((0, None)));
    }

    #[test]
    fn a_range_reads_the_table_alone_and_a_whole_table_lists_its_columns() {
        let tables = [table("t", 0, 0)];
        let chunk = Chunk { table: 0, number: 0, pages: None, bytes: 0 };
        assert_eq!(chunk.copy_out(&tables, Form::Text).as_str(), r#"copy "s"."t" ("a b") to stdout"#);
        let chunk = Chunk { pages: Some(Pages { from: 7, to: None }), ..chunk };
        assert_eq!(
            chunk.copy_out(&tables, Form::Binary).as_str(),
            r#"copy (select "a b" from only "s"."t" where ctid >= '(7,0)'::pg_catalog.tid) to stdout with (format binary)"#
        );
    }
}
