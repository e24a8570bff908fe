//! Everything that needs a real PostgreSQL, in one binary: `support` finds or starts the server, one for all tests.

mod apply;
mod bed;
mod manifest;
mod credentials;
mod migrate;
mod support;
