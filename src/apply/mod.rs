//! Plan → PostgreSQL: stage by stage, one transaction per service, many of them in one message.

mod error;
mod outcome;
mod run;
mod stage;

pub use error::Error;
pub use outcome::{Applied, FORMAT, ServiceResult};
pub use run::{Options, apply, plan};
