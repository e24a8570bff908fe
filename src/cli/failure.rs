//! How a failed command tells why, and what to do about it.

use std::any::Any;
use std::fmt::Write as _;
use std::process::ExitCode;

use pgcleave::error::{Coded, Verdict};
use pgcleave::manifest::Invalid;
use pgcleave::manifest::service::Project;
use pgcleave::report::terminal::Kind;

use super::context::{Context, to_stderr};

/// Why a command did not end well.
#[derive(Debug)]
pub(crate) struct Failure {
    verdict: Verdict,
    code: &'static str,
    /// The error and its causes, outermost first.
    chain: Vec<String>,
    hint: Option<String>,
    /// The manifests' problems, which are shown with their lines instead.
    invalid: Option<Box<Invalid>>,
}

impl<E: Coded> From<E> for Failure {
    fn from(mut error: E) -> Self {
        let invalid = (&mut error as &mut dyn Any).downcast_mut::<Invalid>().map(|i| Box::new(std::mem::take(i)));
        let mut chain = vec![error.to_string()];
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if chain.last() != Some(&text) {
                chain.push(text);
            }
            source = cause.source();
        }
        Self { verdict: error.verdict(), code: error.code(), chain, hint: super::hint::of(error.code()), invalid }
    }
}

impl Failure {
    /// Says that the command line itself is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Invalid, code: "usage", chain: vec![message.into()], hint: None, invalid: None }
    }

    /// Refuses what is done to managed services only, where one that is only described is among those named.
    pub(crate) fn if_described<'a>(project: &Project, mut named: impl Iterator<Item = &'a str>) -> Result<(), Self> {
        let Some(name) = named.find(|name| project.described.contains_key(*name)) else { return Ok(()) };
        let hint = "it is changed by whoever set it up; pgcleave does once `managed: false` is out of its manifest";
        Err(Self::usage(format!("{name} is described, not managed")).with_hint(hint))
    }

    /// Says that the environment does not tell where a service's own database is.
    pub(crate) fn no_url(message: String) -> Self {
        let hint = super::hint::of("no-database-url");
        Self { verdict: Verdict::Invalid, code: "no-database-url", chain: vec![message], hint, invalid: None }
    }

    /// Says that there is a file already where one would be written.
    pub(crate) fn file_exists(file: &std::path::Path) -> Self {
        let message = format!("{} is there already", file.display());
        Self { verdict: Verdict::Failed, code: "file-exists", chain: vec![message], hint: None, invalid: None }
    }

    /// Says that a file could not be read or written.
    pub(crate) fn file(doing: &str, file: &std::path::Path, error: &std::io::Error) -> Self {
        let message = format!("cannot {doing} {}: {error}", file.display());
        Self { verdict: Verdict::Failed, code: "file", chain: vec![message], hint: None, invalid: None }
    }

    /// Replaces the hint.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says where it happened.
    pub(crate) fn at(mut self, place: &str) -> Self {
        if let Some(message) = self.chain.first_mut() {
            *message = format!("{place}: {message}");
        }
        self
    }

    /// Gives its code and its text, for programs.
    pub(crate) fn told(&self) -> (&'static str, &str) {
        (self.code, self.chain.first().map_or("", String::as_str))
    }

    /// Writes it to stderr and gives its verdict.
    pub(crate) fn report(self, _context: &Context) -> Verdict {
        if let Some(invalid) = &self.invalid {
            super::invalid::report(invalid);
            return self.verdict;
        }
        let mut text = String::new();
        let red = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
        let (message, causes) = self.chain.split_first().expect("an error has a text");
        let _ = writeln!(text, "{red}error[{}]{red:#}: {message}", self.code);
        for cause in causes.iter().filter(|cause| !message.ends_with(cause.as_str())) {
            let _ = writeln!(text, "  because {cause}");
        }
        if let Some(hint) = self.hint {
            let _ = writeln!(text, "  help: {hint}");
        }
        to_stderr(&text, Kind::Text);
        self.verdict
    }
}

/// Tells of a failure that comes before any command.
pub(crate) fn system(doing: &str, error: &std::io::Error) -> ExitCode {
    to_stderr(&format!("error[system]: cannot {doing}: {error}\n"), Kind::Text);
    ExitCode::from(Verdict::Failed as u8)
}
