//! Type names, as `format_type` prints them with an empty search path.

use super::Token;

/// What people write → what PostgreSQL prints, words joined by one space.
const ALIASES: &[(&str, &str)] = &[
    ("bigint", "bigint"),
    ("bit", "bit"),
    ("bit varying", "bit varying"),
    ("bool", "boolean"),
    ("boolean", "boolean"),
    ("bpchar", "character"),
    ("char", "character"),
    ("char varying", "character varying"),
    ("character", "character"),
    ("character varying", "character varying"),
    ("dec", "numeric"),
    ("decimal", "numeric"),
    ("double precision", "double precision"),
    ("float", "double precision"),
    ("float4", "real"),
    ("float8", "double precision"),
    ("int", "integer"),
    ("int2", "smallint"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("integer", "integer"),
    ("national char", "character"),
    ("national char varying", "character varying"),
    ("national character", "character"),
    ("national character varying", "character varying"),
    ("nchar", "character"),
    ("nchar varying", "character varying"),
    ("numeric", "numeric"),
    ("real", "real"),
    ("smallint", "smallint"),
    ("time", "time without time zone"),
    ("time with time zone", "time with time zone"),
    ("time without time zone", "time without time zone"),
    ("timestamp", "timestamp without time zone"),
    ("timestamp with time zone", "timestamp with time zone"),
    ("timestamp without time zone", "timestamp without time zone"),
    ("timestamptz", "timestamp with time zone"),
    ("timetz", "time with time zone"),
    ("varbit", "bit varying"),
    ("varchar", "character varying"),
];

/// The types that PostgreSQL brings and prints as they are called.
const BUILT_IN: &str = " aclitem anyarray anycompatible anycompatiblearray anycompatiblemultirange \
    anycompatiblenonarray anycompatiblerange anyelement anyenum anymultirange anynonarray anyrange box bytea cid cidr \
    circle cstring date datemultirange daterange event_trigger fdw_handler gtsvector index_am_handler inet \
    int2vector int4multirange int4range int8multirange int8range internal interval json jsonb jsonpath \
    language_handler line lseg macaddr macaddr8 money name nummultirange numrange oid oidvector path pg_lsn \
    pg_node_tree pg_snapshot point polygon record refcursor regclass regcollation regconfig regdictionary \
    regnamespace regoper regoperator regproc regprocedure regrole regtype table_am_handler text tid trigger \
    tsm_handler tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector txid_snapshot unknown uuid void xid \
    xid8 xml ";

/// The words that `quote_identifier` quotes: all keywords but the unreserved ones.
const QUOTED_WORDS: &str = " all analyse analyze and any array as asc asymmetric authorization between bigint binary \
    bit boolean both case cast char character check coalesce collate collation column concurrently constraint create \
    cross current_catalog current_date current_role current_schema current_time current_timestamp current_user dec \
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign freeze \
    from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval into \
    is isnull join lateral leading least left like limit localtime localtimestamp national natural nchar none \
    normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position \
    precision primary real references returning right row select session_user setof similar smallint some substring \
    symmetric table tablesample then time timestamp to trailing treat trim true union unique user using values varchar \
    variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces \
    xmlparse xmlpi xmlroot xmlserialize xmltable ";

fn holds(list: &str, word: &str) -> bool {
    !word.contains(' ') && list.contains(&format!(" {word} "))
}

/// Reads a type, or nothing when the tokens are none.
pub(super) fn normalised(tokens: &[Token], schema: &str) -> Option<String> {
    let (tokens, is_array) = without_brackets(tokens)?;
    let name = match tokens {
        [Token::Quoted(_)] | [_, Token::Symbol('.'), ..] => qualified(tokens, schema)?,
        _ => bare(tokens, schema)?,
    };
    Some(if is_array { format!("{name}[]") } else { name })
}

/// Takes `[]`, `[3]`, `array` and `array[3]` off the end.
fn without_brackets(mut tokens: &[Token]) -> Option<(&[Token], bool)> {
    let mut is_array = false;
    loop {
        tokens = match tokens {
            [rest @ .., Token::Symbol('['), Token::Symbol(']')] => rest,
            [rest @ .., Token::Symbol('['), Token::Number(_), Token::Symbol(']')] => rest,
            [rest @ .., Token::Word(word)] if word == "array" && !rest.is_empty() => rest,
            [] => return None,
            _ => return Some((tokens, is_array)),
        };
        is_array = true;
    }
}

/// Reads a type that is written in quotes or with its schema.
fn qualified(tokens: &[Token], own: &str) -> Option<String> {
    let (schema, kind, modifier) = match tokens {
        [kind] => (None, kind, &[][..]),
        [schema, Token::Symbol('.'), kind, modifier @ ..] => (Some(schema.name()?), kind, modifier),
        _ => return None,
    };
    if !is_modifier(modifier) {
        return None;
    }
    let name = kind.name()?;
    match (schema, kind) {
        (None | Some("pg_catalog"), Token::Quoted(_) | Token::Word(_)) if matches!(name, "char" | "any") => {
            Some(format!("\"{name}\""))
        }
        (Some("pg_catalog"), _) => {
            let alias = ALIASES.iter().find(|(written, _)| *written == name);
            Some(alias.map_or_else(|| quote(name), |(_, printed)| (*printed).to_owned()))
        }
        // In quotes, PostgreSQL knows the names of its catalog, not the words of the SQL standard.
        (None, Token::Quoted(_)) if holds(BUILT_IN, name) => Some(name.to_owned()),
        (None, Token::Quoted(_)) if is_catalog_alias(name) => {
            ALIASES.iter().find(|(written, _)| *written == name).map(|(_, printed)| (*printed).to_owned())
        }
        _ => Some(format!("{}.{}", quote(schema.unwrap_or(own)), quote(name))),
    }
}

/// Reads a type that is written without quotes and schema.
fn bare(tokens: &[Token], own: &str) -> Option<String> {
    // The modifier stands at the end, or in the middle of `timestamp (3) with time zone`.
    let open = tokens.iter().position(|t| *t == Token::Symbol('(')).unwrap_or(tokens.len());
    let close = tokens.iter().position(|t| *t == Token::Symbol(')')).map_or(tokens.len(), |at| at + 1);
    let modifier = tokens.get(open..close)?;
    if !is_modifier(modifier) {
        return None;
    }
    let words: Option<Vec<&str>> = tokens[..open].iter().chain(&tokens[close..]).map(Token::word).collect();
    let words = words?;
    let name = words.join(" ");
    if let ("float", [_, Token::Number(digits), _]) = (name.as_str(), modifier) {
        return Some(if digits.parse::<u32>().ok()? <= 24 { "real" } else { "double precision" }.into());
    }
    if let Some((_, printed)) = ALIASES.iter().find(|(written, _)| *written == name) {
        return Some((*printed).into());
    }
    match words.as_slice() {
        ["interval", fields @ ..] => is_interval(fields).then(|| "interval".into()),
        [name] if holds(BUILT_IN, name) => Some((*name).into()),
        [name] => Some(format!("{}.{}", quote(own), quote(name))),
        _ => None,
    }
}

fn is_modifier(tokens: &[Token]) -> bool {
    match tokens {
        [] => true,
        [Token::Symbol('('), inner @ .., Token::Symbol(')')] => {
            !inner.is_empty()
                && inner.iter().all(|t| matches!(t, Token::Number(_) | Token::Symbol(',') | Token::Word(_)))
        }
        _ => false,
    }
}

fn is_interval(fields: &[&str]) -> bool {
    const FIELDS: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];
    match fields {
        [] => true,
        [one] => FIELDS.contains(one),
        [from, "to", to] => FIELDS.contains(from) && FIELDS.contains(to),
        _ => false,
    }
}

/// Tells whether an alias is a name in the catalog too.
fn is_catalog_alias(name: &str) -> bool {
    matches!(
        name,
        "bit"
            | "bool"
            | "bpchar"
            | "float4"
            | "float8"
            | "int2"
            | "int4"
            | "int8"
            | "numeric"
            | "time"
            | "timestamp"
            | "timestamptz"
            | "timetz"
            | "varbit"
            | "varchar"
    )
}

/// Quotes a name where `quote_identifier` does.
fn quote(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain && !holds(QUOTED_WORDS, name) { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
