//! Cuts SQL text into lexical pieces, where psql and the server agree on them.
//!
//! Both end a line comment at a carriage return, continue a literal over a line break, and take a backslash for an escape
//! in `E'…'` alone. <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Blanks and line breaks.
    Blank,
    /// `-- …` or `/* … */`.
    Comment,
    /// `'…'`, with all its continuations; with the prefix that stands directly before it.
    Literal(Prefix),
    /// `"…"`.
    Name,
    /// `$tag$ … $tag$`.
    Dollar,
    /// A word or a number.
    Word,
    /// Any other character.
    Other,
}

/// What stands directly before a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    /// Nothing.
    None,
    /// `E`: a backslash escapes.
    Escape,
    /// `B`, `X`, `N`, `U&`, or something that is no prefix.
    Another,
}

/// A piece and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Gives the pieces of a text, in order and without gaps.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece> + '_ {
    let mut before: Option<Piece> = None;
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= text.len() {
            return None;
        }
        let (kind, end) = next(text, at, before);
        let piece = Piece { kind, start: at, end };
        at = end;
        before = Some(piece);
        Some(piece)
    })
}

fn next(text: &str, at: usize, before: Option<Piece>) -> (Kind, usize) {
    let bytes = text.as_bytes();
    match bytes[at] {
        b if is_blank(b) => (Kind::Blank, at + bytes[at..].iter().take_while(|b| is_blank(**b)).count()),
        b'-' if bytes.get(at + 1) == Some(&b'-') => (Kind::Comment, after_line(bytes, at)),
        b'/' if bytes.get(at + 1) == Some(&b'*') => (Kind::Comment, after_comment(bytes, at)),
        b'\'' => {
            let prefix = prefix(text, before);
            (Kind::Literal(prefix), after_literal(bytes, at, prefix == Prefix::Escape))
        }
        b'"' => (Kind::Name, after_quote(bytes, at, b'"', false)),
        b'$' => match after_dollar_quote(bytes, at) {
            Some(end) => (Kind::Dollar, end),
            None => (Kind::Other, at + 1),
        },
        b if is_word(b) => {
            let number = b.is_ascii_digit();
            let more = |b: &&u8| is_word(**b) || **b == b'$' && !number;
            (Kind::Word, at + bytes[at..].iter().take_while(more).count())
        }
        _ => (Kind::Other, at + 1),
    }
}

fn prefix(text: &str, before: Option<Piece>) -> Prefix {
    match before {
        Some(Piece { kind: Kind::Word, start, end }) => match &text[start..end] {
            "e" | "E" => Prefix::Escape,
            _ => Prefix::Another,
        },
        // `U&'…'`.
        Some(Piece { kind: Kind::Other, start, .. }) if text[start..].starts_with('&') => Prefix::Another,
        _ => Prefix::None,
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn after_line(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take_while(|b| !matches!(**b, b'\n' | b'\r')).count()
}

fn after_comment(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// A literal continues after a line break, in the same way as it began.
fn after_literal(bytes: &[u8], at: usize, escapes: bool) -> usize {
    let mut end = after_quote(bytes, at, b'\'', escapes);
    while let Some(start) = continuation(bytes, end) {
        end = after_quote(bytes, start, b'\'', escapes);
    }
    end
}

fn continuation(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut line = false;
    loop {
        match bytes.get(at)? {
            b'\'' => return line.then_some(at),
            b'\n' | b'\r' => (line, at) = (true, at + 1),
            b if is_blank(*b) => at += 1,
            // A comment belongs to the break between two parts.
            b'-' if line && bytes.get(at + 1) == Some(&b'-') => at = after_line(bytes, at),
            _ => return None,
        }
    }
}

pub(super) fn after_quote(bytes: &[u8], mut at: usize, quote: u8, escapes: bool) -> usize {
    at += 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            b if b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn after_dollar_quote(bytes: &[u8], at: usize) -> Option<usize> {
    let tag = bytes[at + 1..].iter().take_while(|b| is_word(**b)).count();
    let end = at + 1 + tag;
    if bytes.get(end) != Some(&b'$') || bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let mark = &bytes[at..=end];
    let close = bytes[end + 1..].windows(mark.len()).position(|w| w == mark);
    Some(close.map_or(bytes.len(), |close| end + 1 + close + mark.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(Kind, &str)> {
        pieces(text).filter(|p| p.kind != Kind::Blank).map(|p| (p.kind, &text[p.start..p.end])).collect()
    }

    #[test]
    fn what_follows_a_comment_s_carriage_return_is_no_comment() {
        assert_eq!(cut("-- a\rb"), [(Kind::Comment, "-- a"), (Kind::Word, "b")]);
        assert_eq!(cut("/* a\r /* b */ */"), [(Kind::Comment, "/* a\r /* b */ */")]);
    }

    #[test]
    fn a_backslash_escapes_only_in_an_escape_string_and_in_what_continues_it() {
        assert_eq!(cut(r"E'\''")[1], (Kind::Literal(Prefix::Escape), r"'\''"));
        assert_eq!(cut("E'a'\n'\\''")[1], (Kind::Literal(Prefix::Escape), "'a'\n'\\''"));
        assert_eq!(cut("'a'\n -- x\n '\\'"), [(Kind::Literal(Prefix::None), "'a'\n -- x\n '\\'")]);
        assert_eq!(cut("'a' '\\'").len(), 2);
        // With a blank between, it is a name and a literal.
        assert_eq!(cut(r"e '\'"), [(Kind::Word, "e"), (Kind::Literal(Prefix::None), r"'\'")]);
        assert_eq!(cut(r"U&'\'")[2], (Kind::Literal(Prefix::Another), r"'\'"));
    }

    #[test]
    fn a_number_ends_before_a_dollar() {
        assert_eq!(cut("1$a$'$a$"), [(Kind::Word, "1"), (Kind::Dollar, "$a$'$a$")]);
        assert_eq!(cut("a$1 $1"), [(Kind::Word, "a$1"), (Kind::Other, "$"), (Kind::Word, "1")]);
    }
}
