//! Contracts that run in a circle: objects of several services that are defined by each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::definition::{Definition, definitions};
use super::find;
use super::reference::{Reference, Use};
use crate::manifest::problem::{Kind, Problem};
use crate::manifest::service::{Position, Project, Service};

/// A schema and an object in it.
type Name = (String, String);

/// Where an object is named, and how many characters that takes.
type Place = (Position, usize);

/// What the services' views, routines and read models are defined by, as their newest definitions say.
#[derive(Debug)]
pub struct Definitions<'a> {
    schemas: BTreeSet<&'a str>,
    reads: BTreeMap<Name, BTreeMap<Name, Place>>,
}

impl<'a> Definitions<'a> {
    /// Begins with none.
    #[must_use]
    pub fn new(project: &'a Project) -> Self {
        let schemas = project.here().into_iter().map(|service| service.schema.as_str()).collect();
        Self { schemas, reads: BTreeMap::new() }
    }

    /// Adds what a migration defines; a service's files come in their order.
    pub fn migration(&mut self, service: &Service, file: &Path, sql: &str) {
        let own = service.schema.as_str();
        let definitions = definitions(sql);
        if definitions.is_empty() {
            return;
        }
        let references = find::references(sql, &[own]);
        for Definition { schema, name, statement, dropped } in definitions {
            let named = (schema.unwrap_or_else(|| own.to_owned()), name);
            if dropped {
                self.reads.remove(&named);
            } else {
                let within = references.iter().filter(|reference| statement.contains(&reference.at));
                let reads = self.read(within, file);
                self.reads.insert(named, reads);
            }
        }
    }

    /// Adds a read model.
    pub fn query(&mut self, service: &Service, name: &str, file: &Path, sql: &str) {
        let own = service.schema.as_str();
        let reads = self.read(find::references(sql, &[own]).iter(), file);
        self.reads.insert((own.to_owned(), name.to_owned()), reads);
    }

    fn read<'r>(&self, references: impl Iterator<Item = &'r Reference>, file: &Path) -> BTreeMap<Name, Place> {
        let mut reads = BTreeMap::new();
        for Reference { line, column, length, used, schema, name, .. } in references {
            let (Some(schema), Some(name)) = (schema, name) else { continue };
            if *used != Use::Define && self.schemas.contains(schema.as_str()) {
                let at = Position { file: PathBuf::from(file), line: *line, column: *column };
                reads.entry((schema.clone(), name.clone())).or_insert((at, *length));
            }
        }
        reads
    }

    /// Reports each circle through more than one schema, once.
    #[must_use]
    pub fn circles(&self) -> Vec<Problem> {
        let mut told: BTreeSet<&Name> = BTreeSet::new();
        let mut problems = Vec::new();
        for (from, reads) in &self.reads {
            for (to, (at, length)) in reads.iter().filter(|(to, _)| to.0 != from.0) {
                if told.contains(from) && told.contains(to) {
                    continue;
                }
                let Some(back) = self.way(to, from) else { continue };
                told.extend(&back);
                problems.push(self.problem(from, &back, (at.clone(), *length)));
            }
        }
        problems
    }

    /// Finds the shortest way from one object to another, both included.
    fn way<'s>(&'s self, from: &'s Name, to: &'s Name) -> Option<Vec<&'s Name>> {
        let mut came_from: BTreeMap<&Name, &Name> = BTreeMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            if at == to {
                let mut way = vec![to];
                while let Some(before) = way.last().filter(|last| **last != from).and_then(|last| came_from.get(*last))
                {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            for next in self.reads.get(at).into_iter().flat_map(BTreeMap::keys) {
                if next != from && !came_from.contains_key(next) {
                    came_from.insert(next, at);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn problem(&self, first: &Name, back: &[&Name], (at, length): Place) -> Problem {
        let shown = |(schema, name): &Name| format!("{schema}.{name}");
        let round: Vec<_> = std::iter::once(first).chain(back.iter().copied()).map(shown).collect();
        let last = back.iter().rev().nth(1).copied().unwrap_or(first);
        let closing = self.reads.get(last).and_then(|reads| reads.get(first));
        Problem {
            at,
            length,
            kind: Kind::ContractCycle,
            message: format!("these are defined by each other: {}", round.join(" → ")),
            help: "none can be made before the others: let one read its own tables, or replace a contract by events"
                .to_owned(),
            also: closing.map(|(at, _)| (at.clone(), format!("{} reads {}", shown(last), shown(first)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::manifest::{Disk, Draft, SourceFile};

    /// Checks three services' scripts, `service: sql` each.
    fn check(scripts: &[(&str, &str)], expected: &Expect) {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), bytes: text.as_bytes().to_vec() };
        let mut draft = Draft::new(file("pgcleave.yaml", "secrets: { directory: .secrets }\n"));
        for name in ["a", "b", "c"] {
            draft.add(&file(&format!("manifests/{name}.yaml"), &format!("service: {name}\n")));
        }
        let project = draft.check(None, &Disk::new()).expect("the manifests are valid");
        let mut definitions = Definitions::new(&project);
        for (index, (name, sql)) in scripts.iter().enumerate() {
            let service = project.services.values().find(|s| s.name.as_str() == *name).expect("it has a manifest");
            definitions.migration(service, Path::new(&format!("{name}{index}.sql")), sql);
        }
        let told: Vec<_> = definitions.circles().iter().map(|p| format!("{p}\n")).collect();
        expected.assert_eq(&told.concat());
    }

    #[test]
    fn services_may_read_each_others_objects() {
        check(
            &[
                ("a", "create table t (i int); create view v as select * from t; create view w as select * from b.v;"),
                ("b", "create table t (i int); create view v as select * from t; create view w as select * from a.v;"),
            ],
            &expect![""],
        );
    }

    #[test]
    fn objects_that_are_defined_by_each_other_are_told_once() {
        check(
            &[
                ("a", "create view v as select * from helper;\ncreate view helper as select * from b.v;"),
                ("b", "create materialized view b.v as select c.f(1);"),
                (
                    "c",
                    "create function f(int) returns int language sql as 'select count(*)::int from a.v where f(1) > 0';",
                ),
            ],
            &expect![[r#"
                a0.sql:2:37: these are defined by each other: a.helper → b.v → c.f → a.v → a.helper [contract-cycle]; a.v reads a.helper at a0.sql:1:32; none can be made before the others: let one read its own tables, or replace a contract by events
            "#]],
        );
    }

    #[test]
    fn the_newest_definition_counts() {
        check(
            &[
                ("a", "create view v as select * from b.v;"),
                ("a", "create or replace view a.v as select 1 as i;"),
                ("b", "create view v as select * from a.v; create view x as select * from c.x;"),
                ("c", "create view x as select * from b.x;"),
                ("c", "drop view if exists x, y;"),
            ],
            &expect![""],
        );
    }
}
