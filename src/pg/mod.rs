//! The one place that talks to PostgreSQL: connections, statements, locks.

pub mod attempt;
pub mod connect;
pub mod error;
pub mod exec;
pub mod lock;
pub mod refinery;
mod socket;
