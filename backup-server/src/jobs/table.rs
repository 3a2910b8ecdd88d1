//! The jobs in memory, and the rule of who runs next.

use std::collections::{HashMap, VecDeque};

use backup_api::{BackupId, Job, JobId, RepositoryId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{journal::Record, runner::Work};

/// One job in memory.
pub(super) struct Entry {
    pub job: watch::Sender<Job>,
    pub fingerprint: String,
    pub backup: Option<BackupId>,
    pub cancel: CancellationToken,
    /// Taken when it begins to run.
    pub work: Option<Work>,
    /// It goes on after a restart, with what it keeps itself.
    pub lasts: bool,
}

impl Entry {
    pub fn new(record: Record, work: Option<Work>) -> Self {
        Self {
            job: watch::Sender::new(record.job),
            fingerprint: record.fingerprint,
            backup: record.backup,
            cancel: CancellationToken::new(),
            work,
            lasts: false,
        }
    }

    pub fn record(&self) -> Record {
        Record { job: self.job.borrow().clone(), fingerprint: self.fingerprint.clone(), backup: self.backup }
    }
}

/// All jobs of the server.
#[derive(Default)]
pub(super) struct Table {
    pub entries: HashMap<JobId, Entry>,
    pub queue: VecDeque<JobId>,
    pub running: HashMap<JobId, RepositoryId>,
    /// Set when the server stops: nothing new is taken or begun.
    pub closed: bool,
}

impl Table {
    /// Takes the next job that may run: the oldest whose repository is free, while fewer than `limit` run.
    pub fn take_next(&mut self, limit: usize) -> Option<(JobId, Work)> {
        if self.closed || self.running.len() >= limit.max(1) {
            return None;
        }
        let repository = |id: &JobId| self.entries.get(id).map(|entry| entry.job.borrow().repository);
        let place = self
            .queue
            .iter()
            .position(|id| repository(id).is_some_and(|wanted| self.running.values().all(|busy| *busy != wanted)))?;
        let id = self.queue.remove(place)?;
        let entry = self.entries.get_mut(&id)?;
        let work = entry.work.take()?;
        let repository = entry.job.borrow().repository;
        self.running.insert(id, repository);
        Some((id, work))
    }

    /// Whether a job works in a repository: one whose end is told does not, though its place is not free yet.
    pub fn is_busy(&self, repository: RepositoryId) -> bool {
        let works = |id: &JobId| self.entries.get(id).is_some_and(|entry| !entry.job.borrow().state.is_final());
        self.running.iter().any(|(id, busy)| *busy == repository && works(id))
    }

    /// A job that is not final and makes this backup.
    pub fn maker_of(&self, backup: BackupId) -> Option<JobId> {
        let makes = |entry: &Entry| entry.backup == Some(backup) && !entry.job.borrow().state.is_final();
        self.entries.iter().find(|(_, entry)| makes(entry)).map(|(id, _)| *id)
    }
}
