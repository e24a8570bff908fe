//! stub
#![allow(missing_docs)]
use crate::ident::Ident;
use crate::plan::build::PendingMigration;
use std::collections::BTreeSet;
pub struct Options {
    pub jobs: usize,
    pub lock_wait_seconds: u64,
    pub interrupt: crate::interrupt::Interrupt,
}
pub struct Outcome {
    pub service: Ident,
    pub applied: Vec<String>,
    pub error: Option<String>,
}
#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct Error;
impl crate::error::Coded for Error {
    fn code(&self) -> &'static str {
        "stub"
    }
}
pub async fn pending(
    _c: &mut sqlx::postgres::PgConnection,
    _p: &crate::manifest::service::Project,
) -> Result<Vec<PendingMigration>, Error> {
    Ok(vec![])
}
pub async fn run(
    _t: &crate::pg::connect::Target,
    _p: &crate::manifest::service::Project,
    _s: &BTreeSet<Ident>,
    _o: &Options,
    _l: crate::event::Listener<'_>,
) -> Result<Vec<Outcome>, Error> {
    Ok(vec![])
}
