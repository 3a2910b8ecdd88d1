//! The end of a restore or of its undoing, as the panel keeps and tells it.

use backup_api::{Backup, JobState, Restored};

use super::{RestoreFacts, store};
use crate::{
    error::AppResult,
    operations::{OperationKind, store::Stored},
    server::{Panel, db::Tx},
    subscriptions,
};

/// What a restore did, if it is what was asked for.
pub fn matching(stored: &Stored, restored: Option<Restored>) -> Option<Restored> {
    let (facts, kept) = (stored.operation.restore.as_ref()?, stored.restore.as_ref()?);
    restored.filter(|done| {
        let is_neutralized = done.neutralized || !facts.neutralize;
        done.backup == kept.backup && done.database.as_str() == facts.database && is_neutralized
    })
}

/// Writes the end of a restore down: its result, and which Odoo the subscription's database is now.
pub async fn write_restore(
    tx: &mut Tx,
    stored: &Stored,
    safety: Option<&Backup>,
    restored: Option<&Restored>,
) -> AppResult<()> {
    let Some(facts) = &stored.operation.restore else { return Ok(()) };
    if let Some(version) = safety.and_then(|backup| backup.odoo_version.as_deref()) {
        store::saw_version_before(tx, facts.restore, version).await?;
    }
    let Some(restored) = restored else { return Ok(()) };
    store::succeeded(tx, facts.restore, restored).await?;
    match stored.operation.subscription {
        Some(id) if !facts.is_copy => {
            let version = facts.odoo_version.as_deref();
            subscriptions::store::replaced(tx, id, &stored.database, version).await
        }
        _ => Ok(()),
    }
}

/// Writes down that a restore was undone.
pub async fn write_undo(panel: &Panel, tx: &mut Tx, stored: &Stored) -> AppResult<()> {
    let (Some(facts), Some(kept)) = (&stored.operation.restore, &stored.restore) else { return Ok(()) };
    if stored.operation.state != JobState::Succeeded {
        return Ok(());
    }
    store::undone(tx, facts.restore, &stored.operation.asked_by, panel.clock.now()).await?;
    match stored.operation.subscription {
        Some(id) => subscriptions::store::replaced(tx, id, &stored.database, kept.version_before.as_deref()).await,
        None => Ok(()),
    }
}

/// What the action log says of the end.
pub fn told(stored: &Stored, safety: Option<&Backup>, restored: Option<&Restored>) -> String {
    let operation = &stored.operation;
    let Some(facts) = &operation.restore else { return String::new() };
    let reason = operation.failure.as_ref().map_or("no reason given", |failure| failure.message.as_str());
    let kept = safety.map(|backup| format!(". The safety backup is {}", backup.file_name)).unwrap_or_default();
    match (operation.kind, operation.state, restored) {
        (OperationKind::Undo, JobState::Succeeded, _) => {
            format!("Undid the restore of {}: the database from before is back", facts.what_into_what())
        }
        (OperationKind::Undo, JobState::Cancelled, _) => {
            format!("Cancelled undoing the restore of {}", facts.what_into_what())
        }
        (OperationKind::Undo, ..) => {
            format!("Undoing the restore of {} did not succeed: {reason}", facts.what_into_what())
        }
        (_, _, Some(restored)) => format!("Restored {}; {}{kept}", facts.in_words(), result_in_words(restored)),
        (_, JobState::Cancelled, _) => format!("Cancelled the restore of {}{kept}", facts.in_words()),
        _ => {
            let reason = reason.trim_end_matches('.');
            format!("The restore of {} did not succeed: {reason}{kept}", facts.in_words())
        }
    }
}

fn result_in_words(done: &Restored) -> String {
    let attachments = done.attachments.as_ref().map_or_else(
        || "no attachments, for the backup holds the database only".to_owned(),
        |files| format!("{} of {} attachments", files.present, files.expected),
    );
    let undo = done.undo_until.map_or_else(
        || "cannot be undone".to_owned(),
        |until| format!("can be undone until {}", super::in_words(until)),
    );
    format!("verified: {} tables with {} rows, {attachments}; {undo}", done.tables, done.rows)
}

/// What is and is not known when the server does not know a restore or its undoing any more.
pub fn lost(kind: OperationKind, facts: &RestoreFacts) -> String {
    let database = &facts.database;
    match kind {
        OperationKind::Undo => format!(
            "Whether the database from before is back under the name {database} is not known here. What was begun, the \
             backup server's own journal finishes or takes back when it starts, so that one whole database answers. \
             Look at {database} before you go on."
        ),
        _ if facts.is_copy => format!(
            "Whether the new database {database} was made is not known here. What was begun, the backup server's own \
             journal finishes or takes back when it starts. Look whether {database} is there before you try again."
        ),
        _ => format!(
            "Whether {database} is the restored database or the one from before is not known here. What was begun, the \
             backup server's own journal finishes or takes back when it starts, so that one whole database answers. \
             Look at {database} before you restore again."
        ),
    }
}
