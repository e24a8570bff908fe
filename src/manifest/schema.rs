//! The JSON Schema of the files, for editors.

use super::raw::{RawConfig, RawService};

/// Gives the JSON Schema of a service's manifest.
#[must_use]
pub fn service() -> serde_json::Value {
    schemars::schema_for!(RawService).to_value()
}

/// Gives the JSON Schema of pgcleave.yaml.
#[must_use]
pub fn config() -> serde_json::Value {
    schemars::schema_for!(RawConfig).to_value()
}
