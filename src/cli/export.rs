//! `pgcleave export`: writes a service's schema into an archive.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pgcleave::archive::export::{self, Options};
use pgcleave::archive::location::Location;
use pgcleave::archive::plain;
use pgcleave::error::Verdict;
use pgcleave::ident::Ident;
use pgcleave::report;
use pgcleave::transfer::coupling::CouplingKind;

use super::context::{Context, Format};
use super::failure::Failure;
use super::progress::Progress;

/// Writes a service's schema into an archive that opens without pgcleave
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The service; without manifests, a schema
    service: String,
    /// The folder to write, which must not exist yet, or an empty prefix: s3://bucket/prefix, gs://…, az://…
    #[arg(long, value_name = "DIR|URL")]
    to: String,
    /// What to write: an archive to restore, or plain rows for another kind of store
    #[arg(long = "as", value_enum, default_value_t = As::Archive, value_name = "KIND")]
    kind: As,
    /// Accepts a coupling by its kind, although the copy will lack something: foreign-key, needs, large-objects …
    #[arg(long = "allow", visible_alias = "allow-coupling", value_name = "KIND", value_delimiter = ',', value_parser = coupling)]
    allow_coupling: Vec<CouplingKind>,
    /// Takes the SCRAM verifiers of the service's logins along, so that passwords stay as they are
    #[arg(long)]
    with_verifiers: bool,
    /// How long to wait for a table that somebody else holds locked, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    lock_wait: u64,
    /// The folder to look for pg_dump in first; it must be of the server's major version or a newer one
    #[arg(long, value_name = "DIR", env = "PGCLEAVE_PG_BIN")]
    pg_bin: Option<PathBuf>,
    #[command(flatten)]
    copy: CopyArgs,
}

/// What all commands that copy rows take.
#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// How many connections copy at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) jobs: u16,
    /// The most that all of them read in a second: 50M, 1G (bytes before compression)
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    pub(crate) max_rate: Option<u64>,
}

/// What an export writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum As {
    /// SQL and compressed COPY text, with restore.sh
    Archive,
    /// One CSV file a table, with a header
    Csv,
    /// One JSON object a line, one file a table
    Jsonl,
}

fn coupling(name: &str) -> Result<CouplingKind, String> {
    serde_json::from_value(name.into()).map_err(|_| format!("there is no coupling of kind {name:?}"))
}

/// Reads `50M`, with decimal powers.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        _ if digits.is_empty() => return Err("write a number of bytes, as in 50M".to_owned()),
        _ => return Err(format!("{:?} is no unit: write K, M or G", &text[digits.len()..])),
    };
    let number = digits.parse::<u64>().map_err(|_| "write a whole number of bytes, as in 50M".to_owned())?;
    number.checked_mul(factor).filter(|n| *n > 0).ok_or_else(|| "it must be more than nothing".to_owned())
}

/// Reads where an archive is; object storage takes its settings from the environment.
pub(crate) fn location(text: &str) -> Result<Location, Failure> {
    let settings =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(Location::parse(text, settings)?)
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &ExportArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    // Without pgcleave.yaml a service is a schema.
    let project = if context.global.config.exists() { Some(context.project()?) } else { None };
    let service = project.as_ref().and_then(|p| p.here().into_iter().find(|s| s.name.as_str() == args.service));
    let schema = match service {
        Some(service) => service.schema.clone(),
        None => Ident::new(&args.service).map_err(|e| Failure::usage(e.to_string()))?,
    };
    let manifest = match service {
        Some(service) => {
            let file = &service.at.file;
            Some(std::fs::read_to_string(file).map_err(|e| Failure::file("read the manifest", file, &e))?)
        }
        None => None,
    };
    let target = context.target_of(project.as_ref(), service).await?;
    let options = Options {
        service: args.service.clone(),
        schema,
        jobs: usize::from(args.copy.jobs),
        max_bytes_per_second: args.copy.max_rate,
        lock_seconds: args.lock_wait,
        allow: args.allow_coupling.clone(),
        verifiers: args.with_verifiers,
        manifest,
        programs: args.pg_bin.clone(),
        interrupt: context.interrupt.clone(),
    };
    let to = location(&args.to)?;
    let progress = Progress::new(context);
    let listener = |event| progress.tell(context, &event);
    let text = match args.kind {
        As::Archive => {
            let exported = export::export(&target, &to, &options, &listener).await;
            progress.end();
            report::archive::exported(&exported?, format == Format::Json)
        }
        As::Csv | As::Jsonl => {
            let kind = if args.kind == As::Csv { plain::Kind::Csv } else { plain::Kind::Jsonl };
            let written = plain::export(&target, &to, kind, &options, &listener).await;
            progress.end();
            report::archive::plain(&written?, format == Format::Json)
        }
    };
    context.answer(&text);
    Ok(Verdict::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_units() {
        assert_eq!(rate("50M"), Ok(50_000_000));
        assert_eq!(rate("7"), Ok(7));
        assert!(rate("0").is_err() && rate("x").is_err() && rate("1T").is_err());
    }

    #[test]
    fn couplings_have_names() {
        assert_eq!(coupling("foreign-key"), Ok(CouplingKind::ForeignKey));
        assert!(coupling("everything").is_err());
    }
}
