//! What becomes of jobs that the process before did not bring to their end.

use std::collections::HashMap;

use backup_api::{Backup, Failure, JobId, JobKind, JobState, Phase, Progress};

use super::{
    journal::Record,
    runner::{Done, JobRunner, Work, interrupted},
};
use crate::repositories::Repositories;

impl JobRunner {
    /// These jobs go on after a restart: a stop does not end them, and [`Self::resume`] brings them back.
    pub fn keep(&self, jobs: impl IntoIterator<Item = JobId>) {
        let mut table = self.table();
        for id in jobs {
            if let Some(entry) = table.entries.get_mut(&id) {
                entry.lasts = true;
            }
        }
    }

    /// Runs a kept job once more, after [`Self::settle`].
    pub async fn resume(&self, id: JobId, work: Work) {
        self.change(id, |job| {
            (job.state, job.phase, job.progress) = (JobState::Queued, Phase::Waiting, Progress::default());
        })
        .await;
        {
            let mut table = self.table();
            let Some(entry) = table.entries.get_mut(&id) else { return };
            entry.work = Some(work);
            table.queue.push_back(id);
        }
        self.start_next();
    }

    /// Whether a job ends only because the server stops, and goes on with the next start.
    pub fn goes_on_later(&self, id: JobId) -> bool {
        let table = self.table();
        table.closed && table.entries.get(&id).is_some_and(|entry| entry.lasts)
    }

    /// After a start: brings jobs that were not over when the process ended to their end. `recovered` are those whose own
    /// journal told how they end. A job whose backup is there, if that is all that it makes, had done its work (a backup
    /// appears as a whole or not at all); all others were interrupted.
    pub async fn settle(&self, repositories: &Repositories, mut recovered: HashMap<JobId, Result<Done, Failure>>) {
        let open: Vec<(Record, bool)> = {
            let table = self.table();
            let open = table.entries.values().filter(|entry| !entry.job.borrow().state.is_final());
            open.map(|entry| (entry.record(), entry.lasts)).collect()
        };
        for (record, lasts) in open {
            let id = record.job.id;
            let made = match record.backup {
                Some(backup) => repositories.get(record.job.repository, backup).await.ok(),
                None => None,
            };
            let outcome = match (recovered.remove(&id), record.job.kind, made) {
                (Some(outcome), _, made) => {
                    self.note_backup(id, made).await;
                    outcome
                }
                (None, JobKind::Backup | JobKind::Import, Some(backup)) => Ok(Done::Backup(Box::new(backup))),
                (None, _, None) if lasts => continue,
                (None, _, made) => {
                    self.note_backup(id, made).await;
                    Err(interrupted(record.job.kind))
                }
            };
            self.finish(id, outcome).await;
        }
    }

    async fn note_backup(&self, id: JobId, backup: Option<Backup>) {
        if let Some(backup) = backup {
            self.change(id, |job| job.backup = Some(backup)).await;
        }
    }
}
