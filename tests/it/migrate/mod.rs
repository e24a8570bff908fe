//! Migrations: each service as its owner, and whatever goes wrong with one leaves the others alone.

mod baseline;
mod fence;
mod files;
mod history;
mod interrupted;
mod layouts;
mod limits;
pub(crate) mod shop;
mod together;
