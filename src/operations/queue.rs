//! One operation at a time for a subscription.

use super::{
    OperationKind,
    store::{self, Stored},
};
use crate::{
    error::{AppError, AppResult},
    server::{Panel, db::Tx},
    subscriptions::{self, SubscriptionId},
};

/// Refuses a second operation of a subscription, in words that name the first, and one of a subscription that is being
/// deleted. Nothing else of it begins before the transaction ends.
pub async fn one_at_a_time(panel: &Panel, tx: &mut Tx, id: SubscriptionId) -> AppResult<()> {
    subscriptions::store::hold(tx, id).await?;
    if let Some(name) = subscriptions::store::being_deleted(tx, id, panel.clock.now()).await? {
        let message = format!("“{name}” is being deleted with its backups. Look into the action log how far that is.");
        return Err(AppError::Conflict(message));
    }
    nothing_under_way(panel, tx, id).await
}

/// Refuses what would cross an operation, in words that name it.
pub async fn nothing_under_way(panel: &Panel, tx: &mut Tx, id: SubscriptionId) -> AppResult<()> {
    match store::unfinished_of(tx, id, panel.clock.now()).await? {
        Some(other) => Err(AppError::Conflict(under_way(&other))),
        None => Ok(()),
    }
}

/// The operation that is in the way of another one, in words.
pub async fn in_the_way(panel: &Panel, id: SubscriptionId) -> AppResult<Option<String>> {
    let unfinished = store::unfinished(panel).await?;
    Ok(unfinished.iter().find(|other| other.operation.subscription == Some(id)).map(under_way))
}

fn under_way(other: &Stored) -> String {
    let operation = &other.operation;
    let a = if matches!(operation.kind, OperationKind::Undo | OperationKind::Import) { "An" } else { "A" };
    format!(
        "{a} {} of “{}” is under way already: {} asked for it on {} UTC. Wait until it has ended, or cancel it under \
         Operations.",
        operation.kind.label().to_lowercase(),
        operation.subscription_name,
        operation.asked_by,
        operation.created_at.format("%Y-%m-%d at %H:%M")
    )
}
