//! The COPY engine: rows of one schema out of a database, into a file or into another database.
//!
//! ```text
//! Snapshot (locks, then one exported snapshot) ─▶ tables ─▶ chunks, largest first ─▶ workers, a connection each
//!                                                                                     rows ─▶ file | CopyIn
//! an archive's text ─▶ encode ─▶ binary rows ─▶ CopyIn, where the columns' types are known
//! clone: a whole schema into another database, indexes and constraints while other tables still load
//! ```
//!
//! The archive and the live split both stand on it; it knows nothing of either.

mod board;
pub mod chunk;
pub mod clone;
pub mod control;
pub mod copy;
pub mod coupling;
pub mod ddl;
pub mod definitions;
pub mod encode;
pub mod error;
pub(crate) mod extension;
pub mod facts;
pub mod journal;
mod lexer;
pub mod load;
pub mod loader;
pub mod logins;
pub mod owner;
pub mod pg_dump;
pub mod post_data;
pub mod psql;
pub mod readers;
pub mod roles;
pub mod rows;
pub mod sequences;
pub mod snapshot;
pub mod statement;
pub mod sum;
pub mod superuser;
pub mod surroundings;
pub mod table;
pub mod views;
pub mod wires;
