//! The end of an operation: its row, the backup line, the figures and the action log change together or not at all.

use backup_api::{Backup, BackupId, Failure, FailureCode, Job, JobState, LogLevel, LogLine, Restored};

use super::{
    Operation, OperationId, OperationKind,
    actions::{self, Entry},
    store::{self, Stored},
};
use crate::{
    alerts,
    backups::store::{self as lines, NewLine},
    error::AppResult,
    history,
    restores::outcome as ending,
    retention,
    server::{Panel, db::Tx},
    subscriptions::{self, SubscriptionId},
    uploads,
};

/// How an operation ended.
#[derive(Clone, Debug)]
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
    pub fn lost(stored: &Stored, why: &str) -> Self {
        let operation = &stored.operation;
        let then = match (operation.kind, &operation.restore) {
            (kind, Some(facts)) if kind.replaces() => ending::lost(kind, facts),
            (OperationKind::Verify, _) => "Start the verification again.".to_owned(),
            (OperationKind::Import, _) => {
                "Nothing was kept of it; choose the file again: what was uploaded is used if it is still there."
                    .to_owned()
            }
            (OperationKind::Retention, _) => "It is applied again after the next good backup.".to_owned(),
            _ => "Nothing was kept of it; start the backup again.".to_owned(),
        };
        let failure = Failure { code: FailureCode::Interrupted, message: format!("{why} {then}") };
        Self::Failed { state: JobState::Interrupted, failure }
    }

    /// Its server has not answered for so long that nobody waits any more; what became of it is not known.
    pub fn out_of_reach(stored: &Stored) -> Self {
        let operation = &stored.operation;
        let then = match (operation.kind, &operation.restore) {
            (kind, Some(facts)) if kind.replaces() => ending::lost(kind, facts),
            (OperationKind::Verify, _) => "Start the verification again when it does.".to_owned(),
            (OperationKind::Retention, _) => {
                "What it removed all the same shows when it does; the rule is applied again after the next good backup."
                    .to_owned()
            }
            _ => "Should the backup have been made all the same, it appears among the lines when it does.".to_owned(),
        };
        let server = &operation.server;
        let message = format!(
            "The backup server “{server}” has not answered for too long, so that Holdfast does not wait for this any \
             more. {then}"
        );
        // A restore that was to be cancelled may have been done: it is asked for later.
        let (state, code) = if stored.cancel_asked && !operation.kind.replaces() {
            (JobState::Cancelled, FailureCode::Cancelled)
        } else {
            (JobState::Interrupted, FailureCode::Interrupted)
        };
        Self::Failed { state, failure: Failure { code, message } }
    }

    /// Too old to be begun by surprise.
    pub fn too_late(stored: &Stored) -> Self {
        let server = &stored.operation.server;
        let message = match stored.operation.kind {
            OperationKind::Retention => format!(
                "The backup server “{server}” did not answer for 15 minutes, so that nothing was removed. It is applied \
                 again after the next good backup."
            ),
            OperationKind::Backup => format!(
                "The backup server “{server}” did not answer for an hour, so that this planned backup was not begun. \
                 Check that the server runs; Holdfast tries again."
            ),
            _ => format!(
                "The backup server “{server}” did not answer for 15 minutes, so that this was not begun: nothing should \
                 be replaced by surprise later. Start it again when the server answers."
            ),
        };
        Self::Failed { state: JobState::Failed, failure: Failure { code: FailureCode::Unreachable, message } }
    }

    /// It made no progress for too long and was stopped.
    pub fn stood_still() -> Self {
        let message =
            "It made no progress for 6 hours and was stopped; nothing was kept. Look at the backup server and \
                       at the database's machine."
                .to_owned();
        Self::Failed { state: JobState::Failed, failure: Failure { code: FailureCode::Stalled, message } }
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
    let heard = matches!(end, End::Told { .. });
    let (mut made, log) = apply(&mut stored, end);
    stored.operation.finished_at.get_or_insert(now);
    stored.operation.bytes_per_second = None;
    let mut tx = panel.db.begin().await?;
    if !store::finish(&mut tx, &stored.operation).await? {
        return Ok(());
    }
    let own = last_line(&stored.operation, &log, now);
    store::log(&mut tx, id, &log).await?;
    store::log(&mut tx, id, own.as_slice()).await?;
    write_line(panel, &mut tx, &stored, made.backup.as_ref()).await?;
    match stored.operation.kind {
        OperationKind::Restore => {
            ending::write_restore(&mut tx, &stored, made.backup.as_ref(), made.restored.as_ref()).await?;
        }
        OperationKind::Undo => ending::write_undo(panel, &mut tx, &stored).await?,
        OperationKind::Import => {
            uploads::store::ended(&mut tx, id, upload_is_gone(&stored.operation)).await?;
        }
        OperationKind::Retention => {
            let removed = heard.then_some(made.removed.as_slice());
            made.told = Some(retention::apply::write_end(&mut tx, &stored, removed).await?);
        }
        OperationKind::Backup | OperationKind::Verify => {}
    }
    write_action(panel, &mut tx, &stored, &made).await?;
    tx.commit().await?;
    let state = stored.operation.state.as_str();
    tracing::info!(operation.id = %id.0, "Operation {} ended: {state}", id.0);
    let (kind, state, whose) = (stored.operation.kind, stored.operation.state, stored.operation.subscription);
    publish(panel, stored.operation).await;
    go_on(panel, kind, state, whose).await;
    Ok(())
}

/// What follows from an end: the rule is applied after a good backup, and whoever waited may begin.
async fn go_on(panel: &Panel, kind: OperationKind, state: JobState, subscription: Option<SubscriptionId>) {
    let applies = matches!(kind, OperationKind::Backup | OperationKind::Retention);
    if let (true, JobState::Succeeded, Some(subscription)) = (applies, state, subscription) {
        retention::apply::after_success(panel, subscription).await;
    }
    panel.ended.notify_one();
}

/// Writes down that a restore or an undo that was called interrupted came to its end after all: its backup server
/// finished it when it ran again. `restored` is what a restore did.
pub async fn correct(panel: &Panel, mut stored: Stored, restored: Option<Restored>) -> AppResult<()> {
    let id = stored.operation.id;
    stored.operation.state = JobState::Succeeded;
    stored.operation.failure = None;
    let mut tx = panel.db.begin().await?;
    if !store::correct(&mut tx, id).await? {
        return Ok(());
    }
    let message = "The backup server brought this to its end when it ran again.".to_owned();
    store::log(&mut tx, id, &[LogLine { at: panel.clock.now(), level: LogLevel::Info, message }]).await?;
    let made = Made { restored, ..Made::default() };
    match stored.operation.kind {
        OperationKind::Undo => ending::write_undo(panel, &mut tx, &stored).await?,
        _ => ending::write_restore(&mut tx, &stored, None, made.restored.as_ref()).await?,
    }
    write_action(panel, &mut tx, &stored, &made).await?;
    tx.commit().await?;
    tracing::info!(operation.id = %id.0, "Operation {} was brought to its end after all", id.0);
    publish(panel, stored.operation).await;
    Ok(())
}

/// Tells everybody who watches that an operation ended.
async fn publish(panel: &Panel, operation: Operation) {
    // Its page shall show what there is now.
    if let Some(subscription) = operation.subscription {
        panel.asked.forget(subscription);
    }
    // Read again: whether a restore can be undone follows from what is stored.
    let ended = store::find(panel, operation.id).await.map_or(operation, |stored| stored.operation);
    panel.live.publish(&ended);
}

/// What came of an operation.
#[derive(Debug, Default)]
struct Made {
    /// The backup; of a restore the safety backup, also of one that failed.
    backup: Option<Backup>,
    /// What a restore did.
    restored: Option<Restored>,
    /// What retention removed, also when it then failed.
    removed: Vec<BackupId>,
    /// What retention did, in words.
    told: Option<String>,
}

/// Changes the operation; gives what came of it, and the server's log.
fn apply(stored: &mut Stored, end: End) -> (Made, Vec<LogLine>) {
    let (job, log) = match end {
        End::Told { job, log } => (*job, log),
        End::Failed { state, failure } => {
            stored.operation.state = state;
            stored.operation.failure = Some(failure);
            return (Made::default(), Vec::new());
        }
    };
    let operation = &mut stored.operation;
    operation.state = job.state;
    operation.phase = job.phase;
    operation.progress = job.progress;
    operation.started_at = job.started_at.or(operation.started_at);
    operation.finished_at = job.finished_at;
    operation.failure = job.failure;
    let expected = (stored.backup, stored.repository);
    let backup = job.backup.filter(|backup| (backup.id, backup.repository) == expected && backup.size_bytes > 0);
    let succeeded = stored.operation.state == JobState::Succeeded;
    let restored = if succeeded { ending::matching(stored, job.restored) } else { None };
    let mut made = Made { backup, restored, removed: job.removed, told: None };
    if succeeded {
        if let Some(missing) = unproven(stored, &made) {
            stored.operation.state = JobState::Failed;
            stored.operation.failure = Some(Failure { code: FailureCode::Internal, message: missing.to_owned() });
        }
    } else {
        stored.operation.failure.get_or_insert_with(|| Failure {
            code: FailureCode::Internal,
            message: "The backup server gave no reason. Look at its log.".to_owned(),
        });
    }
    let failed = stored.operation.state != JobState::Succeeded;
    if failed && stored.operation.kind.makes_line() {
        made.backup = None;
    }
    (made, log)
}

/// Success that names nothing of what was asked for is none.
fn unproven(stored: &Stored, made: &Made) -> Option<&'static str> {
    match stored.operation.kind {
        kind if kind.makes_line() && made.backup.is_none() => Some(
            "The backup server said that it was done, but named no such backup. Look at its log, and make sure that \
             panel and server are of the same version.",
        ),
        OperationKind::Restore if made.restored.is_none() => Some(
            "The backup server said that it was done, but not that it restored what was asked for. Look at the \
             database and at the backup server's log before you go on, and make sure that panel and server are of the \
             same version.",
        ),
        _ => None,
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
        // Nothing was kept and nothing went wrong with a backup.
        None if !stored.operation.kind.makes_line() || stored.operation.state == JobState::Cancelled => return Ok(()),
        None => NewLine::failed(subscription, server, stored),
    };
    // What a file at a URL is called may be known to its server only.
    let fetched = backup.filter(|_| stored.operation.import.as_ref().is_some_and(|import| import.host.is_some()));
    line.comment.clone_from(fetched.map_or(&stored.comment, |backup| &backup.comment));
    line.operation = Some(stored.operation.id);
    lines::insert(panel, tx, &line).await?;
    if let Some(backup) = backup.filter(|_| stored.operation.kind == OperationKind::Backup) {
        // The line goes with the backup; how the size grew is still told then.
        history::store::remember_size(tx, stored.operation.id, backup.size_bytes).await?;
    }
    // A file from elsewhere says nothing about the subscription's own database.
    let own = backup.filter(|_| stored.operation.kind != OperationKind::Import);
    if let Some(version) = own.and_then(|backup| backup.odoo_version.as_deref()) {
        subscriptions::store::saw_version(tx, subscription, version).await?;
    }
    lines::recount(tx, subscription).await
}

/// Writes the end to the action log, and tells it where it gives cause to.
async fn write_action(panel: &Panel, tx: &mut Tx, stored: &Stored, made: &Made) -> AppResult<()> {
    let operation = &stored.operation;
    let what = told(stored, made);
    let mut entry = Entry::by_name(&operation.asked_by, stored.asked_by_id, what.clone());
    if !matches!(operation.state, JobState::Succeeded | JobState::Cancelled) {
        entry = entry.failed();
    }
    if let Some(subscription) = operation.subscription {
        entry = entry.about(subscription, &operation.subscription_name);
    }
    actions::write(panel, tx, entry).await?;
    alerts::operations::ended(panel, tx, stored, made.backup.as_ref(), &what).await
}

/// What the action log says of the end.
fn told(stored: &Stored, made: &Made) -> String {
    let operation = &stored.operation;
    let reason = operation.failure.as_ref().map_or("no reason given", |failure| failure.message.as_str());
    match (operation.kind, operation.state, &made.backup) {
        (OperationKind::Restore | OperationKind::Undo, ..) => {
            ending::told(stored, made.backup.as_ref(), made.restored.as_ref())
        }
        (OperationKind::Backup, _, Some(backup)) => format!("Created the backup {}", backup.file_name),
        (OperationKind::Import, _, Some(backup)) => {
            format!("Imported {} as the backup {}", imported(operation), backup.file_name)
        }
        (OperationKind::Retention, JobState::Cancelled, _) => {
            format!("Cancelled {}. {}", stored.in_words(), made.told.as_deref().unwrap_or_default())
        }
        (_, JobState::Cancelled, _) => format!("Cancelled {}", stored.in_words()),
        (OperationKind::Backup, ..) => format!("The backup of {} did not succeed: {reason}", stored.database),
        (OperationKind::Retention, JobState::Succeeded, _) => made.told.clone().unwrap_or_default(),
        (OperationKind::Retention, ..) => {
            let done = made.told.as_deref().unwrap_or_default();
            format!("The retention of the backups of {} did not succeed: {reason} {done}", stored.database)
        }
        (OperationKind::Import, ..) => format!("The import of {} did not succeed: {reason}", imported(operation)),
        (OperationKind::Verify, JobState::Succeeded, _) => format!("Verified the backups of {}", stored.database),
        (OperationKind::Verify, ..) => {
            format!("The verification of the backups of {} did not succeed: {reason}", stored.database)
        }
    }
}

/// The file of an import, in words.
fn imported(operation: &Operation) -> String {
    operation.import.as_ref().map(uploads::ImportFacts::in_words).unwrap_or_default()
}

/// Whether the server removed the upload: it was imported, or its content was refused. Else it can be imported again.
fn upload_is_gone(operation: &Operation) -> bool {
    let refused = operation.failure.as_ref().is_some_and(|failure| failure.code == FailureCode::Incomplete);
    operation.state == JobState::Succeeded || refused
}
