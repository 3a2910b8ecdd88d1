//! Create Backup: writes down what is asked for, then hands it to the backup server.

use backup_api::BackupFormat;

use super::BulkStart;
use crate::{
    error::{AppError, AppResult},
    operations::{
        OperationId, OperationKind,
        actions::{self, Entry},
        begin::{self, Asker},
        store::Stored,
    },
    schedules,
    server::{Panel, db::Tx},
    subscriptions::{self, SubscriptionId},
    users::User,
};

const COMMENT_MAX_CHARS: usize = 1000;

/// Starts a backup; one at a time for a subscription.
pub async fn create(
    panel: &Panel,
    user: &User,
    id: SubscriptionId,
    format: BackupFormat,
    comment: &str,
) -> AppResult<OperationId> {
    let comment = checked_comment(comment)?;
    let mut tx = panel.db.begin().await?;
    let mut new = prepare(panel, &mut tx, Asker::Person(user), id, format).await?;
    new.comment = comment;
    let what = format!("Started a backup of {} as {}", new.database, format.as_str());
    begin::begin(panel, tx, &new, what).await
}

/// The most subscriptions of one request.
const MOST_AT_ONCE: usize = 500;

/// Starts a backup of each subscription that none is under way for; the others are told, and written to the action log.
pub async fn of_several(panel: &Panel, user: &User, ids: &[SubscriptionId]) -> AppResult<BulkStart> {
    if ids.is_empty() {
        return Err(AppError::invalid("Choose at least one subscription in the list."));
    }
    if ids.len() > MOST_AT_ONCE {
        return Err(AppError::invalid("Choose at most 500 subscriptions at once."));
    }
    let mut started = BulkStart::default();
    for id in ids {
        let subscription = subscriptions::store::find(panel, *id).await?;
        let format = schedules::store::of(panel, *id).await?.format;
        match create(panel, user, *id, format, "").await {
            Ok(_) => started.begun += 1,
            Err(AppError::Conflict(reason)) => {
                let what = format!("Could not start a backup: {reason}");
                actions::note(panel, Entry::by(user, what).about(*id, &subscription.name).failed()).await?;
                started.refused.push(format!("{}: {reason}", subscription.name));
            }
            Err(error) => return Err(error),
        }
    }
    match (started.begun, started.refused.as_slice()) {
        (0, [first, ..]) => Err(AppError::Conflict(format!("No backup was started. {first}"))),
        _ => Ok(started),
    }
}

/// A new backup of a subscription, unless another operation is under way.
pub async fn prepare(
    panel: &Panel,
    tx: &mut Tx,
    asker: Asker<'_>,
    id: SubscriptionId,
    format: BackupFormat,
) -> AppResult<Stored> {
    let subscription = subscriptions::store::find_in(tx, id).await?;
    let place = subscription.destination().ok_or_else(|| {
        AppError::Conflict("No backup server is set. Choose one in the subscription's form first.".to_owned())
    })?;
    let new = begin::prepare(panel, tx, asker, OperationKind::Backup, &subscription, place).await?;
    Ok(Stored { format, ..new })
}

/// What somebody wrote about a backup, if it is not too long.
pub fn checked_comment(comment: &str) -> AppResult<String> {
    let comment = comment.trim();
    if comment.chars().count() > COMMENT_MAX_CHARS {
        return Err(AppError::field("comment", "A comment has at most 1,000 characters."));
    }
    Ok(comment.to_owned())
}
