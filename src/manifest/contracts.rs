//! Contracts: both sides must declare them; services may consume each other, and are told so.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::names::likely_service;
use super::problem::{Kind, Problem, nearest, quoted};
use super::report::Report;
use super::service::{Consumed, Exposed, Position, Service};
use super::signature;
use crate::ident::Ident;

/// What is known of all services when their contracts are compared.
pub(crate) struct Known<'a> {
    /// All names that have a manifest, readable or not.
    pub(crate) names: &'a BTreeSet<String>,
    /// Those of them whose contracts could not be read in full: nothing may be concluded from what they lack.
    pub(crate) opaque: &'a BTreeSet<String>,
}

impl Known<'_> {
    fn judges(&self, service: &Ident) -> bool {
        self.names.contains(service.as_str()) && !self.opaque.contains(service.as_str())
    }

    /// Checks that a service that is named in a file has a manifest.
    pub(crate) fn check(&self, name: &super::decode::At<String>, report: &mut Report<'_>) {
        // a name that nothing can have is told where the list is read
        if super::names::is_simple(&name.value) && !self.names.contains(&name.value) {
            let help = likely_service(&name.value, self.names.iter().map(String::as_str));
            report.push(Kind::UnknownService, name.span, format!("there is no service {}", quoted(&name.value)), help);
        }
    }
}

/// Names the argument types of consumed functions as their services' schemas have them.
pub(crate) fn resolve(services: &mut BTreeMap<Ident, Service>) {
    let schemas: HashMap<Ident, Ident> = services.iter().map(|(name, s)| (name.clone(), s.schema.clone())).collect();
    for consumed in services.values_mut().flat_map(|service| &mut service.consumes) {
        let schema = schemas.get(&consumed.service).unwrap_or(&consumed.service);
        if let Some(written) = &consumed.arguments
            && let Ok(signature) = signature::parse(&format!("f({written})"), schema.as_str())
        {
            consumed.arguments = signature.arguments;
        }
    }
}

/// Compares what is exposed with what is consumed.
pub(crate) fn check(services: &BTreeMap<Ident, Service>, known: &Known<'_>, problems: &mut Vec<Problem>) {
    let mut consumed: HashMap<(&Ident, &Ident, &Ident), Vec<&Consumed>> = HashMap::new();
    let mut exposed: HashMap<(&Ident, &Ident), Vec<&Exposed>> = HashMap::new();
    let mut exposed_to: HashMap<(&Ident, &Ident), Vec<&Ident>> = HashMap::new();
    for (name, service) in services {
        for c in &service.consumes {
            consumed.entry((name, &c.service, &c.name)).or_default().push(c);
        }
        for e in &service.exposes {
            exposed.entry((name, &e.name)).or_default().push(e);
            for to in &e.to {
                exposed_to.entry((to, &e.name)).or_default().push(name);
            }
        }
    }
    for (name, service) in services {
        for e in &service.exposes {
            for to in &e.to {
                let matching = consumed.get(&(to, name, &e.name));
                let is_met = matching.is_some_and(|all| all.iter().any(|c| fits(c, e)));
                if let Some(problem) = unmet_exposure(name, e, to, is_met, known) {
                    problems.push(problem);
                }
            }
        }
        for c in &service.consumes {
            let offered = exposed.get(&(&c.service, &c.name)).map_or(&[][..], Vec::as_slice);
            let elsewhere = exposed_to.get(&(name, &c.name)).map_or(&[][..], Vec::as_slice);
            let source = services.get(&c.service);
            problems.extend(unmet_consumption(name, c, source, offered, elsewhere, known));
        }
    }
}

fn fits(consumed: &Consumed, exposed: &Exposed) -> bool {
    consumed.arguments.is_none() || consumed.arguments == exposed.arguments
}

fn problem(kind: Kind, at: &Position, length: usize, message: String, help: String) -> Problem {
    Problem { at: at.clone(), length, kind, message, help, also: None }
}

fn shown(name: &Ident, arguments: Option<&String>) -> String {
    format!("{}{}", name.as_str(), arguments.map(|a| format!("({a})")).unwrap_or_default())
}

fn unmet_exposure(name: &Ident, e: &Exposed, to: &Ident, is_met: bool, known: &Known<'_>) -> Option<Problem> {
    let (service, object) = (name.as_str(), shown(&e.name, e.arguments.as_ref()));
    let length = e.name.as_str().chars().count();
    if to == name {
        let message = format!("`{service}` exposes `{object}` to itself");
        let help = format!("remove `{service}` from `to`: it owns the object");
        return Some(problem(Kind::SelfContract, &e.at, length, message, help));
    }
    if is_met || !known.judges(to) {
        return None;
    }
    let message = format!("`{object}` is exposed to `{0}`, but `{0}` does not consume it", to.as_str());
    let help = format!(
        "add `{}` to `consumes` of `{}`, or remove `{}` from `to`",
        entry(service, &object),
        to.as_str(),
        to.as_str()
    );
    Some(problem(Kind::OneSidedContract, &e.at, length, message, help))
}

/// Gives an entry of `consumes` as it is written.
fn entry(service: &str, object: &str) -> String {
    if object.contains('(') { format!("\"{service}.{object}\"") } else { format!("{service}.{object}") }
}

fn unmet_consumption(
    name: &Ident,
    c: &Consumed,
    source: Option<&Service>,
    offered: &[&Exposed],
    elsewhere: &[&Ident],
    known: &Known<'_>,
) -> Option<Problem> {
    let (own, service, object) = (name.as_str(), c.service.as_str(), shown(&c.name, c.arguments.as_ref()));
    let length = service.len() + 1 + object.chars().count();
    if c.service == *name {
        let message = format!("`{own}` consumes `{object}` of itself");
        return Some(problem(
            Kind::SelfContract,
            &c.at,
            length,
            message,
            "remove it: a service owns its objects".into(),
        ));
    }
    if !known.names.contains(service) {
        let help = match elsewhere {
            [other, ..] => format!("`{0}` exposes it to you: write `{0}.{object}`", other.as_str()),
            [] => likely_service(service, known.names.iter().map(String::as_str)),
        };
        return Some(problem(Kind::UnknownService, &c.at, length, format!("there is no service `{service}`"), help));
    }
    let source = source.filter(|_| known.judges(&c.service))?;
    if offered.iter().any(|e| fits(c, e) && e.to.contains(name)) {
        return None;
    }
    let mut also = None;
    let help = if let Some(e) = offered.iter().find(|e| fits(c, e)) {
        also = Some((e.at.clone(), format!("`{service}` exposes it to others")));
        format!("add `{own}` to its `to` there, or remove this")
    } else if let Some(e) = offered.first() {
        also = Some((e.at.clone(), "one of that name is exposed".to_owned()));
        format!("write `{}`", entry(service, &shown(&e.name, e.arguments.as_ref())))
    } else if let Some(other) = elsewhere.first() {
        format!("`{0}` exposes it to you: write `{0}.{object}`", other.as_str())
    } else {
        match nearest(c.name.as_str(), source.exposes.iter().map(|e| e.name.as_str())) {
            Some(near) => format!("write `{service}.{near}`"),
            None => format!("add it to `exposes` of `{service}` with `to: [{own}]`, or remove this"),
        }
    };
    let message = format!("`{service}` does not expose `{object}` to `{own}`");
    Some(Problem { also, ..problem(Kind::OneSidedContract, &c.at, length, message, help) })
}

/// Services that consume each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle {
    /// Where the first of them consumes the second.
    pub at: Position,
    /// The shortest way round, which ends where it begins.
    pub services: Vec<Ident>,
}

/// Finds each group of services that consume each other, once; it is no mistake, as long as their objects do not.
pub(crate) fn circles(services: &[&Service]) -> Vec<Circle> {
    let names: BTreeSet<&Ident> = services.iter().map(|service| &service.name).collect();
    let mut onward: BTreeMap<&Ident, BTreeMap<&Ident, &Consumed>> = BTreeMap::new();
    let mut back: BTreeMap<&Ident, BTreeSet<&Ident>> = BTreeMap::new();
    for Service { name, consumes, .. } in services {
        for c in consumes.iter().filter(|c| c.service != *name && names.contains(&c.service)) {
            onward.entry(name).or_default().entry(&c.service).or_insert(c);
            back.entry(&c.service).or_default().insert(name);
        }
    }
    let mut circles = Vec::new();
    let mut left = without_ends(&onward, &back);
    while let Some(first) = left.first().copied() {
        left.remove(first);
        let Some(path) = way_back(first, &onward) else { continue };
        let forward = reachable(first, |n| onward.get(n).into_iter().flatten().map(|(next, _)| *next).collect());
        let backward = reachable(first, |n| back.get(n).into_iter().flatten().copied().collect());
        left.retain(|n| !(forward.contains(n) && backward.contains(n)));
        let at = onward[first][path[0]].at.clone();
        circles.push(Circle { at, services: std::iter::once(first).chain(path).cloned().collect() });
    }
    circles
}

type Onward<'a> = BTreeMap<&'a Ident, BTreeMap<&'a Ident, &'a Consumed>>;

/// Leaves out, again and again, the services that consume nothing of those left.
fn without_ends<'a>(onward: &Onward<'a>, back: &BTreeMap<&'a Ident, BTreeSet<&'a Ident>>) -> BTreeSet<&'a Ident> {
    let mut count: HashMap<&Ident, usize> = onward.iter().map(|(name, to)| (*name, to.len())).collect();
    let mut left: BTreeSet<&Ident> = onward.keys().copied().collect();
    let mut ends: Vec<&Ident> = back.keys().copied().filter(|name| !onward.contains_key(name)).collect();
    while let Some(end) = ends.pop() {
        for before in back.get(end).into_iter().flatten() {
            let open = count.get_mut(before).expect("who consumes is counted");
            *open -= 1;
            if *open == 0 {
                left.remove(before);
                ends.push(before);
            }
        }
    }
    left
}

/// Finds the shortest way from a service back to itself, without the service at its beginning.
fn way_back<'a>(start: &'a Ident, onward: &Onward<'a>) -> Option<Vec<&'a Ident>> {
    let mut came_from: HashMap<&Ident, &Ident> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in onward.get(at).into_iter().flatten().map(|(next, _)| *next) {
            if next == start {
                let mut path = vec![start];
                let mut step = at;
                while step != start {
                    path.push(step);
                    step = came_from[step];
                }
                path.reverse();
                return Some(path);
            }
            came_from.entry(next).or_insert_with(|| {
                queue.push_back(next);
                at
            });
        }
    }
    None
}

fn reachable<'a>(start: &'a Ident, next: impl Fn(&'a Ident) -> Vec<&'a Ident>) -> BTreeSet<&'a Ident> {
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        for n in next(at) {
            if seen.insert(n) {
                open.push(n);
            }
        }
    }
    seen
}
