//! Names as people and psql read them: bare where SQL allows it, else in double quotes.

use crate::ident::Ident;

/// The words that cannot stand bare as a name everywhere (reserved, or reserved for columns, types and functions).
const RESERVED: &str = " all analyse analyze and any array as asc asymmetric authorization between bigint binary bit \
     boolean both case cast char character check coalesce collate collation column concurrently constraint create \
     cross current_catalog current_date current_role current_schema current_time current_timestamp current_user dec \
     decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign freeze \
     from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval into \
     is isnull join json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar \
     json_serialize json_table json_value lateral leading least left like limit localtime localtimestamp \
     merge_action national natural nchar none normalize not notnull null nullif numeric offset on only or order out \
     outer overlaps overlay placing position precision primary public real references returning right row select \
     session_user setof similar smallint some substring symmetric system_user table tablesample then time timestamp to \
     trailing treat trim true union unique user using values varchar variadic verbose when where window with \
     xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable ";

/// Gives a name as `quote_ident` does.
#[must_use]
pub fn shown(name: &Ident) -> String {
    let text = name.as_str();
    let simple = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if simple && (text == "public" || !RESERVED.contains(&format!(" {text} "))) {
        return text.to_owned();
    }
    name.sql()
}

/// Gives `schema.name`.
#[must_use]
pub fn qualified(schema: &Ident, name: &Ident) -> String {
    format!("{}.{}", shown(schema), shown(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_where_sql_needs_it() {
        let show = |text: &str| shown(&Ident::new(text).expect("a name"));
        assert_eq!(show("orders_app"), "orders_app");
        assert_eq!(show("order"), "\"order\"");
        assert_eq!(show("Orders"), "\"Orders\"");
        assert_eq!(show("a\"b"), "\"a\"\"b\"");
        assert_eq!(show("a\nb"), "U&\"a\\000ab\"");
        assert_eq!(show("1st"), "\"1st\"");
        assert_eq!(show("public"), "public");
    }
}
