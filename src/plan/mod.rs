//! Desired and actual state → an ordered plan that leaves no choice.

pub mod build;
pub mod change;
pub mod desired;
pub mod diff;
pub mod managed;
pub mod script;
