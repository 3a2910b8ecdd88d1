//! Long-running work: queued, run one at a time per repository, followed, cancelled, and remembered across restarts.

mod backup;
mod context;
mod journal;
mod restarts;
pub(crate) mod routes;
mod runner;
mod space;
mod storing;
mod table;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use backup::BackupJob;
pub(crate) use context::JobContext;
pub(crate) use journal::Journal;
pub(crate) use runner::{Done, JobRunner, NewJob, SubmitError, Work};
pub(crate) use space::check as check_space;
pub(crate) use storing::{Wanted, reporter, store};
pub(crate) use words::size;
