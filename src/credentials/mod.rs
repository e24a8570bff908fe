//! Logins and their passwords: made here, published to a sink, rotated without downtime, and proven.
//!
//! Each credential is two login roles, one of them active. A password exists in the clear in two places only: this
//! process, for as long as it publishes it, and the sink. The server is given a SCRAM verifier.

pub mod error;
pub mod issue;
pub mod list;
pub mod relocate;
pub mod rotate;
pub mod secret;
pub mod sink;
pub mod verify;

pub use error::Error;
