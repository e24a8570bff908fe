//! What every command is given: the global options, the terminal, the connection string.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use anstream::ColorChoice;
use clap::{Args, ValueEnum};
use pgcleave::event::Event;
use pgcleave::ident::Ident;
use pgcleave::interrupt::Interrupt;
use pgcleave::manifest::Choice;
use pgcleave::manifest::service::Project;
use pgcleave::pg::connect::Target;
use pgcleave::pg::error::Error;
use pgcleave::report::terminal;
use secrecy::SecretString;

use super::failure::Failure;
use super::progress::{self, ProgressStyle};

/// The options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The folder that holds pgcleave.yaml, or the file itself
    #[arg(long, global = true, default_value = "pgcleave.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The environment of pgcleave.yaml to work on
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Where to connect; better given in the environment, since other users of this machine can see arguments
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<SecretString>,
    /// How to write the answer; which formats there are depends on the command
    #[arg(long, global = true, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// How to tell on stderr what happens
    #[arg(long, global = true, value_enum, default_value_t = ProgressStyle::Auto, value_name = "HOW")]
    pub(crate) progress: ProgressStyle,
    /// Says nothing on stderr but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Says more on stderr
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// How to write the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a person at a terminal
    Human,
    /// For programs; versioned
    Json,
    /// For a pull request
    Markdown,
    /// For code scanning, SARIF 2.1.0
    Sarif,
    /// For CI servers
    Junit,
    /// One self-contained page
    Html,
    /// A Mermaid diagram
    Mermaid,
    /// A Graphviz diagram
    Dot,
    /// A picture
    Svg,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal that can, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Global {
    /// Makes the choice of colours known to all that is printed.
    pub(crate) fn apply_color(&self) {
        match self.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
        .write_global();
    }
}

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    /// Ctrl-C asks the work to stop at its next step.
    pub(crate) interrupt: Interrupt,
    /// The servers that a warning has named: each is named once.
    unverified: Mutex<BTreeSet<String>>,
    /// The administrator that the project declares, once it is read.
    administrator: OnceLock<Ident>,
}

impl Context {
    pub(crate) fn new(global: Global, interrupt: Interrupt) -> Self {
        Self { global, interrupt, unverified: Mutex::default(), administrator: OnceLock::new() }
    }

    /// Gives the format, if it is one of those that the command can write.
    pub(crate) fn format(&self, offered: &[Format]) -> Result<Format, Failure> {
        let chosen = self.global.format;
        if offered.contains(&chosen) {
            return Ok(chosen);
        }
        let name = |f: Format| f.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default();
        let names: Vec<_> = offered.iter().map(|f| name(*f)).collect();
        Err(Failure::usage(format!("--format {} is not for this command; it has {}", name(chosen), names.join(", "))))
    }

    /// Reads the manifests, with the environment that is asked for.
    pub(crate) fn project(&self) -> Result<Project, Failure> {
        self.load(self.choice())
    }

    /// Reads the manifests, and remembers the administrator that they declare.
    fn load(&self, choice: Choice<'_>) -> Result<Project, Failure> {
        let project = pgcleave::load::project(&self.global.config, choice)?;
        if let Some(administrator) = &project.administrator {
            // Read twice, it is the same.
            let _ = self.administrator.set(administrator.clone());
        }
        Ok(project)
    }

    /// Tells which environment is asked for.
    pub(crate) fn choice(&self) -> Choice<'_> {
        match (self.global.env.as_deref(), &self.global.database_url) {
            (Some(name), _) => Choice::Named(name),
            (None, Some(_)) => Choice::WithUrl,
            (None, None) => Choice::Default,
        }
    }

    /// Reads the manifests for what no environment has a part in.
    pub(crate) fn project_anywhere(&self) -> Result<Project, Failure> {
        self.load(self.anywhere())
    }

    /// Chooses the environment that is named, or none.
    pub(crate) fn anywhere(&self) -> Choice<'_> {
        self.global.env.as_deref().map_or(Choice::None, Choice::Named)
    }

    /// Reads the manifests, if there is a pgcleave.yaml where it is looked for.
    pub(crate) fn project_if_any(&self) -> Result<Option<Project>, Failure> {
        let config = &self.global.config;
        let file = if config.is_dir() { config.join(pgcleave::load::CONFIG_FILE) } else { config.clone() };
        if file.exists() { self.project().map(Some) } else { Ok(None) }
    }

    /// Finds the connection string: the option, else the environment variable (`DATABASE_URL` by default).
    pub(crate) fn target(&self, variable: Option<&str>) -> Result<Target, Error> {
        let variable = variable.unwrap_or("DATABASE_URL");
        let from_environment = || std::env::var(variable).ok().filter(|url| !url.is_empty()).map(SecretString::from);
        match self.global.database_url.clone().or_else(from_environment) {
            Some(url) => self.read_target(&url),
            None => Err(Error::NoUrl { variable: variable.to_owned() }),
        }
    }

    /// Reads a connection string; warns, once, of a server on another machine that need not prove who it is.
    pub(crate) fn read_target(&self, url: &SecretString) -> Result<Target, Error> {
        let mut target = Target::parse(url)?;
        if let Some(administrator) = self.administrator.get() {
            target = target.administered_by(administrator.clone());
        }
        if let Some(server) = target.unverified()
            && self.unverified.lock().unwrap_or_else(PoisonError::into_inner).insert(server.clone())
        {
            let message = format!(
                "{server} does not have to prove that it is the right server: whoever can redirect this connection can \
                 answer in its place; add sslmode=verify-full to the connection string, and sslrootcert if its authority is \
                 your own"
            );
            self.tell(&Event::Warning { message });
        }
        Ok(target)
    }

    /// Writes the answer to stdout; a reader that went away is no error.
    pub(crate) fn answer(&self, text: &str) {
        use std::io::Write as _;
        let kind = match self.global.format {
            Format::Json | Format::Sarif => terminal::Kind::Json,
            _ => terminal::Kind::Text,
        };
        let mut out = anstream::stdout().lock();
        let _ = out.write_all(terminal::visible(text, kind).as_bytes()).and_then(|()| out.flush());
    }

    /// Gives how many characters fit on a line of the answer; without a terminal there is no end.
    pub(crate) fn width(&self) -> usize {
        use std::io::IsTerminal as _;
        let out = std::io::stdout();
        let columns = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten();
        columns.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(usize::MAX)
    }

    /// Writes a line of the story to stderr, unless it should be quiet.
    pub(crate) fn story(&self, line: &str) {
        if self.global.progress == ProgressStyle::Json {
            return self.tell(&Event::Note { message: line.to_owned() });
        }
        self.line(line, terminal::Kind::Text);
    }

    fn line(&self, line: &str, kind: terminal::Kind) {
        if !self.global.quiet {
            to_stderr(&format!("{line}\n"), kind);
        }
    }

    /// Tells an event on stderr.
    pub(crate) fn tell(&self, event: &Event) {
        if self.global.progress == ProgressStyle::Json {
            return self.line(&progress::json(event), terminal::Kind::Json);
        }
        let who = |service: &Option<String>| service.as_deref().map(|s| format!("{s}: ")).unwrap_or_default();
        match event {
            Event::Waiting { what, holder, held_seconds } => {
                self.story(&format!("waiting for {what}: held by {holder} for {held_seconds} s"));
            }
            Event::Started { service, step } if self.global.verbose > 0 => {
                self.story(&format!("{}{step} …", who(service)));
            }
            Event::Started { .. } => {}
            Event::Finished { service, step } => self.story(&format!("{}{step}", who(service))),
            Event::Failed { service, step, message } => {
                self.story(&format!("{}{step} failed: {message}", who(service)))
            }
            Event::Progress { .. } => {}
            Event::Note { message } => self.story(message),
            Event::Warning { message } => self.story(&format!("warning: {message}")),
        }
    }
}

/// Writes a text to stderr; the only way there, since what it says may come from a stranger.
pub(crate) fn to_stderr(text: &str, kind: terminal::Kind) {
    use std::io::Write as _;
    let _ = anstream::stderr().lock().write_all(terminal::visible(text, kind).as_bytes());
}
