//! The test bed: one real PostgreSQL for the whole run, and for each test a database and a role prefix of its own.
//!
//! The server is, in this order: the one that `PGCLEAVE_TEST_DATABASE_URL` names (a superuser's connection string), a
//! container of the image `postgres:<major>`, one of the PostgreSQL installations on this machine.
//! `PGCLEAVE_TEST_SERVER=<major>|oldest|newest` says which major; `PGCLEAVE_TEST_REQUIRE_DOCKER=1` leaves only containers.
//! What is started here goes away with the test process, even when that is killed.

mod bouncer;
mod database;
mod docker;
mod local;
mod programs;
mod project;
mod proxy;
mod reaper;
mod server;
mod storage;

pub(crate) use bouncer::Bouncer;
pub(crate) use database::TestDb;
pub(crate) use programs::pg_dump_folder;
pub(crate) use project::{Answer, Project, answer};
pub(crate) use proxy::Proxy;
pub(crate) use reaper::Reaper;
pub(crate) use server::{Dedicated, afterwards};
pub(crate) use storage::Storage;
