//! What a split has made is the split's to take away: told as information, with the command that does that.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::facts::object::Object;
use super::finding::{Finding, Severity};
use super::name::shown;
use super::scene::Scene;
use super::services::Services;
use crate::manifest::service::{Project, Service};
use crate::model::moving::Moving;

/// Gives the project as the database sees it: without the services that have left it, and on a split's target as it will
/// be once the split has ended.
#[must_use]
pub fn seen(project: &Project, facts: &Facts) -> Project {
    let mut seen = project.without_moved(&facts.splits);
    let coming: Vec<_> = facts.splits.iter().filter(|split| split.is_coming()).collect();
    let bridges: Vec<_> =
        coming.iter().filter_map(|split| project.naming.bridge(split.service.as_str()).ok()).collect();
    if coming.is_empty() {
        return seen;
    }
    let is_here = |service: &Service| {
        let schema = facts.schemas.iter().find(|schema| schema.name == service.schema);
        schema.is_some_and(|schema| !bridges.contains(&facts.roles[schema.owner].name))
    };
    for split in coming {
        if let Some(service) = seen.elsewhere.remove(&split.service) {
            let service = Service { moved_to: Some(split.target.clone()), ..service };
            seen.services.insert(split.service.clone(), service);
        }
    }
    for services in [&mut seen.services, &mut seen.described] {
        let all = std::mem::take(services).into_iter();
        let (here, away): (_, BTreeMap<_, _>) =
            all.partition(|(_, service)| service.moved_to.is_some() || is_here(service));
        *services = here;
        seen.elsewhere.extend(away);
    }
    seen
}

/// Turns findings about what a split has made into information; what goes beyond that stays as it is.
pub(super) fn settle(scene: &Scene<'_>, services: &Services, findings: &mut [Finding]) {
    for split in &scene.facts.splits {
        for finding in findings.iter_mut() {
            if is_made(scene, split, finding) || applies(scene, split, finding) || is_kept(services, split, finding) {
                finding.severity = Severity::Info;
                let (name, phase) = (split.service.as_str(), &split.phase);
                finding.message.push_str(&format!("; it is of the split of {name} ({phase})"));
                finding.advise(format!("-- leave it: {} ends it", split.ended_by()));
            }
        }
    }
}

/// Tells whether a finding is about a publication, login, subscription or trigger of the split itself.
fn is_made(scene: &Scene<'_>, split: &Moving, finding: &Finding) -> bool {
    let word = |text: &str| text.split([' ', '.']).any(|word| split.made(word));
    match finding.rule {
        // Who can become such a role is no part of the split.
        "ATT02" | "ATT03" | "HYG03" => {
            let itself = finding.object.strip_prefix("role ") == Some(&finding.principal);
            itself && is_role(scene, &finding.principal, Moving::is_role, split)
        }
        "CPL09" | "PUB02" => word(&finding.object),
        "CPL05" | "CPL14" => is_block(scene, split, finding),
        "PUB01" => published(scene, split, finding),
        _ => false,
    }
}

/// Tells whether a finding is about what the role as which the split applies changes has of the split's own service: the
/// rights of the tables' owners.
fn applies(scene: &Scene<'_>, split: &Moving, finding: &Finding) -> bool {
    if finding.service.as_deref() != Some(split.service.as_str()) {
        return false;
    }
    // It has the owner's right to create, and creates nothing.
    let creator = finding.object.strip_prefix("future ").and_then(|future| future.rsplit_once(" of "));
    let creator = creator.filter(|_| finding.rule == "FUT02").map(|(_, creator)| creator);
    [Some(finding.principal.as_str()), creator]
        .into_iter()
        .flatten()
        .any(|name| is_role(scene, name, Moving::is_applier, split))
}

fn is_role(scene: &Scene<'_>, name: &str, is: impl Fn(&Moving, u32, &str) -> bool, split: &Moving) -> bool {
    let mut named = scene.facts.roles.iter().filter(|(_, role)| shown(&role.name) == name);
    named.any(|(_, role)| is(split, role.oid, role.name.as_str()))
}

/// Tells whether a finding is about a trigger that the registry knows as one of the split's write blocks.
fn is_block(scene: &Scene<'_>, split: &Moving, finding: &Finding) -> bool {
    let Some((name, rest)) = finding.object.split_once(" on ") else { return false };
    let table = rest.split_once(" -> ").map_or(rest, |(table, _)| table);
    scene.facts.triggers.iter().any(|trigger| {
        let at = scene.facts.relation(trigger.relation);
        let label = at.map(|at| scene.facts.label(Object::Relation(at as u32)));
        shown(&trigger.name) == name
            && label.as_deref() == Some(table)
            && split.is_write_block(trigger.oid, trigger.name.as_str())
            && scene.facts.is_write_block(trigger)
    })
}

/// Tells whether only the split's own publication sends a table, and the table is the service's.
fn published(scene: &Scene<'_>, split: &Moving, finding: &Finding) -> bool {
    if finding.service.as_deref() != Some(split.service.as_str()) {
        return false;
    }
    scene.facts.publications.iter().all(|publication| {
        let names = |oid: &u32| {
            let at = scene.facts.relation(*oid);
            at.is_some_and(|at| scene.facts.label(Object::Relation(at as u32)) == finding.object)
        };
        split.made(publication.name.as_str()) || !publication.relations.iter().any(names)
    })
}

/// Tells whether a finding is about what the old schema had before it was put aside: its place, and its contracts.
fn is_kept(services: &Services, split: &Moving, finding: &Finding) -> bool {
    let Some(kept) = split.kept.as_ref().map(shown) else { return false };
    let inside = finding.object.strip_prefix(&kept).and_then(|rest| rest.strip_prefix('.'));
    let itself = finding.object.strip_prefix("schema ") == Some(&kept);
    let consumer = finding.principal_service.as_deref();
    let mut contracts = services
        .contracts
        .iter()
        .filter(|contract| contract.provider == split.service && Some(contract.consumer.as_str()) == consumer);
    match finding.rule {
        "HYG01" => inside.is_some(),
        "HYG02" => itself,
        "ACC01" => inside.is_some_and(|object| contracts.any(|contract| shown(&contract.name) == object)),
        "ACC06" => itself && contracts.next().is_some(),
        _ => false,
    }
}
