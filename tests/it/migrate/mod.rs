//! Migrations: each service as its owner, and whatever goes wrong with one leaves the others alone.

mod fence;
mod files;
mod shop;
mod together;
