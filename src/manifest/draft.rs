//! A set of files on its way to a checked [`Project`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{self, Disk};
use super::config::{self, Choice};
use super::contracts::{self, Known};
use super::decode::Reading;
use super::names;
use super::problem::{Invalid, Kind, Problem, Source};
use super::raw::{RawConfig, RawService};
use super::report::Report;
use super::service::{Position, Project, Service};
use super::yaml;
use crate::ident::Ident;
use crate::model::naming::Naming;

/// A file as it was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its path as the user would type it.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Files that were read and not yet checked against each other.
///
/// [`Draft::new`] takes pgcleave.yaml, [`Draft::add`] each manifest, [`Draft::refuse`] what could not be read;
/// [`Draft::check`] gives the project or all that is wrong.
#[derive(Debug)]
pub struct Draft {
    config: PathBuf,
    raw_config: Option<RawConfig>,
    services: Vec<(PathBuf, RawService)>,
    /// The services that have a manifest, by their files' names and by what these say.
    names: BTreeSet<String>,
    opaque: BTreeSet<String>,
    invalid: Invalid,
}

impl Draft {
    /// Reads pgcleave.yaml.
    #[must_use]
    pub fn new(config: SourceFile) -> Self {
        let mut draft = Self::without_config(config.path.clone());
        let (raw, _) = draft.read::<RawConfig>(&config);
        draft.raw_config = raw;
        draft
    }

    /// Starts without a readable pgcleave.yaml, so that what is wrong with it can be told.
    #[must_use]
    pub fn without_config(path: PathBuf) -> Self {
        Self {
            config: path,
            raw_config: None,
            services: Vec::new(),
            names: BTreeSet::new(),
            opaque: BTreeSet::new(),
            invalid: Invalid::default(),
        }
    }

    /// Gives the folder of the manifests.
    #[must_use]
    pub fn manifests(&self) -> PathBuf {
        let folder =
            self.raw_config.as_ref().and_then(|c| c.manifests.as_ref()).map_or("manifests", |m| m.value.as_str());
        self.folder().join(folder)
    }

    fn folder(&self) -> &Path {
        self.config.parent().unwrap_or(Path::new(""))
    }

    /// Gives the place in pgcleave.yaml that names the folder of the manifests, or its beginning.
    #[must_use]
    pub fn manifests_at(&self) -> Position {
        let span = self.raw_config.as_ref().and_then(|c| c.manifests.as_ref()).map(|m| m.span);
        span.map_or_else(|| start_of(&self.config), |span| super::decode::position(&self.config, span))
    }

    /// Reads one manifest.
    pub fn add(&mut self, file: &SourceFile) {
        let stem = stem(&file.path);
        self.names.insert(stem.clone());
        let (raw, flawed) = self.read::<RawService>(file);
        let Some(raw) = raw else {
            self.opaque.insert(stem);
            return;
        };
        let name = raw.service.get().map_or_else(|| stem.clone(), |name| name.value.clone());
        if raw.service.get().is_none() || name != stem {
            self.opaque.insert(stem);
        }
        if flawed.iter().any(|key| matches!(*key, "exposes" | "consumes")) {
            self.opaque.insert(name.clone());
        }
        self.names.insert(name);
        self.services.push((file.path.clone(), raw));
    }

    /// Notes that a file could not be read; the service that it is named for is known all the same.
    pub fn refuse(&mut self, file: &Path, kind: Kind, message: impl Into<String>, help: impl Into<String>) {
        self.names.insert(stem(file));
        self.opaque.insert(stem(file));
        self.refuse_at(start_of(file), kind, message, help);
    }

    /// Notes a problem at a place.
    pub fn refuse_at(&mut self, at: Position, kind: Kind, message: impl Into<String>, help: impl Into<String>) {
        let (message, help) = (message.into(), help.into());
        self.invalid.problems.push(Problem { at, length: 0, kind, message, help, also: None });
    }

    /// Gives the paths that the manifests name: folders of migrations, queries of read models.
    #[must_use]
    pub fn mentioned(&self) -> Vec<PathBuf> {
        let of = |(path, raw): &(PathBuf, RawService)| check::mentioned(raw, path.parent().unwrap_or(Path::new("")));
        self.services.iter().flat_map(of).collect()
    }

    /// Checks everything, with what stands at the mentioned paths.
    ///
    /// # Errors
    /// All problems of all files, sorted by file and place.
    pub fn check<'a>(mut self, environment: impl Into<Choice<'a>>, disk: &Disk) -> Result<Project, Invalid> {
        let environment = environment.into();
        let mut problems = std::mem::take(&mut self.invalid.problems);
        let root = Some(self.folder()).filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
        let config_path = self.config.clone();
        let mut report = Report { file: &config_path, problems: &mut problems };
        let config = self.raw_config.as_ref().map(|raw| config::check(raw, &mut report));
        let chosen = config.as_ref().and_then(|c| c.choose(environment, &mut report));
        let mut services = self.checked_services(disk, &mut problems);
        self.check_together(&mut services, config.as_ref(), &mut problems);
        if let (Some(config), Some(chosen), []) = (config, chosen, problems.as_slice()) {
            let (services, described) = services.into_iter().partition(|(_, service)| service.managed);
            return Ok(Project {
                root,
                naming: Naming { prefix: chosen.role_prefix },
                database_url_env: chosen.database_url_env,
                administrator: config.administrator,
                secrets: config.secrets,
                client_sslrootcert: chosen.client_sslrootcert,
                close_database: !chosen.keep_open,
                limits: config.limits,
                audit: config.audit,
                services,
                described,
                elsewhere: BTreeMap::new(),
            });
        }
        problems.sort();
        problems.dedup();
        Err(Invalid { problems, sources: self.invalid.sources })
    }

    fn checked_services(&mut self, disk: &Disk, problems: &mut Vec<Problem>) -> BTreeMap<Ident, Service> {
        let mut services: BTreeMap<Ident, Service> = BTreeMap::new();
        let mut schemas: BTreeMap<Ident, Position> = BTreeMap::new();
        for (path, raw) in &self.services {
            let before = problems.len();
            let mut report = Report { file: path, problems };
            let checked = check::service(raw, disk, &mut report);
            let is_flawed =
                |p: &Problem| matches!(p.kind, Kind::BadName | Kind::BadSignature | Kind::BadValue | Kind::NameTooLong);
            // without a name of its own, it is known by its file's
            let Some(name) = raw.service.get() else { continue };
            if checked.is_none() || report.problems[before..].iter().any(is_flawed) {
                self.opaque.insert(name.value.clone());
            }
            let Some(service) = checked else { continue };
            if let Some(first) = services.get(&service.name) {
                let message = format!("there are two manifests of the service `{}`", service.name.as_str());
                let also = Some((first.at.clone(), "the first one is".to_owned()));
                let length = name.span.length;
                report.at(Kind::DuplicateService, service.at, length, message, "keep one of them".into(), also);
                continue;
            }
            let schema_span = raw.schema.as_ref().unwrap_or(name).span;
            let schema_at = report.position(schema_span);
            if let Some(first) = schemas.get(&service.schema) {
                let message = format!("the schema `{}` has an owner already", service.schema.as_str());
                let also = Some((first.clone(), "it is claimed".to_owned()));
                let help = "give each service a schema of its own".to_owned();
                report.at(Kind::DuplicateSchema, schema_at, schema_span.length, message, help, also);
            } else {
                schemas.insert(service.schema.clone(), schema_at);
            }
            services.insert(service.name.clone(), service);
        }
        services
    }

    fn check_together(
        &self,
        services: &mut BTreeMap<Ident, Service>,
        config: Option<&config::Config>,
        problems: &mut Vec<Problem>,
    ) {
        let known = Known { names: &self.names, opaque: &self.opaque };
        for (path, raw) in &self.services {
            let mut report = Report { file: path, problems };
            let exposed_to = raw.exposes.iter().flatten().filter_map(|e| e.value.to.get()).flat_map(|to| &to.value);
            let topics = raw.outbox.iter().filter_map(|o| o.value.topics.get()).flat_map(|t| &t.value.0);
            let topics = topics.flat_map(|(_, to)| to);
            for name in exposed_to.chain(topics) {
                known.check(name, &mut report);
            }
        }
        contracts::resolve(services);
        contracts::check(services, &known, problems);
        let prefixes = config.map_or_else(|| vec![String::new()], config::Config::prefixes);
        let mut report = Report { file: &self.config, problems };
        names::roles(services, &prefixes, &mut report);
    }

    /// Reads a file's text into a raw type; gives also the keys that could not be read in full.
    fn read<T: super::decode::Decode>(&mut self, file: &SourceFile) -> (Option<T>, Vec<&'static str>) {
        let mut reading = Reading::new(&file.path);
        let text = match std::str::from_utf8(&file.bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = &file.bytes[..error.valid_up_to()];
                let line = 1 + before.iter().filter(|b| **b == b'\n').count();
                let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
                let column = 1 + String::from_utf8_lossy(&before[line_start..]).chars().count();
                let byte = file.bytes[error.valid_up_to()];
                let message = format!("byte {} of the file, {byte:#04x}, is not UTF-8", error.valid_up_to() + 1);
                let at = Position { file: file.path.clone(), line, column };
                self.refuse_at(at, Kind::NotText, message, "save the file as UTF-8");
                let readable = Source::new(&String::from_utf8_lossy(&file.bytes));
                self.invalid.sources.insert(file.path.clone(), Arc::new(readable));
                return (None, Vec::new());
            }
        };
        self.invalid.sources.insert(file.path.clone(), Arc::new(Source::new(text)));
        let (node, faults) = yaml::parse(text);
        faults.into_iter().for_each(|fault| reading.fault(fault));
        let raw = node.and_then(|node| T::decode(&node, &mut reading));
        let Reading { problems, flawed, .. } = reading;
        self.invalid.problems.extend(problems);
        (raw, flawed)
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

fn start_of(path: &Path) -> Position {
    Position { file: path.to_path_buf(), line: 1, column: 1 }
}
