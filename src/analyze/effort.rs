//! Judges what a text would cost to parse, before it is parsed.
//!
//! The parser descends once for each parenthesis and block, and takes long over one very long expression. What a person
//! writes stays far below these limits; what passes them is told as unreadable instead of ending the process.

/// How deep parentheses and blocks may nest.
const DEEPEST: usize = 300;
/// How many operators and joins one list item may chain.
const LONGEST_CHAIN: usize = 600;
/// Up to here an ordinary stack is enough.
const SHALLOW: usize = 24;
/// The stack for deep texts.
const DEEP_STACK_BYTES: usize = 64 * 1024 * 1024;

/// What parsing a text would cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effort {
    /// Parse it where you are.
    Little,
    /// Parse it on a stack of its own.
    Deep,
    /// Do not parse it.
    TooMuch,
}

/// Runs the work on a stack that is deep enough.
pub(super) fn with_stack<T: Send>(effort: Effort, work: impl FnOnce() -> T + Send) -> T {
    if effort == Effort::Little {
        return work();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK_BYTES).spawn_scoped(scope, work);
        let thread = thread.expect("a thread can be started");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Judges a text.
pub(super) fn of(text: &str) -> Effort {
    let mut gauge = Gauge::default();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = gauge.token(rest, first);
        rest = &rest[length..];
        if gauge.deepest > DEEPEST || gauge.longest > LONGEST_CHAIN {
            return Effort::TooMuch;
        }
    }
    // A chain of prefix operators descends too.
    if gauge.deepest <= SHALLOW && gauge.longest <= 4 * SHALLOW { Effort::Little } else { Effort::Deep }
}

#[derive(Debug, Default)]
struct Gauge {
    parentheses: usize,
    blocks: usize,
    chain: usize,
    deepest: usize,
    longest: usize,
    previous: Previous,
}

/// What stood before, as far as it matters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Previous {
    /// A place where a statement may begin.
    #[default]
    Start,
    End,
    Dot,
    Other,
}

impl Gauge {
    /// Takes one token and gives its length.
    fn token(&mut self, rest: &str, first: char) -> usize {
        match first {
            _ if first.is_whitespace() => return first.len_utf8(),
            '-' if rest.starts_with("--") => return rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => return comment(rest),
            '(' | '[' => {
                self.parentheses += 1;
                self.chain = 0;
            }
            ')' | ']' => {
                self.parentheses = self.parentheses.saturating_sub(1);
                self.chain = 0;
            }
            ',' => self.chain = 0,
            ';' => (self.chain, self.parentheses) = (0, 0),
            '\'' => return self.other(string(rest, false)),
            '"' => return self.other(quoted(rest, '"')),
            '$' => return self.other(dollar(rest)),
            _ if is_word(first) || first.is_ascii_digit() => return self.word(rest),
            '.' => {
                self.link(1);
                self.previous = Previous::Dot;
                return 1;
            }
            _ => self.link(1),
        }
        self.previous = if first == ';' || first == '>' { Previous::Start } else { Previous::Other };
        self.deepest = self.deepest.max(self.parentheses + self.blocks);
        first.len_utf8()
    }

    fn other(&mut self, length: usize) -> usize {
        self.previous = Previous::Other;
        length
    }

    fn link(&mut self, links: usize) {
        self.chain += links;
        self.longest = self.longest.max(self.chain);
    }

    fn word(&mut self, rest: &str) -> usize {
        let length = rest.find(|c: char| !is_word(c) && !c.is_ascii_digit() && c != '$').unwrap_or(rest.len());
        let word = &rest[..length];
        if matches!(word, "e" | "E") && rest[length..].starts_with('\'') {
            return self.other(length + string(&rest[length..], true));
        }
        let before = std::mem::replace(&mut self.previous, Previous::Other);
        // Words that matter are short.
        if before == Previous::Dot || length > 8 {
            return length;
        }
        match word.to_ascii_uppercase().as_str() {
            "END" => {
                self.blocks = self.blocks.saturating_sub(1);
                self.previous = Previous::End;
            }
            "CASE" | "LOOP" if before != Previous::End => self.open(word),
            "BEGIN" => self.open(word),
            "IF" if before == Previous::Start => self.open(word),
            "THEN" | "ELSE" => self.previous = Previous::Start,
            "NOT" | "IS" | "LIKE" | "ILIKE" | "AT" | "BETWEEN" | "COLLATE" | "UNION" | "EXCEPT" => self.link(1),
            "JOIN" | "EXPLAIN" | "PREPARE" => self.link(4),
            _ => {}
        }
        length
    }

    fn open(&mut self, word: &str) {
        self.blocks += 1;
        self.deepest = self.deepest.max(self.parentheses + self.blocks);
        if !word.eq_ignore_ascii_case("case") {
            self.previous = Previous::Start;
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

/// Gives the length of a comment, which may hold others.
fn comment(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Gives the length of a string, whose quotes are doubled, or in escape strings follow a backslash.
fn string(rest: &str, escapes: bool) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted(rest: &str, quote: char) -> usize {
    rest[1..].find(quote).map_or(rest.len(), |end| end + 2)
}

/// Gives the length of a dollar-quoted string, or of the dollar alone.
fn dollar(rest: &str) -> usize {
    let Some(tag) = rest[1..].find('$').map(|end| &rest[..end + 2]) else { return 1 };
    if !tag[1..tag.len() - 1].chars().all(|c| is_word(c) || c.is_ascii_digit()) {
        return 1;
    }
    rest[tag.len()..].find(tag).map_or(rest.len(), |end| end + 2 * tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_takes_little_effort() {
        for text in [
            "create table if not exists t (a int default ((1)))".repeat(2000),
            "insert into t values (1, 'a;(((('), ".repeat(5000),
            "do $$ begin if a then b; elsif c then d; end if; end $$;\n".repeat(500),
            "if a then case b when 1 then 2; end case; for c in 1..2 loop x; end loop; end if;".repeat(500),
            "select case when a then b else c end, ".repeat(1000),
            "/* (((( /* (( */ */ select e'\\'((((', \"((((\", $a$ (((( $$ $a$;".repeat(500),
        ] {
            assert_eq!(of(&text), Effort::Little, "{}", &text[..60]);
        }
    }

    #[test]
    fn what_would_exhaust_the_stack_is_refused() {
        for (one, deep) in [("(", 100), ("f(", 100), ("case when ", 100), ("begin ", 100), ("not ", 300), ("a + ", 300)]
        {
            assert_eq!(of(&one.repeat(deep)), Effort::Deep, "{one}");
            assert_eq!(of(&one.repeat(5000)), Effort::TooMuch, "{one}");
        }
    }

    #[test]
    fn broken_text_ends_the_scan_within_it() {
        for text in ["'", "e'\\", "\"", "$a$", "$", "/*", "/* /", "--", "é'", "$é$ x"] {
            of(text);
        }
    }
}
