//! Everything that needs a real PostgreSQL, in one binary: `support` finds or starts the server, one for all tests.

mod analyze;
mod apply;
mod audit;
mod bed;
mod credentials;
mod embedded;
mod manifest;
mod migrate;
mod sql;
mod registry;
mod support;
