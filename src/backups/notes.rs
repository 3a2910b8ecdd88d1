//! Small acts on backups: comment and pin.

use super::{LineId, create::checked_comment, store};
use crate::{
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    retention,
    server::Panel,
    subscriptions,
    users::User,
};

/// Changes what is written about a backup.
pub async fn set_comment(panel: &Panel, user: &User, id: LineId, comment: &str) -> AppResult<()> {
    let comment = checked_comment(comment)?;
    let found = store::find(panel, id).await?;
    let subscription = subscriptions::store::find(panel, found.line.subscription).await?;
    let mut tx = panel.db.begin().await?;
    store::set_comment(&mut tx, &found.line, &comment).await?;
    let what = format!("Changed the comment of {}", found.line.name);
    actions::write(panel, &mut tx, Entry::by(user, what).about(found.line.subscription, &subscription.name)).await?;
    tx.commit().await?;
    Ok(())
}

/// Keeps a backup from retention, or no longer.
pub async fn set_pinned(panel: &Panel, user: &User, id: LineId, pinned: bool) -> AppResult<()> {
    let found = store::find(panel, id).await?;
    if pinned && !found.line.is_usable() {
        return Err(AppError::Conflict("Only a good backup can be pinned; there is nothing to keep here.".to_owned()));
    }
    let subscription = subscriptions::store::find(panel, found.line.subscription).await?;
    let mut tx = panel.db.begin().await?;
    // Either this comes first and the order leaves it out, or the order was first and this is refused.
    subscriptions::store::hold(&mut tx, found.line.subscription).await?;
    if pinned && retention::store::is_being_removed(&mut tx, id).await? {
        let message =
            format!("{} is being removed by retention at this moment; it is too late to pin it.", found.line.name);
        return Err(AppError::Conflict(message));
    }
    store::set_pinned(&mut tx, id, pinned).await?;
    let what = format!("{} {}", if pinned { "Pinned" } else { "Unpinned" }, found.line.name);
    actions::write(panel, &mut tx, Entry::by(user, what).about(found.line.subscription, &subscription.name)).await?;
    tx.commit().await?;
    Ok(())
}
