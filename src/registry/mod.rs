//! What pgcleave keeps in the database that it looks after, schema `pgcleave`.

pub mod credential;
