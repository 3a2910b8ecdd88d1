//! Servers that end: one that nothing refers to is forgotten, one that is gone for good is written off with its backups.

use uuid::Uuid;

use super::{
    ServerId,
    reach::{self, Found},
    store,
};
use crate::{
    backups,
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::{
        Panel,
        db::{Tx, query},
    },
    subscriptions::SubscriptionId,
    users::User,
};

/// Removes a server. One with backups only when it is away and `typed_name` is its name: they go out of the lists.
pub async fn remove(panel: &Panel, user: &User, id: ServerId, typed_name: &str) -> AppResult<()> {
    // Asked now: what was known of it may be minutes old. Only one that holds something must be gone for that.
    let found = if store::holds_lines(panel, id).await? { reach::find(panel, id).await? } else { Found::Away };
    let mut tx = panel.db.begin().await?;
    let usage = store::usage(&mut tx, id).await?;
    let name = &usage.name;
    if usage.embedded {
        return Err(AppError::Conflict(
            "The backup server of this machine belongs to the panel. To do without it, start the panel with \
             --no-embedded-server."
                .to_owned(),
        ));
    }
    if usage.subscriptions > 0 || usage.operations > 0 || (usage.lines > 0 && found == Found::Serving) {
        return Err(AppError::Conflict(format!(
            "The backup server “{name}” is still in use: {} subscription(s) are set to it, {} operation(s) are under way \
             on it, and it holds {} backup line(s). Move the subscriptions, wait for the operations or cancel them, and \
             delete those backups first.",
            usage.subscriptions, usage.operations, usage.lines
        )));
    }
    let mut what = format!("Deleted the backup server “{name}”");
    if usage.lines > 0 {
        if let Found::Refusing(reason) = found {
            return Err(AppError::Conflict(format!(
                "“{name}” is not gone, so it cannot be written off with its {} backup line(s): {reason}",
                usage.lines
            )));
        }
        if typed_name.trim() != name {
            return Err(AppError::field("typed_name", format!("Type “{name}”, the name of the server, to confirm.")));
        }
        write_off(panel, &mut tx, user, id, name).await?;
        what = format!("Wrote off the backup server “{name}” with {} backup line(s)", usage.lines);
    }
    store::delete(&mut tx, id).await?;
    actions::write(panel, &mut tx, Entry::by(user, what)).await?;
    tx.commit().await?;
    Ok(())
}

/// Takes the lines of a server out of every subscription, each of which tells of it in its own action log.
async fn write_off(panel: &Panel, tx: &mut Tx, user: &User, id: ServerId, name: &str) -> AppResult<()> {
    let owners: Vec<(Uuid, String)> = query!(
        tx,
        fetch_all,
        "SELECT s.id, s.name FROM subscriptions s
         WHERE EXISTS (SELECT 1 FROM backup_lines l WHERE l.subscription_id = s.id AND l.server_id = $1) ORDER BY s.id",
        id.0
    )?;
    for (owner, subscription) in owners {
        let owner = SubscriptionId(owner);
        crate::subscriptions::store::hold(tx, owner).await?;
        let lines = query!(
            tx,
            execute,
            "DELETE FROM backup_lines WHERE subscription_id = $1 AND server_id = $2",
            owner.0,
            id.0
        )?;
        backups::store::recount(tx, owner).await?;
        let what = format!("Wrote off {lines} backup line(s) with the backup server “{name}”, which does not answer");
        actions::write(panel, tx, Entry::by(user, what).about(owner, &subscription)).await?;
    }
    Ok(())
}
