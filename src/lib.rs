//! Gives each service on a shared PostgreSQL its own schema and credentials, proves the line, and cuts along it.
//!
//! ```text
//! manifests ──▶ manifest ──▶ State (desired) ─┐
//!                                             ├─▶ plan::diff ─▶ Plan ─▶ apply ─▶ PostgreSQL
//! PostgreSQL ─▶ catalog  ──▶ State (actual) ──┘
//!                  └──────▶ audit ─▶ Findings       migrate   archive   split (observe ▸ decide ▸ act)
//! every result ─▶ report ─▶ stdout · every event ─▶ progress ─▶ stderr · verdict ─▶ exit code
//! ```
//!
//! Pure code decides, thin code acts: docs/architecture.md tells which room is which.

pub mod analyze;
pub mod apply;
pub mod archive;
pub mod audit;
pub mod catalog;
pub mod credentials;
pub mod embedded;
pub mod error;
pub mod event;
pub mod ident;
pub mod interrupt;
pub mod load;
pub mod manifest;
pub mod migrate;
pub mod model;
pub mod pg;
pub mod plan;
pub mod probe;
pub mod registry;
pub mod report;
pub mod split;
pub mod sql;
pub mod temporary_login;
pub mod transfer;
