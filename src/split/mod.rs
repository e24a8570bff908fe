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

pub mod bridge;
pub mod check;
pub mod error;
pub mod state;

pub use error::Error;

use crate::ident::Ident;
use crate::pg::connect::Target;

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
