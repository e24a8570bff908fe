//! The way from a principal to an object, step by step.

use std::fmt;

use serde::Serialize;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Step {
    /// Whether the step uses a privilege (`=SELECT=>`) or becomes or passes something (`-set->`).
    pub grant: bool,
    /// What the step is: an edge (`inherit`, `set`, `admin`), the privileges, or how it passes on (`view owner`).
    pub by: String,
    /// What it leads to.
    pub to: String,
}

/// The way from a principal to an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Path {
    /// Where it begins.
    pub from: String,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Path {
    /// Starts at a principal.
    #[must_use]
    pub fn from(principal: impl Into<String>) -> Self {
        Self { from: principal.into(), steps: Vec::new() }
    }

    /// Appends a step to another role or thing.
    #[must_use]
    pub fn then(mut self, by: impl Into<String>, to: impl Into<String>) -> Self {
        self.steps.push(Step { grant: false, by: by.into(), to: to.into() });
        self
    }

    /// Appends the use of a privilege.
    #[must_use]
    pub fn using(mut self, privileges: impl fmt::Display, object: impl Into<String>) -> Self {
        self.steps.push(Step { grant: true, by: privileges.to_string(), to: object.into() });
        self
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.from)?;
        for step in &self.steps {
            match step.grant {
                true => write!(f, " ={}=> {}", step.by, step.to)?,
                false => write!(f, " -{}-> {}", step.by, step.to)?,
            }
        }
        Ok(())
    }
}
