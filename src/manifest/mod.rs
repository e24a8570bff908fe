//! Text → checked manifests.
//!
//! ```text
//! bytes ─▶ yaml (tree with places) ─▶ decode (raw types) ─▶ check, contracts, names ─▶ service::Project
//!              └───────────── problem::Problem, all of them, with file, line and column ──────┘
//! ```

pub mod adopt;
mod check;
mod config;
mod contracts;
mod decode;
mod draft;
pub mod home;
mod names;
pub mod path;
pub mod problem;
mod raw;
mod report;
pub mod schema;
pub mod service;
mod signature;
mod value;
mod yaml;

#[cfg(test)]
mod tests;

pub use check::{Disk, Found};
pub use config::Choice;
pub use draft::{Draft, SourceFile};
pub use problem::Invalid;
