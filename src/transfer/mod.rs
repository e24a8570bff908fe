//! The COPY engine: rows of one schema out of a database, into a file or into another database.
//!
//! ```text
//! Snapshot (locks, then one exported snapshot) ─▶ tables ─▶ chunks, largest first ─▶ workers, a connection each
//!                                                                                     CopyOut ─▶ file | CopyIn
//! ```
//!
//! The archive and the live split both stand on it; it knows nothing of either.

pub mod chunk;
pub mod control;
pub mod copy;
pub mod coupling;
pub mod ddl;
pub mod error;
pub mod facts;
pub mod journal;
pub mod load;
pub mod pg_dump;
pub mod session;
pub mod snapshot;
pub mod statement;
pub mod table;
