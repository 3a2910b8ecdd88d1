//! Create Backup: writes down what is asked for, then hands it to the backup server.

use backup_api::{BackupFormat, BackupId};

use super::Trigger;
use crate::{
    backup_servers,
    error::{AppError, AppResult},
    operations::{
        OperationId, OperationKind,
        actions::{self, Entry},
        follow, queue,
        store::{self, Stored},
    },
    server::Panel,
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
    let subscription = subscriptions::store::find_in(&mut tx, id).await?;
    let (server, repository) = subscription.destination().ok_or_else(|| {
        AppError::Conflict("No backup server is set. Choose one in the subscription's form first.".to_owned())
    })?;
    queue::one_at_a_time(panel, &mut tx, id).await?;
    let server_name = backup_servers::store::name_of(&mut tx, server).await?;
    let operation = queue::operation(panel, user, OperationKind::Backup, &subscription, server_name);
    let new = Stored {
        operation,
        server: Some(server),
        repository,
        backup: BackupId(panel.id()),
        database: subscription.database_name.clone(),
        format,
        comment,
        trigger: Trigger::Manual,
        asked_by_id: Some(user.id),
        accepted: false,
        cancel_asked: false,
        restore: None,
    };
    store::insert(&mut tx, &new).await?;
    let what = format!("Started a backup of {} as {}", new.database, format.as_str());
    actions::write(panel, &mut tx, Entry::by(user, what).about(id, &subscription.name).started()).await?;
    tx.commit().await?;
    panel.live.publish(&new.operation);
    follow::begin(panel, new.operation.id, false);
    Ok(new.operation.id)
}

/// What somebody wrote about a backup, if it is not too long.
pub fn checked_comment(comment: &str) -> AppResult<String> {
    let comment = comment.trim();
    if comment.chars().count() > COMMENT_MAX_CHARS {
        return Err(AppError::field("comment", "A comment has at most 1,000 characters."));
    }
    Ok(comment.to_owned())
}
