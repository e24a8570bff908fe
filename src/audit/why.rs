//! Whether a role can reach an object, and by which ways.
