//! Verify: has the backup server read a subscription's whole repository and compare its checksums.

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

/// Starts a verification; one operation at a time for a subscription.
pub async fn verify(panel: &Panel, user: &User, id: SubscriptionId) -> AppResult<OperationId> {
    let mut tx = panel.db.begin().await?;
    let subscription = subscriptions::store::find_in(&mut tx, id).await?;
    let (server, repository) = subscription
        .destination()
        .ok_or_else(|| AppError::Conflict("No backup server is set, so there is nothing to verify yet.".to_owned()))?;
    queue::one_at_a_time(panel, &mut tx, id).await?;
    let server_name = backup_servers::store::name_of(&mut tx, server).await?;
    let new = Stored {
        operation: queue::operation(panel, user, OperationKind::Verify, &subscription, server_name),
        server: Some(server),
        repository,
        // A verification makes no backup.
        backup: BackupId(panel.id()),
        database: subscription.database_name.clone(),
        format: BackupFormat::default(),
        comment: String::new(),
        trigger: Trigger::Manual,
        asked_by_id: Some(user.id),
        accepted: false,
        cancel_asked: false,
        restore: None,
    };
    store::insert(&mut tx, &new).await?;
    let what = format!("Started verifying the backups of {}", new.database);
    actions::write(panel, &mut tx, Entry::by(user, what).about(id, &subscription.name).started()).await?;
    tx.commit().await?;
    panel.live.publish(&new.operation);
    follow::begin(panel, new.operation.id, false);
    Ok(new.operation.id)
}
