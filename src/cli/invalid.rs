//! Shows what is wrong with manifests: the line, the place in it, and what to write instead.

use std::fmt;
use std::fmt::Write as _;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteHandlerOpts, MietteSpanContents, ReportHandler, SourceCode, SourceSpan,
    SpanContents,
};
use pgcleave::manifest::problem::{Invalid, Problem};
use pgcleave::manifest::service::Position;
use pgcleave::report::terminal::Kind;

use super::context::to_stderr;

/// How many problems are shown in full; a broken generator can make thousands.
const MAX_SHOWN: usize = 200;

/// Writes all problems to stderr, then how many there are.
pub(crate) fn report(invalid: &Invalid) {
    write(invalid, miette::Severity::Error);
    let red = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
    let count = invalid.problems.len();
    let problems = if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") };
    let has_sql = invalid.problems.iter().any(|problem| problem.at.file.extension().is_some_and(|end| end == "sql"));
    let who = if has_sql { "the services' SQL has" } else { "the manifests have" };
    to_stderr(&format!("{red}error[invalid-manifests]{red:#}: {who} {problems}\n"), Kind::Text);
}

/// Writes what only deserves a look to stderr.
pub(crate) fn warn(invalid: &Invalid) {
    write(invalid, miette::Severity::Warning);
}

fn write(invalid: &Invalid, severity: miette::Severity) {
    // Colours are always made here; the stream takes them out where they are not wanted.
    let handler = MietteHandlerOpts::new().color(true).terminal_links(false).force_graphical(true).build();
    let mut text = String::new();
    for problem in invalid.problems.iter().take(MAX_SHOWN) {
        let mut notes = vec![Note::of(problem, &problem.at, invalid, severity)];
        notes.extend(problem.also.as_ref().map(|(at, what)| Note::also(at, what, invalid)));
        for note in notes {
            let _ = write!(text, "{}", Shown { handler: &handler, note: &note });
        }
        let _ = writeln!(text);
    }
    let count = invalid.problems.len();
    if count > MAX_SHOWN {
        let _ = writeln!(text, "… and {} more", count - MAX_SHOWN);
    }
    to_stderr(&text, Kind::Text);
}

struct Shown<'a> {
    handler: &'a miette::MietteHandler,
    note: &'a Note,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handler.debug(self.note, f)
    }
}

/// One place with its line and what is to be said about it.
#[derive(Debug)]
struct Note {
    message: String,
    code: Option<&'static str>,
    help: Option<String>,
    severity: miette::Severity,
    label: &'static str,
    excerpt: Option<Excerpt>,
}

impl Note {
    fn of(problem: &Problem, at: &Position, invalid: &Invalid, severity: miette::Severity) -> Self {
        let excerpt = Excerpt::of(at, problem.length, invalid);
        let message = match &excerpt {
            Some(_) => problem.message.clone(),
            None if (at.line, at.column) == (1, 1) => format!("{}: {}", at.file.display(), problem.message),
            None => format!("{}:{}:{}: {}", at.file.display(), at.line, at.column, problem.message),
        };
        let (code, help) = (Some(problem.kind.code()), Some(problem.help.clone()));
        Self { message, code, help, severity, label: "here", excerpt }
    }

    fn also(at: &Position, what: &str, invalid: &Invalid) -> Self {
        let message = format!("{what} at {}:{}:{}", at.file.display(), at.line, at.column);
        let excerpt = Excerpt::of(at, 1, invalid);
        Self { message, code: None, help: None, severity: miette::Severity::Advice, label: "there", excerpt }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Note {}

impl Diagnostic for Note {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|excerpt| excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let excerpt = self.excerpt.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(Some(self.label.into()), excerpt.span))))
    }
}

/// One line of a file, cut to what a terminal can show.
#[derive(Debug)]
struct Excerpt {
    file: String,
    text: String,
    /// The marked bytes of the text.
    span: SourceSpan,
    /// The line's number, from 0 as miette counts.
    line: usize,
    /// The mark's column in the whole line, from 0.
    column: usize,
}

impl Excerpt {
    fn of(at: &Position, length: usize, invalid: &Invalid) -> Option<Self> {
        const BEFORE_CHARACTERS: usize = 60;
        const SHOWN_CHARACTERS: usize = 120;
        let line = invalid.source(&at.file)?.line(at.line)?;
        let column = (at.column - 1).saturating_sub(BEFORE_CHARACTERS);
        let column = if line.chars().count() <= SHOWN_CHARACTERS { 0 } else { column };
        let text: String = line.chars().skip(column).take(SHOWN_CHARACTERS).collect();
        let bytes = |characters: usize| text.chars().take(characters).map(char::len_utf8).sum::<usize>();
        let start = at.column - 1 - column;
        let (from, to) = (bytes(start), bytes(start + length));
        Some(Self {
            file: at.file.display().to_string(),
            span: (from, to - from).into(),
            line: at.line - 1,
            column: at.column - 1,
            text,
        })
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        _span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let whole = (0, self.text.len()).into();
        let (data, name) = (self.text.as_bytes(), self.file.clone());
        // Asked for the mark without lines around it, miette wants its place; else the beginning of what is shown.
        let column = if (before, after) == (0, 0) { self.column } else { 0 };
        Ok(Box::new(MietteSpanContents::new_named(name, data, whole, self.line, column, 1)))
    }
}
