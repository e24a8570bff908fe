//! Functions as people write them → as PostgreSQL prints them with an empty search path.
//! <https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CATALOG>

use std::fmt::Write as _;

mod types;

/// A function's name and its argument types, as `oidvectortypes` prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) name: String,
    /// The argument types; nothing when the parentheses were left out.
    pub(crate) arguments: Option<String>,
}

/// Reads `name(type, …)` or a bare name; types that PostgreSQL does not bring are taken to be the schema's own.
///
/// # Errors
/// A text for people, when it cannot be read.
pub(crate) fn parse(text: &str, schema: &str) -> Result<Signature, String> {
    let tokens = tokens(text)?;
    let (Some(Token::Word(_) | Token::Quoted(_)), rest) = (tokens.first(), &tokens[tokens.len().min(1)..]) else {
        return Err("it does not begin with a name".into());
    };
    let name = tokens[0].name().expect("matched above").to_owned();
    let arguments = match rest {
        [] => None,
        [Token::Symbol('('), inner @ .., Token::Symbol(')')] => Some(arguments(inner, schema)?),
        [Token::Symbol('.'), ..] => return Err("it names a schema".into()),
        [Token::Symbol('('), ..] => return Err("the closing parenthesis is missing".into()),
        _ => return Err("after the name comes `(`".into()),
    };
    Ok(Signature { name, arguments })
}

/// A piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A bare word, in lower case as PostgreSQL folds it.
    Word(String),
    /// A name in double quotes, without them.
    Quoted(String),
    Number(String),
    Symbol(char),
    /// Anything that only a default value has.
    Other,
}

impl Token {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Quoted(name) => Some(name),
            _ => None,
        }
    }

    fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '"' => tokens.push(Token::Quoted(quoted(&mut chars, '"')?)),
            '\'' => {
                quoted(&mut chars, '\'')?;
                tokens.push(Token::Other);
            }
            c if c.is_ascii_digit() => tokens.push(Token::Number(run(c, &mut chars, |c| c.is_ascii_digit()))),
            c if c.is_alphabetic() || c == '_' => {
                let word = run(c, &mut chars, |c| c.is_alphanumeric() || matches!(c, '_' | '$'));
                tokens.push(Token::Word(word.to_ascii_lowercase()));
            }
            '(' | ')' | '[' | ']' | ',' | '.' | '=' | ':' => tokens.push(Token::Symbol(c)),
            _ => tokens.push(Token::Other),
        }
    }
    Ok(tokens)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn run(first: char, chars: &mut Chars<'_>, belongs: fn(char) -> bool) -> String {
    let mut text = String::from(first);
    while let Some(c) = chars.next_if(|c| belongs(*c)) {
        text.push(c);
    }
    text
}

fn quoted(chars: &mut Chars<'_>, quote: char) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c != quote {
            text.push(c);
        } else if chars.next_if_eq(&quote).is_some() {
            text.push(quote);
        } else if text.is_empty() && quote == '"' {
            return Err("a name in quotes is empty".into());
        } else {
            return Ok(text);
        }
    }
    Err(format!("a closing {quote} is missing"))
}

/// Reads the list between the parentheses.
fn arguments(tokens: &[Token], schema: &str) -> Result<String, String> {
    if tokens.is_empty() {
        return Ok(String::new());
    }
    let mut depth = 0_usize;
    let parts = tokens.split(|token| {
        match token {
            Token::Symbol('(' | '[') => depth += 1,
            Token::Symbol(')' | ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *token == Token::Symbol(',')
    });
    let mut out = String::new();
    for part in parts {
        let Some(kind) = argument(part, schema)? else { continue };
        let comma = if out.is_empty() { "" } else { ", " };
        write!(out, "{comma}{kind}").expect("a String takes all");
    }
    Ok(out)
}

/// Reads one argument: its type, or nothing for one that only comes out.
fn argument(tokens: &[Token], schema: &str) -> Result<Option<String>, String> {
    let is_default = |t: &Token| matches!(t, Token::Symbol('=' | ':')) || t.word() == Some("default");
    let end = tokens.iter().position(is_default).unwrap_or(tokens.len());
    let tokens = &tokens[..end];
    const MODES: [&str; 4] = ["in", "out", "inout", "variadic"];
    let mode = |at: usize| tokens.get(at).and_then(Token::word).filter(|w| MODES.contains(w));
    // The mode may stand before or after the name.
    let (is_out, without_mode): (bool, Vec<Token>) = match (mode(0), mode(1)) {
        (Some(first), _) => (first == "out", tokens[1..].to_vec()),
        (None, Some(second)) => (second == "out", [&tokens[..1], &tokens[2..]].concat()),
        (None, None) => (false, tokens.to_vec()),
    };
    if is_out {
        return Ok(None);
    }
    if let Some(kind) = types::normalised(&without_mode, schema) {
        return Ok(Some(kind));
    }
    if let [Token::Word(_) | Token::Quoted(_), kind @ ..] = without_mode.as_slice()
        && let Some(kind) = types::normalised(kind, schema)
    {
        return Ok(Some(kind));
    }
    Err("an argument's type cannot be read".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(text: &str) -> String {
        match parse(text, "orders") {
            Ok(Signature { name, arguments: Some(arguments) }) => format!("{name}({arguments})"),
            Ok(Signature { name, arguments: None }) => name,
            Err(why) => format!("error: {why}"),
        }
    }

    #[test]
    fn types_are_named_as_postgresql_names_them() {
        for (written, printed) in [
            ("f", "f"),
            ("f()", "f()"),
            ("F( UUID , Text )", "f(uuid, text)"),
            (
                "f(int, int8, int2, float4, float8, float, float(24), decimal(10,2))",
                "f(integer, bigint, smallint, real, double precision, double precision, real, numeric)",
            ),
            (
                "f(varchar(20), char(3), bpchar, bool, timestamptz, timetz, timestamp(3), time)",
                "f(character varying, character, character, boolean, timestamp with time zone, time with time zone, timestamp without time zone, time without time zone)",
            ),
            (
                "f(double precision, character varying(9)[], national character varying(2))",
                "f(double precision, character varying[], character varying)",
            ),
            (
                "f(timestamp (3) with time zone, interval day to second(3), varbit(3), bit varying, bit(8))",
                "f(timestamp with time zone, interval, bit varying, bit varying, bit)",
            ),
            ("f(text[], text[][], int array, uuid array[3])", "f(text[], text[], integer[], uuid[])"),
            ("f(order_id uuid, reason text default 'a, (b', n int = 3)", "f(uuid, text, integer)"),
            ("f(in a uuid, out b int, inout c text, variadic d text[], e in int)", "f(uuid, text, text[], integer)"),
            (
                "f(order_status, orders.order_status[], public.citext, s order_status)",
                "f(orders.order_status, orders.order_status[], public.citext, orders.order_status)",
            ),
            (
                "f(\"char\", \"Odd Type\", orders.\"user\", pg_catalog.int4, pg_catalog.text)",
                "f(\"char\", orders.\"Odd Type\", orders.\"user\", integer, text)",
            ),
            ("\"Cancel\"(date)", "Cancel(date)"),
            ("orders.f(int)", "error: it names a schema"),
            ("f(int", "error: the closing parenthesis is missing"),
            ("f(int,)", "error: an argument's type cannot be read"),
            ("f(a b c)", "error: an argument's type cannot be read"),
            ("f(orders.t.a%type)", "error: an argument's type cannot be read"),
            ("(int)", "error: it does not begin with a name"),
            ("", "error: it does not begin with a name"),
        ] {
            assert_eq!(normal(written), printed, "{written}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(
            types in prop::collection::vec(prop::sample::select(vec![
                "int", "varchar(3)", "timestamptz", "x bool", "order_status", "\"A b\"[]", "\"char\"", "text[]",
                "interval", "float(3)", "out x int", "orders.t", "public.\"user\"", "character", "a.b array",
                "time with time zone", "timestamp", "bpchar", "\"select\"", "anyelement", "\"any\"",
            ]), 0..5)
        ) {
            let once = normal(&format!("f({})", types.join(", ")));
            prop_assert_eq!(normal(&once), once);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-c(),.\"' \\[\\]=%é0-9]{0,40}") {
            let once = normal(&text);
            // A name comes out without its quotes, so only plain ones can go in again.
            if !once.starts_with("error") && !text.starts_with(['"', ' ']) {
                prop_assert_eq!(normal(&once), once);
            }
        }
    }
}
