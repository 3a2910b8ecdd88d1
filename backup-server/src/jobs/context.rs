//! What running work is given: a place to report progress, a log, and the sign to stop.

use std::sync::Arc;

use backup_api::{Backup, BackupId, Job, JobId, LogLevel, LogLine, Phase, Progress};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::journal::JobLog;
use crate::config::Clock;

/// The connection of running work to its job; cheap to clone into threads.
#[derive(Clone)]
pub(crate) struct JobContext {
    /// The job's identity.
    pub id: JobId,
    /// Set when the work has to stop.
    pub cancel: CancellationToken,
    pub(super) job: watch::Sender<Job>,
    pub(super) log: Arc<JobLog>,
    pub(super) clock: Clock,
    /// Shown instead of the work's own phases.
    pub(super) shown: Option<Phase>,
}

impl JobContext {
    /// The same job for a part of its work that is shown as one phase, whatever phases the part has.
    pub fn shown_as(&self, phase: Phase) -> Self {
        Self { shown: Some(phase), ..self.clone() }
    }

    /// Says what the work does now and how far it is.
    pub fn progress(&self, phase: Phase, progress: Progress) {
        let phase = self.shown.unwrap_or(phase);
        self.job.send_if_modified(|job| {
            let changed = !job.state.is_final() && (job.phase, job.progress) != (phase, progress);
            if changed {
                (job.phase, job.progress) = (phase, progress);
            }
            changed
        });
    }

    /// Names a backup that the work made on its way; kept whatever becomes of the work.
    pub fn made_backup(&self, backup: Backup) {
        self.job.send_modify(|job| job.backup = Some(backup));
    }

    /// Names a backup that the work removed; kept whatever becomes of the work.
    pub fn removed(&self, backup: BackupId) {
        self.job.send_modify(|job| job.removed.push(backup));
    }

    /// Begins a phase whose size is not known.
    pub fn enter(&self, phase: Phase) {
        self.progress(phase, Progress::default());
    }

    /// Writes what happens to the job's log.
    pub fn info(&self, message: impl Into<String>) {
        self.write(LogLevel::Info, message.into());
    }

    /// Writes what deserves a look to the job's log.
    pub fn warn(&self, message: impl Into<String>) {
        self.write(LogLevel::Warn, message.into());
    }

    /// Writes why the job failed to its log.
    pub fn error(&self, message: impl Into<String>) {
        self.write(LogLevel::Error, message.into());
    }

    fn write(&self, level: LogLevel, message: String) {
        let line = LogLine { at: self.clock.now(), level, message };
        if let Err(error) = self.log.append(&line) {
            // The log helps a reader; work must not fail because of it.
            tracing::warn!(job.id = %self.id, %error, "Could not write to the log of job {}", self.id);
        }
    }
}
