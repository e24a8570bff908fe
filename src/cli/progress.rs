//! How far a long copy is, on stderr: a bar on a terminal, a line now and then without one, JSON for programs.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle as Template};
use pgcleave::event::Event;

use super::context::Context;

/// How often a log that is no terminal gets a line, in seconds.
const LOG_SECONDS: u64 = 10;

/// How to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// A bar on a terminal, else a line every ten seconds
    Auto,
    /// One JSON object a line, `pgcleave.event/1`
    Json,
    /// Nothing
    None,
}

/// Writes an event for programs, on one line.
pub(crate) fn json(event: &Event) -> String {
    let mut value = serde_json::to_value(event).expect("an event has only texts for keys");
    if let Some(fields) = value.as_object_mut() {
        fields.insert("format".to_owned(), "pgcleave.event/1".into());
    }
    value.to_string()
}

/// Shows progress.
pub(crate) struct Progress {
    style: ProgressStyle,
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Mutex<Instant>,
}

impl Progress {
    pub(crate) fn new(context: &Context) -> Self {
        let style = if context.global.quiet { ProgressStyle::None } else { context.global.progress };
        let terminal = style == ProgressStyle::Auto && std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let template = "{msg} {wide_bar} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta}";
            ProgressBar::new(0).with_style(Template::with_template(template).expect("a good template"))
        });
        Self { style, bar, started: Instant::now(), last_line: Mutex::new(Instant::now()) }
    }

    /// Tells an event.
    pub(crate) fn tell(&self, context: &Context, event: &Event) {
        let shown = self.style != ProgressStyle::Json;
        let (true, Event::Progress { step, bytes, total_bytes, rows, .. }) = (shown, event) else {
            return match &self.bar {
                Some(bar) => bar.suspend(|| context.tell(event)),
                None => context.tell(event),
            };
        };
        if *total_bytes == 0 || self.style == ProgressStyle::None {
            return;
        }
        // The server's size on disk is only about what travels.
        let total = (*total_bytes).max(*bytes);
        if let Some(bar) = &self.bar {
            // Indexes and keys follow, in whose time no bytes pass.
            let all = if *bytes == total { ", all rows are there" } else { "" };
            bar.set_message(format!("{step}{all}"));
            bar.set_length(total);
            return bar.set_position(*bytes);
        }
        let mut last = self.last_line.lock().expect("nothing panics while it is held");
        if last.elapsed() >= Duration::from_secs(LOG_SECONDS) {
            *last = Instant::now();
            let seconds = self.started.elapsed().as_secs().max(1);
            let left = match *bytes {
                0 => String::new(),
                bytes if bytes == total => ", all rows are there".to_owned(),
                bytes => format!(", about {} s to go", (total - bytes) * seconds / bytes),
            };
            let (done, all, rate) = (HumanBytes(*bytes), HumanBytes(total), HumanBytes(bytes / seconds));
            context.story(&format!("{step}: {done} of about {all}, {rows} rows, {rate}/s{left}"));
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
