//! Reads the services' SQL, for `check` to judge.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pgcleave::analyze::circle::Definitions;
use pgcleave::analyze::coupling::{Judged, Owners, Source as Holds};
use pgcleave::ident::Ident;
use pgcleave::manifest::Invalid;
use pgcleave::manifest::path::shown;
use pgcleave::manifest::problem::{Kind, Problem, Source};
use pgcleave::manifest::service::{Consumed, Position, Project, Service};
use pgcleave::migrate::discover::{self, Why};

/// The largest file that is looked through.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What was found in the SQL of all services.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What must not stay.
    pub(super) problems: Invalid,
    /// What to look at.
    pub(super) warnings: Invalid,
    /// What is consumed and named in no file, with its place; of services that have files.
    pub(super) unused: Vec<(Position, String)>,
}

/// The services' SQL while it is read.
struct Sql<'a> {
    root: &'a Path,
    owners: Owners<'a>,
    definitions: Definitions<'a>,
    sources: BTreeMap<PathBuf, Arc<Source>>,
    found: Found,
    /// Of each service whose files were read: whose objects they name, and which.
    used: BTreeMap<Ident, BTreeSet<(Ident, String)>>,
}

/// Reads and judges the migrations and read models of all services.
pub(super) fn judge(project: &Project) -> Found {
    let (owners, definitions) = (Owners::new(project), Definitions::new(project));
    let mut sql = Sql {
        root: &project.root,
        owners,
        definitions,
        sources: BTreeMap::new(),
        found: Found::default(),
        used: BTreeMap::new(),
    };
    for service in project.here() {
        if let Some(folder) = &service.migrations {
            sql.migrations(service, folder);
        }
        for model in &service.read_models {
            match read(&model.query) {
                Ok(text) => {
                    sql.add(service, Holds::Query, &model.query, &text);
                    sql.definitions.query(service, model.name.as_str(), &shown(&model.query), &text);
                }
                Err(message) => {
                    let help = "write a query there, as UTF-8 text";
                    sql.found.problems.problems.push(about(&model.query, Kind::UnreadableFile, message, help));
                }
            }
        }
    }
    sql.circles();
    sql.unused(project);
    let mut found = sql.found;
    found.problems.problems.sort();
    found.warnings.problems.sort();
    found
}

impl Sql<'_> {
    fn migrations(&mut self, service: &Service, folder: &Path) {
        match discover::discover(folder, self.root, service.layout) {
            Ok(files) => {
                for file in files {
                    let holds = Holds::Migration { alone: file.cuts().is_some() };
                    self.add(service, holds, &file.path, &file.text_in_place());
                }
            }
            Err(bad) => {
                for file in bad {
                    let help = "docs/migrations.md lists the layouts; `layout:` in the manifest names one";
                    let problem = about(&file.path, Kind::BadMigrations, file.why.to_string(), help);
                    // A service may begin without one.
                    let is_empty = file.why == Why::EmptyFolder;
                    let list = if is_empty { &mut self.found.warnings } else { &mut self.found.problems };
                    list.problems.push(problem);
                }
            }
        }
    }

    fn add(&mut self, service: &Service, holds: Holds, file: &Path, text: &str) {
        let shown = shown(file);
        if text.len() > MAX_BYTES {
            let message = format!("the file has more than {MAX_BYTES} bytes, and was not looked through");
            let problem =
                about(file, Kind::FileTooLarge, message, "keep data in a file of its own, apart from definitions");
            self.found.warnings.problems.push(problem);
            return;
        }
        let used = self.owners.uses(service, text);
        self.used.entry(service.name.clone()).or_default().extend(used);
        let Judged { problems, warnings } = self.owners.judge(service, holds, &shown, text);
        if matches!(holds, Holds::Migration { .. }) {
            self.definitions.migration(service, &shown, text);
        }
        let source = Arc::new(Source::new(text));
        for (list, found) in [(&mut self.found.problems, problems), (&mut self.found.warnings, warnings)] {
            if !found.is_empty() {
                list.sources.insert(shown.clone(), Arc::clone(&source));
                list.problems.extend(found);
            }
        }
        self.sources.insert(shown, source);
    }

    /// Finds what is consumed and named in none of the service's files.
    fn unused(&mut self, project: &Project) {
        for service in project.here() {
            let Some(used) = self.used.get(&service.name) else { continue };
            let of = |c: &Consumed| used.contains(&(c.service.clone(), c.name.as_str().to_owned()));
            let left: Vec<&Consumed> = service.consumes.iter().filter(|consumed| !of(consumed)).collect();
            let Some(first) = left.first() else { continue };
            let object = |c: &&Consumed| format!("{}.{}", c.service.as_str(), c.name.as_str());
            let objects = left.iter().map(object).collect::<Vec<_>>().join(", ");
            let name = service.name.as_str();
            let text =
                format!("nothing in the migrations and read models of {name} uses {objects}; an application may");
            self.found.unused.push((first.at.clone(), text));
        }
    }

    /// Adds the contracts that run in a circle, which no single file shows.
    fn circles(&mut self) {
        for problem in self.definitions.circles() {
            for (at, _) in std::iter::once(&(problem.at.clone(), String::new())).chain(&problem.also) {
                let source = self.sources.get(&at.file).map(|source| (at.file.clone(), Arc::clone(source)));
                self.found.problems.sources.extend(source);
            }
            self.found.problems.problems.push(problem);
        }
    }
}

fn about(file: &Path, kind: Kind, message: String, help: &str) -> Problem {
    let at = Position { file: shown(file), line: 1, column: 1 };
    Problem { at, length: 1, kind, message, help: help.to_owned(), also: None }
}

/// Reads a read model's query, if it is a file of a bearable size.
fn read(path: &Path) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if !metadata.is_file() {
        return Err("is no file".to_owned());
    }
    if metadata.len() > MAX_BYTES as u64 {
        return Err(format!("has more than {MAX_BYTES} bytes"));
    }
    fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}
