//! Credentials on a real server: sinks, issuing, rotation, and the proof of what each login reaches.

mod command;
mod issue;
mod rotate;
mod secrecy;
mod shop;
mod sinks;
mod trust;
mod verify;
