//! Where the checks put what they find.

use std::path::Path;

use super::decode::position;
use super::problem::{Kind, Problem};
use super::service::Position;
use super::yaml::Span;

/// Collects the problems of one file at a time.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) file: &'a Path,
    pub(crate) problems: &'a mut Vec<Problem>,
}

impl Report<'_> {
    /// Notes a problem in the current file.
    pub(crate) fn push(&mut self, kind: Kind, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.at(kind, self.position(span), span.length, message.into(), help.into(), None);
    }

    /// Notes that something stands twice in the current file.
    pub(crate) fn twice(&mut self, span: Span, first: Span, message: String) {
        let also = Some((self.position(first), "the first one is".to_owned()));
        self.at(Kind::DuplicateEntry, self.position(span), span.length, message, "keep one of them".into(), also);
    }

    /// Notes a problem at any place.
    pub(crate) fn at(
        &mut self,
        kind: Kind,
        at: Position,
        length: usize,
        message: String,
        help: String,
        also: Option<(Position, String)>,
    ) {
        self.problems.push(Problem { at, length, kind, message, help, also });
    }

    pub(crate) fn position(&self, span: Span) -> Position {
        position(self.file, span)
    }
}
