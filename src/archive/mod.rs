//! A service's schema in a folder that opens without pgcleave, and back again.
//!
//! ```text
//! archive.json        what it is, from where, and per file its rows, bytes and hash
//! SHA256SUMS          the same hashes, for sha256sum -c; covers archive.json too
//! 00_roles.sql  05_extensions.sql  10_pre-data.sql
//! data/0001_orders_1.copy.zst …
//! 30_post-data.sql  40_sequences.sql  50_grants.sql  60_refresh.sql  70_leave.sql
//! restore.sh          psql and zstd are enough
//! ```

mod administrator;
pub mod error;
pub mod export;
pub mod file;
mod folder;
pub mod import;
pub mod layout;
pub mod location;
pub mod open;
pub mod plain;
mod restore;
pub mod verify;

pub use error::Error;
