//! YAML text → a tree in which every part knows its place.
//!
//! The events of the parser are watched as they come, so that a file built to cost memory or time is refused at the
//! event that passes a limit. What is kept is YAML 1.2 without aliases, tags and further documents.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span as Marks};

use super::problem::Kind;

/// How deep mappings and lists may nest.
pub(crate) const MAX_DEPTH: usize = 32;
/// How many values one file may have.
pub(crate) const MAX_NODES: usize = 50_000;

/// A place in a text: line and column from 1, in characters, and how far it reaches on that line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Span {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) length: usize,
}

/// One value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A scalar; `plain` when it was written without quotes and can therefore be a number, a boolean or null.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// What is wrong with the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: String,
    /// Another place, and what is there.
    pub(crate) also: Option<(Span, String)>,
}

impl Fault {
    fn new(kind: Kind, span: Span, message: impl Into<String>, help: impl Into<String>) -> Box<Self> {
        Box::new(Self { kind, span, message: message.into(), help: help.into(), also: None })
    }
}

impl Node {
    /// Tells whether it is an empty value.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if is_null(text))
    }

    /// Says what it is, for a person.
    pub(crate) fn what(&self) -> &'static str {
        match &self.value {
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Scalar { plain: false, .. } => "a text",
            Value::Scalar { text, .. } => match text.as_str() {
                text if is_null(text) => "empty",
                text if is_boolean(text) => "a boolean",
                text if is_number(text) => "a number",
                _ => "a text",
            },
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(digits) = unsigned.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    }
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') && unsigned.parse::<f64>().is_ok()
}

/// Reads a text; the faults that do not make the tree unreadable stand beside it.
pub(crate) fn parse(text: &str) -> (Option<Node>, Vec<Fault>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(fault) = control_character(text) {
        return (None, vec![*fault]);
    }
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, marks)) => builder.take(event, marks),
            Err(error) => Err(syntax(error.info(), *error.marker(), text)),
        };
        if let Err(fault) = step {
            builder.faults.push(*fault);
            return (None, builder.faults);
        }
    }
    if builder.root.is_none() {
        let help = "write the keys, or remove the file; `pgcleave init` shows what a file looks like";
        builder.faults.push(*Fault::new(Kind::EmptyFile, START, "the file says nothing", help));
    }
    (builder.root, builder.faults)
}

const START: Span = Span { line: 1, column: 1, length: 0 };

/// Finds a character that no text file has; the parser would take a NUL for the end.
fn control_character(text: &str) -> Option<Box<Fault>> {
    let (mut line, mut column, mut before) = (1, 1, ' ');
    for c in text.chars() {
        match c {
            '\n' if before == '\r' => {}
            '\n' | '\r' => (line, column) = (line + 1, 0),
            '\t' => {}
            c if c.is_control() => {
                let message = format!("the file holds the control character U+{:04X}", c as u32);
                let span = Span { line, column, length: 1 };
                return Some(Fault::new(Kind::NotText, span, message, "remove it; is this a text file?"));
            }
            _ => {}
        }
        column += usize::from(!(c == '\n' && before == '\r'));
        before = c;
    }
    None
}

fn syntax(info: &str, mark: Marker, text: &str) -> Box<Fault> {
    // The end of the text is told as the end of its last line.
    let lines = text.lines().count().max(1);
    let last_column = text.lines().last().map_or(1, |line| line.chars().count() + 1);
    let (line, column) = if mark.line() > lines { (lines, last_column) } else { (mark.line().max(1), mark.col() + 1) };
    let mut span = Span { line, column, length: 1 };
    if info.contains("recursion limit") {
        return too_deep(span);
    }
    let line = text.lines().nth(span.line - 1).unwrap_or_default();
    let is_tabbed = info.contains("tab") || tab_in_indent(line).is_some();
    if is_tabbed {
        // told where the value before it begins
        let from_there = text.lines().enumerate().skip(span.line - 1);
        let first = from_there.filter_map(|(index, line)| Some((index + 1, tab_in_indent(line)? + 1))).next();
        (span.line, span.column) = first.unwrap_or((span.line, span.column));
    }
    let help = if is_tabbed {
        "indent with spaces; YAML takes no tabs"
    } else if info.contains("mapping values") {
        "is a quote missing around a value with `: ` in it, or the indentation of this line different from the one above?"
    } else {
        "compare brackets, quotes and indentation here and on the lines above"
    };
    Fault::new(Kind::YamlSyntax, span, format!("this is not YAML: {}", info.to_lowercase()), help)
}

/// Gives the column, from 0, of a tab in a line's indentation.
fn tab_in_indent(line: &str) -> Option<usize> {
    line.chars().take_while(|c| c.is_whitespace()).position(|c| c == '\t')
}

fn too_deep(span: Span) -> Box<Fault> {
    let message = format!("this nests more than {MAX_DEPTH} levels deep");
    Fault::new(Kind::YamlTooComplex, span, message, "no manifest needs more than four levels")
}

/// A mapping or list that is still open.
enum Open {
    Sequence { items: Vec<Node>, span: Span },
    Mapping { entries: Vec<(Key, Node)>, key: Option<Key>, seen: HashMap<String, Span>, span: Span },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    faults: Vec<Fault>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, marks: Marks) -> Result<(), Box<Fault>> {
        let span = place(marks);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document begins here";
                    return Err(Fault::new(
                        Kind::YamlFeature,
                        span,
                        message,
                        "put each service into a file of its own",
                    ));
                }
                Ok(())
            }
            Event::Alias(_) => {
                let message = "aliases are not followed";
                Err(Fault::new(
                    Kind::YamlFeature,
                    span,
                    message,
                    "write the value out in each place, without `*` and `&`",
                ))
            }
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                let message = "tags are not understood here";
                Err(Fault::new(Kind::YamlFeature, span, message, "remove the `!…`; a text goes into quotes"))
            }
            Event::Scalar(text, style, _, None) => {
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                self.add(Node { value, span })
            }
            Event::SequenceStart(..) => self.begin(Open::Sequence { items: Vec::new(), span }, span),
            Event::MappingStart(..) => {
                let open = Open::Mapping { entries: Vec::new(), key: None, seen: HashMap::new(), span };
                self.begin(open, span)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::Sequence { items, span }) => self.place(Node { value: Value::Sequence(items), span }),
                Some(Open::Mapping { entries, span, .. }) => self.place(Node { value: Value::Mapping(entries), span }),
                None => Ok(()),
            },
        }
    }

    fn begin(&mut self, open: Open, span: Span) -> Result<(), Box<Fault>> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        if let Some(Open::Mapping { key: None, .. }) = self.open.last() {
            return Err(complex_key(span));
        }
        self.count(span)?;
        self.open.push(open);
        Ok(())
    }

    fn add(&mut self, node: Node) -> Result<(), Box<Fault>> {
        self.count(node.span)?;
        self.place(node)
    }

    fn count(&mut self, span: Span) -> Result<(), Box<Fault>> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("the file has more than {MAX_NODES} values");
            return Err(Fault::new(Kind::YamlTooComplex, span, message, "give each service a file of its own"));
        }
        Ok(())
    }

    /// Puts a finished node into the innermost open one.
    fn place(&mut self, node: Node) -> Result<(), Box<Fault>> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, key, seen, .. }) => match (key.take(), node) {
                (Some(found), node) => {
                    // The first of two equal keys stays; both places are told.
                    if let Some(first) = seen.get(&found.text) {
                        let message = format!("the key {} stands twice", super::problem::quoted(&found.text));
                        let help = "keep one of them".to_owned();
                        let also = Some((*first, "the first one is".to_owned()));
                        self.faults.push(Fault { kind: Kind::DuplicateKey, span: found.span, message, help, also });
                    } else {
                        seen.insert(found.text.clone(), found.span);
                        entries.push((found, node));
                    }
                }
                (None, Node { value: Value::Scalar { text, .. }, span }) => *key = Some(Key { text, span }),
                (None, node) => return Err(complex_key(node.span)),
            },
        }
        Ok(())
    }
}

fn complex_key(span: Span) -> Box<Fault> {
    Fault::new(
        Kind::WrongType,
        span,
        "a key must be a text",
        "write `key: value`; is a quote missing around `[` or `{`?",
    )
}

fn place(marks: Marks) -> Span {
    let (start, end) = (marks.start, marks.end);
    let length = if end.line() == start.line() { end.col().saturating_sub(start.col()) } else { 1 };
    Span { line: start.line().max(1), column: start.col() + 1, length }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults(text: &str) -> String {
        let show =
            |f: &Fault| format!("{}:{}+{} {}: {}", f.span.line, f.span.column, f.span.length, f.kind.code(), f.message);
        parse(text).1.iter().map(show).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn places_are_counted_in_characters() {
        let (node, faults) = parse("\u{feff}é: { b: [c, \"d\"] }\r\nx: y\r\n");
        assert_eq!(faults, []);
        let Some(Node { value: Value::Mapping(entries), .. }) = node else { panic!("a mapping") };
        let Value::Mapping(inner) = &entries[0].1.value else { panic!("a mapping") };
        let Value::Sequence(items) = &inner[0].1.value else { panic!("a list") };
        assert_eq!(items[1].span, Span { line: 1, column: 13, length: 3 });
        assert_eq!(entries[1].0.span, Span { line: 2, column: 1, length: 1 });
    }

    #[test]
    fn bombs_are_refused_at_the_first_alias() {
        let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
        assert_eq!(faults(bomb), "2:8+2 yaml-feature: aliases are not followed");
    }

    #[test]
    fn depth_and_number_are_limited() {
        assert_eq!(faults(&"[".repeat(100_000)), "1:256+1 yaml-too-complex: this nests more than 32 levels deep");
        assert_eq!(faults(&"- ".repeat(100_000)), "1:65+0 yaml-too-complex: this nests more than 32 levels deep");
        let many = format!("[{}]", "a,".repeat(60_000));
        assert_eq!(faults(&many), "1:100000+1 yaml-too-complex: the file has more than 50000 values");
    }

    #[test]
    fn odd_texts_are_told_apart() {
        assert_eq!(faults(""), "1:1+0 empty-file: the file says nothing");
        assert_eq!(faults("# nothing\n"), "1:1+0 empty-file: the file says nothing");
        assert_eq!(faults("a: b\n---\nc: d\n"), "2:1+3 yaml-feature: a second document begins here");
        assert_eq!(faults("a: !!str b"), "1:4+7 yaml-feature: tags are not understood here");
        assert_eq!(faults("a: b\r\nc: \0"), "2:4+1 not-text: the file holds the control character U+0000");
        assert_eq!(faults("a: 1\nb: 2\na: 3\n"), "3:1+1 duplicate-key: the key `a` stands twice");
        assert_eq!(faults("[a]: b"), "1:1+1 wrong-type: a key must be a text");
        assert_eq!(faults("a:\n\tb: c").split(' ').nth(1), Some("yaml-syntax:"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-b:\\- \\[\\]{}&*!|>'\"#?%@`,\n\r\t~\\\\é0-1]{0,200}") {
            let (node, faults) = parse(&text);
            prop_assert!(node.is_some() || !faults.is_empty());
        }

        #[test]
        fn any_unicode_is_read_or_refused(text in ".{0,200}") {
            let (node, faults) = parse(&text);
            prop_assert!(node.is_some() || !faults.is_empty());
        }
    }
}
