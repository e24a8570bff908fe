//! The one place that talks to PostgreSQL: connections, statements, locks.

mod advisory;
pub mod attempt;
pub mod connect;
pub mod error;
pub mod exec;
pub mod history;
pub mod lock;
pub mod password;
pub mod pooler;
mod program;
pub mod refinery;
pub mod session;
pub mod standby;
mod transport;
pub mod trust;
pub mod unfinished;
pub mod watch;
