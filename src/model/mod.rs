//! The vocabulary that both sides share: what the manifests ask for and what the catalog shows.

pub mod acl;
pub mod extension_schema;
pub mod layout;
pub mod moving;
pub mod naming;
pub mod own;
pub mod privilege;
pub mod setting;
pub mod state;
