//! Results → text: for people, for programs, for pull requests.

pub mod apply;
pub mod archive;
pub mod credentials;
pub mod plan;
pub mod style;
pub mod verify;
