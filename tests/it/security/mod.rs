//! What strangers can do to us: owners of databases and schemas, pull requests, archives, servers in the way.

mod contracts;
mod event_triggers;
mod extensions;
mod fake;
mod import;
mod locks;
mod migrations;
mod pooler;
mod probe;
mod programs;
mod registry;
mod restore;
mod rows;
mod sessions;
mod signals;
mod silence;
mod temporary_logins;
mod text;
mod tls;
mod transport;
mod traps;
