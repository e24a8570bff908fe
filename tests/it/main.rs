//! Everything that needs a real PostgreSQL, in one binary: `support` finds or starts the server, one for all tests.

mod archive;
mod bed;
mod support;
