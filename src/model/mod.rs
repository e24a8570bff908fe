//! The vocabulary that both sides share: what the manifests ask for and what the catalog shows.

pub mod acl;
pub mod moving;
pub mod naming;
pub mod privilege;
pub mod setting;
pub mod state;
