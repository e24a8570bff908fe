//! Services and what runs between them: contracts, and the leaks that an audit has found.

mod layout;
pub mod svg;
mod text;

use std::collections::BTreeMap;

pub use text::{dot, mermaid};

use crate::audit::finding::{Finding, Report, Severity};
use crate::manifest::service::Project;

/// How many services a picture shows; of more, those with the most leaks and contracts.
pub const MOST_DRAWN: usize = 40;

/// Who is in a picture or a matrix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// A service.
    Service(String),
    /// Roles or objects that belong to no service.
    Nobody,
    /// PUBLIC: every role, now and later.
    Everybody,
}

impl Party {
    /// Gives the party's name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Service(name) => name,
            Self::Nobody => "no service",
            Self::Everybody => "PUBLIC",
        }
    }

    /// Tells on whose side a finding's principal is.
    #[must_use]
    pub fn of_principal(finding: &Finding) -> Self {
        match &finding.principal_service {
            Some(service) => Self::Service(service.clone()),
            None if finding.principal == "PUBLIC" => Self::Everybody,
            None => Self::Nobody,
        }
    }

    /// Tells to whom a finding's object belongs.
    #[must_use]
    pub fn of_object(finding: &Finding) -> Self {
        finding.service.clone().map_or(Self::Nobody, Self::Service)
    }
}

/// One box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Who.
    pub party: Party,
    /// What stands below the name.
    pub team: Option<String>,
    /// What the service does.
    pub description: Option<String>,
}

/// What a line stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tie {
    /// Both manifests declare it.
    Contract,
    /// The audit found it; the worst severity.
    Leak(Severity),
}

/// One line, from who uses to what is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The position of the box that uses.
    pub from: usize,
    /// The position of the box that is used.
    pub to: usize,
    /// What it stands for.
    pub tie: Tie,
    /// The objects, sorted.
    pub objects: Vec<String>,
}

/// The services and what runs between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    /// The boxes, sorted.
    pub nodes: Vec<Node>,
    /// The lines, contracts first.
    pub lines: Vec<Line>,
    /// How many services were left out because there are too many to draw.
    pub left_out: usize,
}

impl Graph {
    /// Takes the services and contracts of the manifests, and the open leaks of an audit.
    ///
    /// Findings of one service about itself are no lines.
    #[must_use]
    pub fn new(project: Option<&Project>, report: Option<&Report>) -> Self {
        let mut nodes: BTreeMap<Party, Node> = BTreeMap::new();
        let mut lines: BTreeMap<(bool, Party, Party), (Tie, Vec<String>)> = BTreeMap::new();
        for service in project.iter().flat_map(|p| p.here()) {
            let name = &service.name;
            let party = Party::Service(name.as_str().to_owned());
            let (team, description) = (service.team.clone(), service.description.clone());
            nodes.insert(party.clone(), Node { party: party.clone(), team, description });
            for exposed in &service.exposes {
                let label = match &exposed.arguments {
                    Some(arguments) => format!("{}({arguments})", exposed.name.as_str()),
                    None => exposed.name.as_str().to_owned(),
                };
                for consumer in &exposed.to {
                    let key = (false, Party::Service(consumer.as_str().to_owned()), party.clone());
                    lines.entry(key).or_insert((Tie::Contract, Vec::new())).1.push(label.clone());
                }
            }
        }
        let open = report.iter().flat_map(|r| &r.findings).filter(|f| f.is_open() && f.severity != Severity::Info);
        for finding in open {
            let (from, to) = (Party::of_principal(finding), Party::of_object(finding));
            // what nobody's roles do to nobody's objects is no line between services
            if from == to || to == Party::Nobody {
                continue;
            }
            let (tie, objects) = lines.entry((true, from, to)).or_insert((Tie::Leak(finding.severity), Vec::new()));
            *tie = (*tie).min(Tie::Leak(finding.severity));
            objects.push(format!("{}: {}", finding.rule, finding.object));
        }
        for (_, from, to) in lines.keys() {
            for party in [from, to] {
                let node = || Node { party: party.clone(), team: None, description: None };
                nodes.entry(party.clone()).or_insert_with(node);
            }
        }
        Self::of(nodes.into_values().collect(), lines)
    }

    fn of(nodes: Vec<Node>, lines: BTreeMap<(bool, Party, Party), (Tie, Vec<String>)>) -> Self {
        let at = |party: &Party| nodes.binary_search_by(|n| n.party.cmp(party)).expect("every line's end has a box");
        let lines = lines.into_iter().map(|((_, from, to), (tie, mut objects))| {
            objects.sort();
            objects.dedup();
            Line { from: at(&from), to: at(&to), tie, objects }
        });
        let lines = lines.collect();
        Self { nodes, lines, left_out: 0 }
    }

    /// Keeps as many boxes as a picture can show: those with the most leaks, then with the most contracts.
    #[must_use]
    pub fn fitting(&self, most: usize) -> Self {
        if self.nodes.len() <= most {
            return self.clone();
        }
        let mut weight = vec![(0_usize, 0_usize); self.nodes.len()];
        for line in &self.lines {
            for end in [line.from, line.to] {
                match line.tie {
                    Tie::Leak(_) => weight[end].0 += line.objects.len(),
                    Tie::Contract => weight[end].1 += line.objects.len(),
                }
            }
        }
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by_key(|at| (std::cmp::Reverse(weight[*at]), *at));
        order.truncate(most);
        order.sort_unstable();
        let place = |old: usize| order.binary_search(&old).ok();
        let kept = self
            .lines
            .iter()
            .filter_map(|line| Some(Line { from: place(line.from)?, to: place(line.to)?, ..line.clone() }));
        Self {
            nodes: order.iter().map(|at| self.nodes[*at].clone()).collect(),
            lines: kept.collect(),
            left_out: self.nodes.len() - order.len(),
        }
    }
}
