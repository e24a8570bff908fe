//! The walk back from a role to everyone who comes to hold what it holds.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::facts::role::RoleId;
use super::graph::Edge;
use super::services::ServiceId;

/// How many steps from role to role a way keeps; a chain of a thousand groups is no help to a reader.
pub(super) const MOST_STEPS: usize = 12;

/// How many of them at each end.
const END: u32 = MOST_STEPS as u32 / 2;

/// A principal that comes to hold what some role holds.
#[derive(Debug, Clone)]
pub struct Reacher {
    /// Who.
    pub principal: RoleId,
    /// The steps to the role that holds it; empty when it is the principal itself. Of a very long way only both ends.
    pub steps: Vec<(Edge, RoleId)>,
    /// How many steps are left out in the middle.
    pub skipped: usize,
    /// Whether no step is a SET ROLE.
    pub inherits: bool,
    /// Whether it comes to it by a grant to PUBLIC.
    pub by_public: bool,
}

impl Reacher {
    /// Stands for a role that holds it itself.
    #[must_use]
    pub fn itself(principal: RoleId) -> Self {
        Self { principal, steps: Vec::new(), skipped: 0, inherits: true, by_public: false }
    }

    /// Gives the same principal, for whom a grant to PUBLIC is the cause.
    #[must_use]
    pub fn by_public(self) -> Self {
        Self { by_public: true, ..self }
    }

    /// Gives the role before the last: whom the last role was granted to.
    #[must_use]
    pub fn last_member(&self) -> RoleId {
        self.steps.iter().rev().nth(1).map_or(self.principal, |(_, role)| *role)
    }
}

/// One state of the walk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) role: RoleId,
    /// The service of the roles between, the holder left out.
    pub(super) seen: Option<ServiceId>,
    /// The state nearer to the holder, and the edge to it; none where only the phase changed.
    pub(super) next: Option<(u32, Option<Edge>)>,
    /// How many edges away the holder is.
    depth: u32,
    /// The state on this way from which at most [`END`] edges are left.
    tail: u32,
    inherits: bool,
}

/// The states of a walk, each once.
#[derive(Debug, Default)]
pub(super) struct Ways {
    pub(super) nodes: Vec<Node>,
    /// By role, phase (Inherit while the holder's privileges are inherited, Set once an identity is left behind), `seen`.
    at: HashMap<(RoleId, Edge, Option<ServiceId>), u32>,
}

impl Ways {
    /// Adds a state, unless it is known.
    pub(super) fn push(
        &mut self,
        role: RoleId,
        phase: Edge,
        seen: Option<ServiceId>,
        next: Option<(u32, Option<Edge>)>,
    ) {
        let own = self.nodes.len() as u32;
        let Entry::Vacant(slot) = self.at.entry((role, phase, seen)) else { return };
        slot.insert(own);
        let (mut depth, mut tail, mut inherits) = (0, own, true);
        if let Some((next, edge)) = next {
            let nearer = self.nodes[next as usize];
            depth = nearer.depth + u32::from(edge.is_some());
            tail = if depth <= END { own } else { nearer.tail };
            inherits = nearer.inherits && edge.is_none_or(|e| e == Edge::Inherit);
        }
        self.nodes.push(Node { role, seen, next, depth, tail, inherits });
    }

    /// Gives the principal of a state with its way.
    pub(super) fn reacher(&self, from: usize) -> Reacher {
        let node = self.nodes[from];
        let mut reacher = Reacher { inherits: node.inherits, ..Reacher::itself(node.role) };
        if node.depth as usize <= MOST_STEPS {
            self.follow(from, MOST_STEPS, &mut reacher.steps);
        } else {
            self.follow(from, MOST_STEPS / 2, &mut reacher.steps);
            self.follow(node.tail as usize, MOST_STEPS / 2, &mut reacher.steps);
            reacher.skipped = node.depth as usize - MOST_STEPS;
        }
        reacher
    }

    fn follow(&self, from: usize, most: usize, steps: &mut Vec<(Edge, RoleId)>) {
        let (mut at, end) = (from, steps.len() + most);
        while let Some((next, edge)) = self.nodes[at].next.filter(|_| steps.len() < end) {
            steps.extend(edge.map(|edge| (edge, self.nodes[next as usize].role)));
            at = next as usize;
        }
    }
}
