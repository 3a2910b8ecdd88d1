//! Verify: has the backup server read a subscription's whole repository and compare its checksums.

use crate::{
    error::{AppError, AppResult},
    operations::{
        OperationId, OperationKind,
        begin::{self, Asker},
    },
    server::Panel,
    subscriptions::{self, SubscriptionId},
    users::User,
};

/// Starts a verification; one operation at a time for a subscription.
pub async fn verify(panel: &Panel, user: &User, id: SubscriptionId) -> AppResult<OperationId> {
    let mut tx = panel.db.begin().await?;
    let subscription = subscriptions::store::find_in(&mut tx, id).await?;
    let place = subscription
        .destination()
        .ok_or_else(|| AppError::Conflict("No backup server is set, so there is nothing to verify yet.".to_owned()))?;
    let asker = Asker::Person(user);
    let new = begin::prepare(panel, &mut tx, asker, OperationKind::Verify, &subscription, place).await?;
    let what = format!("Started verifying the backups of {}", new.database);
    begin::begin(panel, tx, &new, what).await
}
