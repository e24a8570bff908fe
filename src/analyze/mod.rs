//! What SQL text says, without a server: statements, and where they stand.

pub mod script;
