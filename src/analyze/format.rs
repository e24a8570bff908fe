//! `format()`: the pieces between its placeholders, and what the placeholders may hold.

use squawk_syntax::SyntaxKind::LITERAL;
use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode as _};

use super::dynamic::{Built, Hole};

/// Appends what a call of `format` gives.
/// <https://www.postgresql.org/docs/current/functions-string.html#FUNCTIONS-STRING-FORMAT>
pub(super) fn push(built: &mut Built, arguments: &[SyntaxNode], at: usize) {
    let literal = arguments.first().and_then(|first| first.first_child()).filter(|child| child.kind() == LITERAL);
    let Some(pattern) = literal.and_then(ast::Literal::cast).and_then(|literal| literal.decoded_value()) else {
        built.hole(Hole::Text, at);
        return;
    };
    let text = pattern.text();
    let (mut done, mut next) = (0, 1);
    while let Some(percent) = text[done..].find('%').map(|found| done + found) {
        built.push_decoded(&pattern, done..percent);
        let Placeholder { length, argument, kind } = placeholder(&text[percent..]);
        done = percent + length;
        let here = super::body::source(&pattern, percent);
        let number = argument.unwrap_or(next);
        let argument = arguments.get(number);
        match kind {
            '%' => built.known("%", here),
            'L' => built.known("NULL", here),
            'I' => built.push_name(argument, here),
            's' => match argument {
                Some(argument) => built.push(argument),
                None => built.hole(Hole::Text, here),
            },
            _ => built.hole(Hole::Text, here),
        }
        if kind != '%' {
            next = number + 1;
        }
    }
    built.push_decoded(&pattern, done..text.len());
}

/// `%[n$][-][width]type`.
struct Placeholder {
    length: usize,
    argument: Option<usize>,
    kind: char,
}

fn placeholder(text: &str) -> Placeholder {
    let inside = &text[1..];
    let digits = inside.find(|c: char| !c.is_ascii_digit()).unwrap_or(inside.len());
    let argument = inside[digits..].starts_with('$').then(|| inside[..digits].parse().ok()).flatten();
    let after = if argument.is_some() { digits + 1 } else { 0 };
    let modifiers = inside[after..].find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(inside[after..].len());
    let kind = inside[after + modifiers..].chars().next();
    Placeholder {
        length: 1 + after + modifiers + kind.map_or(0, char::len_utf8),
        argument,
        kind: kind.unwrap_or_default(),
    }
}
