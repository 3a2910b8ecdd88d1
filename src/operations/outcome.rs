//! The end of an operation: its row, the backup line, the figures and the action log change together or not at all.

use backup_api::{Backup, Failure, FailureCode, Job, JobState, LogLevel, LogLine};

use super::{
    Operation, OperationId,
    actions::{self, Entry},
    store::{self, Stored},
};
use crate::{
    backups::store::{self as lines, NewLine},
    error::AppResult,
    server::{Panel, db::Tx},
    subscriptions,
};

/// How an operation ended.
#[derive(Debug)]
pub enum End {
    /// The server said so.
    Told {
        /// Its last word.
        job: Box<Job>,
        /// What it did.
        log: Vec<LogLine>,
    },
    /// It did not come to that.
    Failed {
        /// Failed, cancelled or interrupted.
        state: JobState,
        /// Why.
        failure: Failure,
    },
}

impl End {
    /// The server does not know it any more.
    pub fn lost(why: &str) -> Self {
        let message = format!("{why} Nothing was kept of it; start the backup again.");
        Self::Failed { state: JobState::Interrupted, failure: Failure { code: FailureCode::Interrupted, message } }
    }

    /// Stopped before the server had heard of it.
    pub fn cancelled_before_start() -> Self {
        let message = "Cancelled before the backup server had begun.".to_owned();
        Self::Failed { state: JobState::Cancelled, failure: Failure { code: FailureCode::Cancelled, message } }
    }
}

/// Writes the end down; a second time does nothing.
pub async fn settle(panel: &Panel, id: OperationId, end: End) -> AppResult<()> {
    let mut stored = store::find(panel, id).await?;
    if stored.operation.state.is_final() {
        return Ok(());
    }
    panel.live.refresh(&mut stored.operation);
    let now = panel.clock.now();
    let (backup, log) = apply(&mut stored, end);
    stored.operation.finished_at.get_or_insert(now);
    stored.operation.bytes_per_second = None;
    let mut tx = panel.db.begin().await?;
    if !store::finish(&mut tx, &stored.operation).await? {
        return Ok(());
    }
    let own = last_line(&stored.operation, &log, now);
    store::log(&mut tx, id, &log).await?;
    store::log(&mut tx, id, own.as_slice()).await?;
    write_line(panel, &mut tx, &stored, backup.as_ref()).await?;
    write_action(panel, &mut tx, &stored, backup.as_ref()).await?;
    tx.commit().await?;
    let state = stored.operation.state.as_str();
    tracing::info!(operation.id = %id.0, "Operation {} ended: {state}", id.0);
    panel.live.publish(&stored.operation);
    Ok(())
}

/// Changes the operation; gives the backup that was made, if one was, and the server's log.
fn apply(stored: &mut Stored, end: End) -> (Option<Backup>, Vec<LogLine>) {
    let expected = (stored.backup, stored.repository);
    let operation = &mut stored.operation;
    let (job, log) = match end {
        End::Told { job, log } => (job, log),
        End::Failed { state, failure } => {
            operation.state = state;
            operation.failure = Some(failure);
            return (None, Vec::new());
        }
    };
    operation.state = job.state;
    operation.phase = job.phase;
    operation.progress = job.progress;
    operation.started_at = job.started_at.or(operation.started_at);
    operation.finished_at = job.finished_at;
    operation.failure = job.failure;
    let backup = job.backup.filter(|backup| (backup.id, backup.repository) == expected && backup.size_bytes > 0);
    match (operation.state, backup) {
        (JobState::Succeeded, Some(backup)) => (Some(backup), log),
        (JobState::Succeeded, None) => {
            // Success that names no backup of ours is none.
            operation.state = JobState::Failed;
            operation.failure = Some(Failure {
                code: FailureCode::Internal,
                message:
                    "The backup server said that it was done, but named no such backup. Look at its log, and make \
                          sure that panel and server are of the same version."
                        .to_owned(),
            });
            (None, log)
        }
        _ => {
            operation.failure.get_or_insert_with(|| Failure {
                code: FailureCode::Internal,
                message: "The backup server gave no reason. Look at its log.".to_owned(),
            });
            (None, log)
        }
    }
}

/// The panel's own last line, where the server's log does not tell the end.
fn last_line(operation: &Operation, log: &[LogLine], now: chrono::DateTime<chrono::Utc>) -> Option<LogLine> {
    let failure = operation.failure.as_ref()?;
    if log.iter().any(|line| line.message.contains(&failure.message)) {
        return None;
    }
    let level = if operation.state == JobState::Cancelled { LogLevel::Warn } else { LogLevel::Error };
    Some(LogLine { at: now, level, message: failure.message.clone() })
}

async fn write_line(panel: &Panel, tx: &mut Tx, stored: &Stored, backup: Option<&Backup>) -> AppResult<()> {
    let (Some(subscription), Some(server)) = (stored.operation.subscription, stored.server) else { return Ok(()) };
    let mut line = match backup {
        Some(backup) => NewLine::good(subscription, server, backup, stored.trigger),
        // Nothing was kept and nothing went wrong.
        None if stored.operation.state == JobState::Cancelled => return Ok(()),
        None => NewLine::failed(subscription, server, stored),
    };
    line.comment.clone_from(&stored.comment);
    line.operation = Some(stored.operation.id);
    lines::insert(panel, tx, &line).await?;
    if let Some(version) = backup.and_then(|backup| backup.odoo_version.as_deref()) {
        subscriptions::store::saw_version(tx, subscription, version).await?;
    }
    lines::recount(tx, subscription).await
}

async fn write_action(panel: &Panel, tx: &mut Tx, stored: &Stored, backup: Option<&Backup>) -> AppResult<()> {
    let operation = &stored.operation;
    let what = match (operation.state, backup) {
        (_, Some(backup)) => format!("Created the backup {}", backup.file_name),
        (JobState::Cancelled, None) => format!("Cancelled the backup of {}", stored.database),
        (_, None) => {
            let reason = operation.failure.as_ref().map_or("no reason given", |failure| failure.message.as_str());
            format!("The backup of {} did not succeed: {reason}", stored.database)
        }
    };
    let mut entry = Entry::by_name(&operation.asked_by, stored.asked_by_id, what);
    if backup.is_none() && operation.state != JobState::Cancelled {
        entry = entry.failed();
    }
    if let Some(subscription) = operation.subscription {
        entry = entry.about(subscription, &operation.subscription_name);
    }
    actions::write(panel, tx, entry).await
}
