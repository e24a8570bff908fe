//! The plans of all of a project's databases together, as they are shown and saved.

use serde::{Deserialize, Serialize};

use super::build::Plan;

/// One plan for each database, the shared one's first; with one database it reads and writes as that one's [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plans {
    /// The first database's.
    #[serde(flatten)]
    pub first: Plan,
    /// Those of the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<Plan>,
}

impl Plans {
    /// Takes the plans together; nothing when there are none.
    #[must_use]
    pub fn new(plans: Vec<Plan>) -> Option<Self> {
        let mut plans = plans.into_iter();
        let first = plans.next()?;
        Some(Self { first, databases: plans.collect() })
    }

    /// Gives all, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Plan> {
        std::iter::once(&self.first).chain(&self.databases)
    }

    /// Tells whether nothing is to be done anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().all(Plan::is_empty)
    }

    /// Finds the plan of a database by its environment variable; nothing names the shared one.
    #[must_use]
    pub fn of(&self, url_env: Option<&str>) -> Option<&Plan> {
        self.iter().find(|plan| plan.url_env.as_deref() == url_env)
    }
}
