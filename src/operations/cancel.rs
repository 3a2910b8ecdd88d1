//! Asks an operation to stop.

use super::{
    OperationId,
    actions::{self, Entry},
    store,
};
use crate::{
    error::{AppError, AppResult},
    server::Panel,
    users::User,
};

/// Asks an operation to stop; its follower passes that on, also when the server answers only later.
pub async fn ask(panel: &Panel, user: &User, id: OperationId) -> AppResult<()> {
    let stored = store::find(panel, id).await?;
    if stored.operation.state.is_final() {
        return Err(AppError::Conflict("This operation has ended already; there is nothing to cancel.".to_owned()));
    }
    let mut tx = panel.db.begin().await?;
    if store::ask_to_cancel(&mut tx, id).await? {
        let what = format!("Asked to cancel {}", stored.in_words());
        let mut entry = Entry::by(user, what).started();
        if let Some(subscription) = stored.operation.subscription {
            entry = entry.about(subscription, &stored.operation.subscription_name);
        }
        actions::write(panel, &mut tx, entry).await?;
    }
    tx.commit().await?;
    panel.live.wake(id);
    Ok(())
}
