//! Create Backup: writes down what is asked for, then hands it to the backup server.

use backup_api::BackupFormat;

use super::{BulkStart, COMMENT_CHARS};
use crate::{
    components::figures,
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
        match of_one(panel, user, *id).await {
            Ok(_) => started.begun += 1,
            Err(reason) => started.refused.push(refused(panel, user, *id, &reason).await),
        }
    }
    match (started.begun, started.refused.as_slice()) {
        (0, [first, ..]) => Err(AppError::Conflict(format!("No backup was started. {first}"))),
        _ => Ok(started),
    }
}

async fn of_one(panel: &Panel, user: &User, id: SubscriptionId) -> AppResult<OperationId> {
    let format = schedules::store::of(panel, id).await?.format;
    create(panel, user, id, format, "").await
}

/// Writes to the action log why one of several was not begun, whatever it was: the others shall be. Gives it in words.
async fn refused(panel: &Panel, user: &User, id: SubscriptionId, reason: &AppError) -> String {
    let subscription = subscriptions::store::find(panel, id).await;
    let name = subscription.map_or_else(|_| "A subscription that is not there any more".to_owned(), |row| row.name);
    let entry = Entry::by(user, format!("Could not start a backup: {reason}")).about(id, &name).failed();
    if let Err(error) = actions::note(panel, entry).await {
        tracing::error!("It could not be written down that no backup of {name} was started: {error}");
    }
    format!("{name}: {reason}")
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
    if comment.chars().count() > COMMENT_CHARS {
        let message = format!("A comment has at most {} characters.", figures::count(COMMENT_CHARS as u64));
        return Err(AppError::field("comment", message));
    }
    Ok(comment.to_owned())
}
