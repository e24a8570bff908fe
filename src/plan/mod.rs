//! Desired and actual state → an ordered plan that leaves no choice.

pub mod build;
pub mod change;
pub mod close_database;
pub mod consumer_code;
pub mod databases;
pub mod described;
pub mod desired;
pub mod diff;
mod elsewhere;
pub mod identity;
pub mod managed;
pub mod pin;
pub mod script;
