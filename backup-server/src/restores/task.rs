//! What the work of a restore and of its undo is given, whatever the target.

use backup_api::{Failure, FailureCode, Phase, RestorePlan};
use chrono::{DateTime, Utc};

use super::{Record, Step};
use crate::{jobs::JobContext, repositories::BackupReader, server::App};

/// A restore, or its undo, at work.
pub(crate) struct Task {
    /// The server.
    pub app: App,
    /// The job: phases, log, the sign to stop.
    pub context: JobContext,
    /// What is restored into what; for an undo with the target as it is reached now.
    pub plan: RestorePlan,
    /// Its journal.
    pub record: Record,
}

/// How a restore that a crash interrupted was brought to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// The live database is the one from before the restore; for an undo: the restored one.
    TakenBack,
    /// The restored database is live and was looked at; for an undo: the one from before the restore.
    Finished,
}

impl Task {
    /// Writes the next step to the journal; only then may it begin.
    pub async fn step(&mut self, step: Step) -> Result<(), Failure> {
        self.record.step = step;
        self.app.restores.save(&self.record).await
    }

    /// Begins a phase: shown, and ended here when the job was cancelled.
    pub fn enter(&self, phase: Phase) -> Result<(), Failure> {
        self.context.enter(phase);
        self.go_on()
    }

    /// An error when the job was told to stop.
    pub fn go_on(&self) -> Result<(), Failure> {
        if self.context.cancel.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }

    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        self.app.config.clock.now()
    }

    /// Passes a named point of the work; tests stop here to kill what they like.
    pub async fn pass(&self, point: &str) {
        self.app.config.pass(point).await;
    }
}

/// A restore with its backup open.
pub(crate) struct RestoreTask {
    /// The work.
    pub task: Task,
    /// The backup's files.
    pub reader: BackupReader,
}

/// A failure in one line.
pub(crate) fn failure(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

/// The failure of work that was told to stop.
pub(crate) fn cancelled() -> Failure {
    failure(FailureCode::Cancelled, "Cancelled on request; the live database is as it was.")
}
