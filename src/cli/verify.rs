//! `pgcleave verify`: compares two sides.

use clap::Args;
use pgcleave::archive::verify::{self, Options, Place};
use pgcleave::error::Verdict;
use pgcleave::ident::Ident;
use pgcleave::report;
use secrecy::{ExposeSecret as _, SecretString};

use super::context::{Context, Format};
use super::export::location;
use super::failure::Failure;
use super::progress::Progress;

/// Compares rows, definitions, positions, grants and roles of two sides, each an archive or a database; ends with 4 if they differ
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// An archive's folder or address, a connection string, or `-` for the database of --database-url or DATABASE_URL
    a: SecretString,
    /// The other side; `env:NAME` takes a connection string from an environment variable
    b: SecretString,
    /// The schema to compare; an archive knows its own
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
    /// How many connections read at once, on each side
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// How many differing rows of a table are named
    #[arg(long, value_name = "N", default_value_t = 10)]
    rows: u16,
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &VerifyArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let schema = args.schema.as_deref().map(Ident::new).transpose().map_err(|e| Failure::usage(e.to_string()))?;
    let (a, b) = (place(context, &args.a)?, place(context, &args.b)?);
    if schema.is_none() && matches!(a, Place::Database(_)) {
        return Err(Failure::usage("say which --schema to compare, or name the archive first"));
    }
    let options = Options {
        schema,
        jobs: usize::from(args.jobs),
        rows: usize::from(args.rows),
        lock_seconds: 30,
        interrupt: context.interrupt.clone(),
    };
    let progress = Progress::new(context);
    let verified = verify::verify(&a, &b, &options, &|event| progress.tell(context, &event)).await;
    progress.end();
    let verified = verified?;
    context.answer(&match format {
        Format::Json => report::verify::json(&verified),
        _ => report::verify::human(&verified),
    });
    Ok(if verified.equal { Verdict::Done } else { Verdict::Findings })
}

fn place(context: &Context, text: &SecretString) -> Result<Place, Failure> {
    let shown = text.expose_secret();
    if shown == "-" {
        return Ok(Place::Database(context.target(None)?));
    }
    if let Some(variable) = shown.strip_prefix("env:") {
        let url = std::env::var(variable).map_err(|_| Failure::usage(format!("{variable} is not set")))?;
        return Ok(Place::Database(context.read_target(&url.into())?));
    }
    if shown.starts_with("postgres://") || shown.starts_with("postgresql://") {
        return Ok(Place::Database(context.read_target(text)?));
    }
    Ok(Place::Archive(location(shown)?))
}
