//! Text → checked manifests.

pub mod service;
