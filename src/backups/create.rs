//! Create Backup: writes down what is asked for, then hands it to the backup server.

use backup_api::BackupFormat;

use crate::{
    error::{AppError, AppResult},
    operations::{
        OperationId, OperationKind,
        begin::{self, Asker},
        store::Stored,
    },
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
