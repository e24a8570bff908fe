//! Everything that needs a real PostgreSQL, in one binary: `support` finds or starts the server, one for all tests.

mod adopt;
mod adopt_migrations;
mod analyze;
mod apply;
mod archive;
mod audit;
mod bed;
mod credentials;
mod databases;
mod described;
mod embedded;
mod manifest;
mod migrate;
mod outside;
mod probe;
mod registry;
mod security;
mod split;
mod split_bridge;
mod split_check;
mod sql;
mod support;
