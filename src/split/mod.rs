//! Moves a service to a database of its own while it works, with a way back.
//!
//! ```text
//! both records ─┐
//!               ├─▶ decide ─▶ next act ─▶ written on both sides ─▶ done ─▶ …
//! observations ─┘
//! ```
//!
//! Rows travel by the COPY engine and then by PostgreSQL's own logical replication. Whatever an act makes has the split's
//! id in its name, and is known on both sides before it is made, so that going on and going back find all of it.

pub mod abort;
pub mod afterwards;
pub mod alone;
mod applier;
pub mod bridge;
mod carry;
pub mod check;
mod compare;
mod copy;
mod definitions;
mod drop_schema;
mod ends;
pub mod error;
mod failpoint;
mod fence;
pub mod finish;
mod link;
mod members;
mod pace;
pub mod pooler;
mod sequence;
mod settle;
mod slot;
pub mod start;
pub mod state;
pub mod status;
pub mod turn;
mod write_block;

pub use error::Error;

use crate::ident::Ident;
use crate::pg::connect::Target;
use state::Side;

/// What is split, and between which databases.
#[derive(Debug, Clone)]
pub struct Between {
    /// The service's name; the schema's where no manifest knows it.
    pub service: String,
    /// The schema.
    pub schema: Ident,
    /// The shared database.
    pub source: Target,
    /// The dedicated one.
    pub target: Target,
    /// The source as the target's server reaches it, where that is another way than ours.
    pub source_from_target: Option<Target>,
    /// The target as the source's server reaches it, where that is another way than ours.
    pub target_from_source: Option<Target>,
}

impl Between {
    /// Gives a side as the other side's server reaches it.
    fn seen(&self, side: Side) -> &Target {
        match side {
            Side::Source => self.source_from_target.as_ref().unwrap_or(&self.source),
            Side::Target => self.target_from_source.as_ref().unwrap_or(&self.target),
        }
    }

    /// Gives a side as we reach it.
    fn target(&self, side: Side) -> &Target {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }
}
