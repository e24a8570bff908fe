//! Results → text: for people, for programs, for pull requests.

pub mod adopt;
pub mod apply;
pub mod archive;
pub mod audit;
pub mod credentials;
pub mod graph;
mod markdown;
pub mod plan;
pub mod probe;
pub mod readiness;
pub mod split;
pub mod style;
pub mod terminal;
pub mod verify;
pub mod why;
