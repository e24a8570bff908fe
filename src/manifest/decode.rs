//! Trees → raw types, with every mistake noted instead of stopping at the first.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::problem::{Kind, Problem, nearest, quoted};
use super::service::Position;
use super::yaml::{Fault, Node, Span, Value};

/// How many mistakes one file may have before the rest of it is left unread.
const MAX_PROBLEMS_PER_FILE: usize = 100;

/// What reading one file has brought to light.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    file: &'a Path,
    pub(crate) problems: Vec<Problem>,
    /// The keys whose values could not be read in full.
    pub(crate) flawed: Vec<&'static str>,
    /// The key that is being read.
    key: String,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(file: &'a Path) -> Self {
        Self { file, problems: Vec::new(), flawed: Vec::new(), key: String::new() }
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        let also = fault.also.map(|(span, what)| (position(self.file, span), what));
        self.push(fault.kind, fault.span, fault.message, fault.help);
        if let Some(last) = self.problems.last_mut() {
            last.also = also;
        }
    }

    fn push(&mut self, kind: Kind, span: Span, message: String, help: String) {
        let at = position(self.file, span);
        self.problems.push(Problem { at, length: span.length, kind, message, help, also: None });
    }

    fn full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS_PER_FILE
    }

    fn wrong_type(&mut self, node: &Node, expected: &str, help: String) {
        let subject = if self.key.is_empty() { "the file".to_owned() } else { quoted(&self.key) };
        let message = format!("{subject} must be {expected}, but is {}", node.what());
        self.push(Kind::WrongType, node.span, message, help);
    }
}

/// Gives a place in a file to point a person at.
pub(crate) fn position(file: &Path, span: Span) -> Position {
    Position { file: PathBuf::from(file), line: span.line, column: span.column }
}

/// What can be read from a tree.
pub(crate) trait Decode: Sized {
    /// Reads it, or notes why not.
    fn decode(node: &Node, reading: &mut Reading<'_>) -> Option<Self>;
}

/// What can be a field of a record.
pub(crate) trait Field: Sized {
    /// Whether its key has to be there.
    const REQUIRED: bool;

    /// Reads a value that is there.
    fn present(node: &Node, reading: &mut Reading<'_>) -> Self;

    /// Gives what stands for a value that is not there.
    fn absent() -> Self;
}

impl<T: Decode> Field for Option<T> {
    const REQUIRED: bool = false;

    fn present(node: &Node, reading: &mut Reading<'_>) -> Self {
        if node.is_null() { None } else { T::decode(node, reading) }
    }

    fn absent() -> Self {
        None
    }
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T: Decode> Decode for At<T> {
    fn decode(node: &Node, reading: &mut Reading<'_>) -> Option<Self> {
        Some(Self { value: T::decode(node, reading)?, span: node.span })
    }
}

/// A value that has to be there; nothing once its absence, or that it cannot be read, has been told.
///
/// The rest of its record can so be checked all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Must<T>(Option<At<T>>);

impl<T> Must<T> {
    pub(crate) fn get(&self) -> Option<&At<T>> {
        self.0.as_ref()
    }
}

impl<T: Decode> Field for Must<T> {
    const REQUIRED: bool = true;

    fn present(node: &Node, reading: &mut Reading<'_>) -> Self {
        Self(At::decode(node, reading))
    }

    fn absent() -> Self {
        Self(None)
    }
}

/// Gives a wrapper the JSON Schema of what it holds.
macro_rules! transparent_schema {
    ($($name:ident)*) => {$(
        impl<T: JsonSchema> JsonSchema for $name<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                T::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    )*};
}
transparent_schema!(At Must);

impl Decode for String {
    fn decode(node: &Node, reading: &mut Reading<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if node.what() == "a text" => Some(text.clone()),
            Value::Scalar { text, .. } if !node.is_null() => {
                reading.wrong_type(
                    node,
                    "a text",
                    format!("put it into quotes: \"{}\"", quoted(text).trim_matches('`')),
                );
                None
            }
            Value::Scalar { .. } => {
                reading.wrong_type(node, "a text", "write the text, or remove the key".into());
                None
            }
            _ => {
                reading.wrong_type(node, "a text", format!("write `{}: …` with one text", reading.key));
                None
            }
        }
    }
}

impl Decode for bool {
    fn decode(node: &Node, reading: &mut Reading<'_>) -> Option<Self> {
        let written = match &node.value {
            Value::Scalar { text, plain: true } => text.as_str(),
            _ => "",
        };
        match written {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => {
                reading.wrong_type(node, "true or false", "write true or false, without quotes".to_owned());
                None
            }
        }
    }
}

impl Decode for i32 {
    fn decode(node: &Node, reading: &mut Reading<'_>) -> Option<Self> {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let written = match &node.value {
            Value::Scalar { text, plain } => Some((text.parse::<Self>(), *plain)),
            _ => None,
        };
        match written {
            Some((Ok(number), true)) => Some(number),
            Some((Ok(number), false)) => {
                reading.wrong_type(node, "a whole number", format!("write it without quotes: {number}"));
                None
            }
            Some((Err(error), _)) if matches!(error.kind(), PosOverflow | NegOverflow) => {
                let range = format!("a whole number between {} and {}", Self::MIN, Self::MAX);
                reading.wrong_type(node, &range, format!("for example `{}: 40`", reading.key));
                None
            }
            _ => {
                reading.wrong_type(node, "a whole number", format!("for example `{}: 40`", reading.key));
                None
            }
        }
    }
}

/// A scalar of any type, as it is written: `5s`, `64MB`, `off`, `1.10`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar(pub(crate) String);

impl Decode for Scalar {
    fn decode(node: &Node, reading: &mut Reading<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => Some(Self(text.clone())),
            _ => {
                reading.wrong_type(node, "one value", format!("for example `{}: 5s`", reading.key));
                None
            }
        }
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, reading: &mut Reading<'_>) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            reading.wrong_type(node, "a list", format!("write `{}: [ … ]`, also for one entry", reading.key));
            return None;
        };
        let mut all = Self::with_capacity(items.len());
        for item in items {
            if reading.full() {
                break;
            }
            let key = reading.key.clone();
            all.extend(T::decode(item, reading));
            reading.key = key;
        }
        Some(all)
    }
}

/// A mapping whose keys are names that the user chooses, in the file's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named<T>(pub(crate) Vec<(At<String>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Decode> Decode for Named<T> {
    fn decode(node: &Node, reading: &mut Reading<'_>) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            reading.wrong_type(node, "a mapping", format!("write `{}: {{ name: … }}`", reading.key));
            return None;
        };
        let mut all = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            if reading.full() {
                break;
            }
            reading.key.clone_from(&key.text);
            if let Some(value) = T::decode(value, reading) {
                all.push((At { value: key.text.clone(), span: key.span }, value));
            }
        }
        Some(Self(all))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "object", "additionalProperties": value })
    }
}

/// A mapping with fixed keys, while it is read.
pub(crate) struct Fields<'n> {
    span: Span,
    entries: Vec<(&'n super::yaml::Key, &'n Node)>,
    /// The keys that mistyped ones were most likely meant to be.
    meant: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Takes a mapping and notes the keys that nobody reads.
    pub(crate) fn of(node: &'n Node, keys: &[&'static str], reading: &mut Reading<'_>) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            let help = format!("write `{{ {}: … }}`; the keys here are {}", keys[0], keys.join(", "));
            reading.wrong_type(node, "a mapping", help);
            return None;
        };
        let mut known = Vec::with_capacity(entries.len());
        let mut meant = Vec::new();
        for (key, value) in entries {
            if keys.contains(&key.text.as_str()) {
                known.push((key, value));
                continue;
            }
            if reading.full() {
                break;
            }
            let likely = nearest(&key.text, keys.iter().copied());
            meant.extend(keys.iter().filter(|k| Some(**k) == likely));
            let help = match likely {
                Some(key) => format!("write `{key}`"),
                None => format!("the keys here are {}", keys.join(", ")),
            };
            reading.push(Kind::UnknownKey, key.span, format!("the key {} is not known here", quoted(&key.text)), help);
        }
        // Nothing may be concluded from the absence of what was meant to be there.
        reading.flawed.extend(&meant);
        Some(Self { span: node.span, entries: known, meant })
    }

    /// Reads one key's value.
    pub(crate) fn take<T: Field>(&self, key: &'static str, reading: &mut Reading<'_>) -> T {
        match self.entries.iter().find(|(k, _)| k.text == key) {
            None => {
                if T::REQUIRED && !self.meant.contains(&key) {
                    let span = Span { length: 1, ..self.span };
                    reading.push(Kind::MissingKey, span, format!("`{key}` is missing"), format!("add `{key}: …`"));
                }
                T::absent()
            }
            Some(_) if reading.full() => T::absent(),
            Some((_, value)) => {
                let before = reading.problems.len();
                key.clone_into(&mut reading.key);
                let taken = T::present(value, reading);
                if reading.problems.len() > before {
                    reading.flawed.push(key);
                }
                taken
            }
        }
    }
}

/// Drops the `r#` of a field that is named like a keyword.
pub(crate) const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// Declares a mapping with fixed keys once, for reading and for the JSON Schema.
macro_rules! record {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* })*) => {$(
        #[derive(Debug, Clone, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$meta])*
        pub(crate) struct $name {
            $($(#[$field_meta])* pub(crate) $field: $kind,)*
        }

        impl $crate::manifest::decode::Decode for $name {
            fn decode(
                node: &$crate::manifest::yaml::Node,
                reading: &mut $crate::manifest::decode::Reading<'_>,
            ) -> Option<Self> {
                const KEYS: &[&str] = &[$($crate::manifest::decode::plain(stringify!($field))),*];
                let fields = $crate::manifest::decode::Fields::of(node, KEYS, reading)?;
                $(let $field = fields.take($crate::manifest::decode::plain(stringify!($field)), reading);)*
                Some(Self { $($field,)* })
            }
        }
    )*};
}
pub(crate) use record;

/// Declares a choice of words once, for reading and for the messages.
pub(crate) fn word<T: Copy>(words: &[(&'static str, T)], node: &Node, reading: &mut Reading<'_>) -> Option<T> {
    let text = String::decode(node, reading)?;
    let found = words.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let help = match nearest(&text, all.iter().copied()) {
            Some(word) => format!("write `{word}`"),
            None => format!("write one of {}", all.join(", ")),
        };
        let message = format!("{} must be one of {}, but is {}", quoted(&reading.key), all.join(", "), quoted(&text));
        reading.push(Kind::BadValue, node.span, message, help);
    }
    found.map(|(_, value)| *value)
}
