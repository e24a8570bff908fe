//! The databases of a project: the shared one, and those of services that have been split off.

use std::collections::BTreeSet;

use pgcleave::catalog;
use pgcleave::error::Verdict;
use pgcleave::ident::Ident;
use pgcleave::manifest::home::Home;
use pgcleave::manifest::service::{Project, Service};
use pgcleave::pg::connect::Target;
use pgcleave::pg::session::SessionKind;
use secrecy::SecretString;

use super::context::Context;
use super::failure::Failure;

/// One database: the project as it sees it, and how to reach it.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) home: Home,
    pub(crate) project: Project,
    pub(crate) target: Target,
}

impl Context {
    /// Gives the databases of the named services, or of all when none is named; the shared one comes first.
    pub(crate) async fn databases(
        &self,
        project: &Project,
        services: &BTreeSet<Ident>,
    ) -> Result<Vec<Database>, Failure> {
        let project = &self.before_they_leave(project).await;
        let mut homes = project.homes();
        let named: Vec<_> = services.iter().filter_map(|name| project.find(name)).collect();
        if !named.is_empty() {
            homes = named.into_iter().map(|service| service.home()).collect();
        }
        homes.into_iter().map(|home| self.database(project, home)).collect()
    }

    /// Gives the place of one service, wherever it lives, or of the shared database; `--database-url` overrules both.
    pub(crate) async fn target_of(
        &self,
        project: Option<&Project>,
        service: Option<&Service>,
    ) -> Result<Target, Failure> {
        match project {
            Some(project) if self.global.database_url.is_none() => {
                let project = self.before_they_leave(project).await;
                let service = service.and_then(|service| project.find(&service.name));
                Ok(self.database(&project, service.map_or(Home::Shared, Service::home))?.target)
            }
            _ => Ok(self.target(project.and_then(|p| p.database_url_env.as_deref()))?),
        }
    }

    /// Asks the shared database which services are still on their way out of it: their `database:` counts from the end of
    /// the split on. Where it cannot be asked, the manifests' word has to do.
    async fn before_they_leave(&self, project: &Project) -> Project {
        let mut named = project.here().into_iter().filter(|service| service.database_url_env.is_some());
        let Some(shared) = named.next().and_then(|_| self.target(project.database_url_env.as_deref()).ok()) else {
            return project.clone();
        };
        let asked = async { catalog::splits(&mut shared.connect(SessionKind::Administrator, "pgcleave").await?).await };
        let splits = match asked.await {
            Ok(splits) => splits,
            Err(error) => {
                self.story(&format!(
                    "warning: the shared database could not be asked which services are still on their way out of it, \
                     so that every database: counts: {error}"
                ));
                return project.clone();
            }
        };
        let seen = project.before_they_leave(&splits);
        for split in splits.iter().filter(|split| split.is_leaving()) {
            let variable = project.find(&split.service).and_then(|service| service.database_url_env.as_ref());
            if let Some(variable) = variable {
                let (name, phase) = (split.service.as_str(), &split.phase);
                self.story(&format!(
                    "{name} is being split ({phase}): {variable} counts from split finish on, until then all of it is looked \
                     after in the shared database"
                ));
            }
        }
        seen
    }

    /// Gives one database of a project.
    pub(crate) fn database(&self, project: &Project, home: Home) -> Result<Database, Failure> {
        let target = match &home {
            Home::Shared => self.target(project.database_url_env.as_deref())?,
            Home::Own(variable) => {
                let url = std::env::var(variable).ok().filter(|url| !url.is_empty()).map(SecretString::from);
                let unset = || {
                    let lives_there = project.here().into_iter().filter(|service| service.home() == home);
                    let names: Vec<_> = lives_there.map(|service| service.name.as_str()).collect();
                    let message =
                        format!("{variable} is not set: it says where the database of {} is", names.join(", "));
                    Failure::no_url(message)
                };
                self.read_target(&url.ok_or_else(unset)?)?
            }
        };
        Ok(Database { project: project.at(&home), home, target })
    }
}

/// Tells of the databases that failed while others went on, and gives the gravest verdict of all.
pub(crate) fn worst(context: &Context, verdict: Verdict, failures: Vec<Failure>) -> Verdict {
    let mut verdicts = vec![verdict];
    verdicts.extend(failures.into_iter().map(|failure| failure.report(context)));
    let order = [
        Verdict::Interrupted,
        Verdict::Failed,
        Verdict::Invalid,
        Verdict::Refused,
        Verdict::Findings,
        Verdict::Pending,
    ];
    order.into_iter().find(|v| verdicts.contains(v)).unwrap_or(Verdict::Done)
}
