//! What SQL text says, without a server: statements, what they refer to, and where it stands.
//!
//! ```text
//! text ─▶ effort (is it fit to parse?) ─▶ squawk's tree ─▶ walk, usage, literal ─▶ find::Reference ─▶ coupling
//!                     ▲                                     │
//!                     └── body · dynamic: SQL within SQL ◀──┘
//! ```

mod body;
pub mod caller_code;
pub mod circle;
pub mod coupling;
mod definition;
mod dynamic;
mod effort;
mod find;
mod format;
mod literal;
mod provided;
mod reference;
pub mod script;
mod usage;
mod walk;

pub use find::{Body, Unreadable, body_references, expression_references, references, syntax_errors};
pub use literal::parts as name_parts;
pub use reference::{Certainty, Reference, Use};
