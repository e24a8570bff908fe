//! Plan → PostgreSQL: stage by stage, one transaction per service, many of them in one message.

mod error;
mod outcome;
mod planning;
mod run;
mod stage;
mod tally;

pub use error::Error;
pub use outcome::{Applied, FORMAT, ServiceResult, Skipped, Waiting};
pub use planning::{plan, plan_of_found};
pub use run::{Options, apply};
