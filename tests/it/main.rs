//! Everything that needs a real PostgreSQL, in one binary: `support` finds or starts the server, one for all tests.

mod apply;
mod audit;
mod bed;
mod credentials;
mod manifest;
mod migrate;
mod support;
