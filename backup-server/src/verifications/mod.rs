//! Verifications of repositories: kept results, the job that makes one, and the schedule.

mod job;
mod journal;
pub(crate) mod routes;
mod schedule;

pub(crate) use job::VerifyJob;
pub(crate) use journal::Verifications;
pub(crate) use schedule::{keep_verifying, next_due, put_back};
