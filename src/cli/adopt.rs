//! `pgcleave adopt`: writes manifests from a live database; never over an existing file.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use pgcleave::apply;
use pgcleave::catalog::survey::{Survey, survey};
use pgcleave::error::Verdict;
use pgcleave::ident::Ident;
use pgcleave::manifest::adopt::{self, Adoption, Given};
use pgcleave::manifest::service::Project;
use pgcleave::manifest::{Disk, Draft, SourceFile};
use pgcleave::model::naming::Naming;
use pgcleave::pg::session::SessionKind;
use pgcleave::plan::build::{Options, build};
use pgcleave::plan::described;
use pgcleave::registry::{self, Baseline};
use pgcleave::report;

use super::context::{Context, Format};
use super::failure::Failure;

/// Writes manifests from a live database, and lists what does not fit them
#[derive(Debug, Args)]
pub(crate) struct AdoptArgs {
    /// Only these schemas; all by default
    #[arg(value_name = "SCHEMA")]
    schemas: Vec<String>,
    /// The folder to write pgcleave.yaml and the manifests to; that of --config by default
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// What stands before the names of all roles; found out by default
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(context: &Context, args: &AdoptArgs) -> Result<Verdict, Failure> {
    let format = context.format(&[Format::Human, Format::Json])?;
    let place = Place::find(context, args)?;
    let known = place.known(context)?;
    let target = context.target(known.as_ref().and_then(|p| p.database_url_env.as_deref()))?;
    let mut connection = target.connect(SessionKind::Administrator, "pgcleave adopt").await?;
    let survey = survey(&mut connection).await?;
    let naming = naming(args, known.as_ref(), &survey)?;
    let only = only(args, &survey)?;
    let environment = place.environment(context, &naming);
    let config = place.existing.clone().unwrap_or_else(|| adopt::config(&naming, environment.as_deref()).into_bytes());
    let mut given = Given {
        observed: &survey.observed,
        naming: &naming,
        extensions: &survey.extensions,
        extension_schemas: &survey.extension_schemas,
        only: &only,
        described: &BTreeSet::new(),
    };
    let written = Written { place: &place, config, environment: environment.as_deref() };

    // first as if all were managed, to see what that would change
    let managed = written.read(&adopt::adopt(&given))?;
    let (full, observed) = apply::plan_of_found(&mut connection, &managed, &Options::default()).await?;
    let described = described::to_describe(&managed.without_moved(&observed.splits), &observed);
    given.described = &described;
    let adoption = adopt::adopt(&given);
    let project = written.read(&adoption)?;
    let plan = build(&project.without_moved(&observed.splits), &observed, &[], &Options::default());

    let is_any = !adoption.services.is_empty();
    let files = if is_any { write(context, &written.folder(), written.files(&adoption))? } else { Vec::new() };
    let plans = is_any.then_some(report::adopt::Plans { full: &full, now: &plan });
    let schemas: Vec<&str> = adoption.services.iter().map(|service| service.schema.as_str()).collect();
    let mut baselines = registry::baselines(&mut connection, &schemas).await?;
    baselines.retain(Baseline::is_needed);
    let environment = context.global.env.as_deref();
    let adopted =
        report::adopt::Adopted { adoption: &adoption, written: &files, plans, baselines: &baselines, environment };
    context.answer(&match format {
        Format::Json => report::adopt::json(&adopted),
        _ => report::adopt::human(&adopted),
    });
    Ok(Verdict::Done)
}

/// What is to be written.
struct Written<'a> {
    place: &'a Place,
    config: Vec<u8>,
    environment: Option<&'a str>,
}

impl Written<'_> {
    fn draft(&self) -> Draft {
        Draft::new(SourceFile { path: self.place.config.clone(), bytes: self.config.clone() })
    }

    fn folder(&self) -> PathBuf {
        self.draft().manifests()
    }

    fn manifests(&self, adoption: &Adoption) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = self.folder();
        let file = |name: &Ident| folder.join(format!("{}.yaml", name.as_str()));
        adoption.services.iter().map(|service| (file(&service.name), service.text.clone().into_bytes())).collect()
    }

    /// Gives all files, pgcleave.yaml only where there is none.
    fn files(&self, adoption: &Adoption) -> Vec<(PathBuf, Vec<u8>)> {
        let config = (self.place.config.clone(), self.config.clone());
        let config = Some(config).filter(|_| self.place.existing.is_none());
        config.into_iter().chain(self.manifests(adoption)).collect()
    }

    /// Reads the manifests as they will be read.
    fn read(&self, adoption: &Adoption) -> Result<Project, Failure> {
        let mut draft = self.draft();
        for (path, bytes) in self.manifests(adoption) {
            draft.add(&SourceFile { path, bytes });
        }
        Ok(draft.check(self.environment, &Disk::new())?)
    }
}

/// Where it is written.
struct Place {
    config: PathBuf,
    /// The text of pgcleave.yaml, if it is there.
    existing: Option<Vec<u8>>,
}

impl Place {
    fn find(context: &Context, args: &AdoptArgs) -> Result<Self, Failure> {
        let config = match &args.to {
            Some(folder) => folder.join(pgcleave::load::CONFIG_FILE),
            None if context.global.config.is_dir() => context.global.config.join(pgcleave::load::CONFIG_FILE),
            None => context.global.config.clone(),
        };
        let existing = match fs::read(&config) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::file("read", &config, &error)),
        };
        Ok(Self { config, existing })
    }

    /// Reads what pgcleave.yaml says, if it is there.
    fn known(&self, context: &Context) -> Result<Option<Project>, Failure> {
        let Some(bytes) = &self.existing else { return Ok(None) };
        let draft = Draft::new(SourceFile { path: self.config.clone(), bytes: bytes.clone() });
        Ok(Some(draft.check(context.choice(), &Disk::new())?))
    }

    /// Names the environment that the roles' prefix is of, if there is any.
    fn environment(&self, context: &Context, naming: &Naming) -> Option<String> {
        let named = context.global.env.clone();
        if self.existing.is_some() || naming.prefix.is_empty() {
            return named;
        }
        named.or_else(|| Some(adopt::ENVIRONMENT.to_owned()))
    }
}

/// Takes the prefix that is given, else that of pgcleave.yaml, else the registry's, else what the owners' names show.
fn naming(args: &AdoptArgs, known: Option<&Project>, survey: &Survey) -> Result<Naming, Failure> {
    let prefix = match (&args.prefix, known) {
        (Some(prefix), Some(known)) if *prefix != known.naming.prefix => {
            let message = format!("--prefix {prefix:?} is not that of pgcleave.yaml, {:?}", known.naming.prefix);
            return Err(Failure::usage(message).with_hint("choose the environment with --env"));
        }
        (Some(prefix), _) => prefix.clone(),
        (None, Some(known)) => known.naming.prefix.clone(),
        (None, None) => survey.prefixes.first().cloned().unwrap_or_else(|| adopt::likely_prefix(&survey.observed)),
    };
    Ok(Naming { prefix })
}

/// Finds the schemas that are named.
fn only(args: &AdoptArgs, survey: &Survey) -> Result<BTreeSet<Ident>, Failure> {
    let there = &survey.observed.state.schemas;
    let find = |name: &String| {
        let found = there.keys().find(|schema| schema.as_str() == name).cloned();
        found.ok_or_else(|| Failure::usage(format!("there is no schema {name:?} in the database")))
    };
    args.schemas.iter().map(find).collect()
}

/// Writes the files, if none of them is there yet.
fn write(context: &Context, folder: &Path, files: Vec<(PathBuf, Vec<u8>)>) -> Result<Vec<PathBuf>, Failure> {
    if let Some((path, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        return Err(Failure::file_exists(path).with_hint("give --to an empty folder, or name the schemas that are new"));
    }
    fs::create_dir_all(folder).map_err(|error| Failure::file("make the folder", folder, &error))?;
    let mut written = Vec::new();
    for (path, bytes) in files {
        let wrote = fs::File::create_new(&path).and_then(|mut file| file.write_all(&bytes));
        wrote.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::file_exists(&path),
            _ => Failure::file("write", &path, &error),
        })?;
        context.story(&format!("wrote {}", path.display()));
        written.push(path);
    }
    Ok(written)
}
