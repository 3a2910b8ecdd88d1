//! Deletes backups and subscriptions: on the server first, then in the panel.

use std::collections::BTreeSet;

use backup_api::{BackupId, ErrorCode, RepositoryId};
use chrono::TimeDelta;

use super::{
    LineId, LineResult,
    places::{self, Place},
    store,
};
use crate::{
    backup_servers::{
        self,
        clients::{self, Server},
    },
    error::{AppError, AppResult},
    operations::{
        self,
        actions::{self, Entry},
    },
    restores, retention,
    server::{Panel, db::Tx},
    subscriptions::{
        self, SubscriptionId,
        store::{Row, forget_kept, keep_repository},
    },
    users::User,
};

type Places = BTreeSet<Place>;

/// One backup takes no longer to delete: after that the panel that began it is taken for gone.
const LONGEST_DELETION: TimeDelta = TimeDelta::minutes(10);

/// Deletes a backup with its line. Of a failed or missing one there is only the line.
pub async fn of_line(panel: &Panel, user: &User, id: LineId) -> AppResult<()> {
    let found = store::find(panel, id).await?;
    let line = &found.line;
    if line.pinned {
        return Err(AppError::Conflict(format!("{} is pinned. Unpin it first, then delete it.", line.name)));
    }
    let mut tx = panel.db.begin().await?;
    let restored = restores::store::is_being_restored(&mut tx, id).await?;
    drop(tx);
    if restored {
        let message = format!("{} is being restored. Wait until that has ended, then delete it.", line.name);
        return Err(AppError::Conflict(message));
    }
    if line.is_usable() {
        let server = clients::server(panel, found.server).await?;
        delete_there(&server, found.repository, line.remote_id).await?;
    }
    let subscription = subscriptions::store::find(panel, line.subscription).await?;
    let what = match &line.result {
        LineResult::Failed { .. } => format!("Deleted the line of the failed backup {}", line.name),
        LineResult::Missing => format!("Deleted the line of the missing backup {}", line.name),
        LineResult::Good | LineResult::SizeChanged => format!("Deleted the backup {}", line.name),
    };
    let mut tx = panel.db.begin().await?;
    store::delete(&mut tx, id).await?;
    store::recount(&mut tx, line.subscription).await?;
    actions::write(panel, &mut tx, Entry::by(user, what).about(line.subscription, &subscription.name)).await?;
    tx.commit().await?;
    // What was asked for while the backup went and its line was still there is not true any more.
    panel.asked.forget(line.subscription);
    Ok(())
}

/// Deletes a subscription; its backups too, or they stay on their servers to be found again.
pub async fn of_subscription(
    panel: &Panel,
    user: &User,
    id: SubscriptionId,
    typed_name: &str,
    delete_backups: bool,
) -> AppResult<()> {
    let row = subscriptions::store::find(panel, id).await?;
    // The dialog that asks counts them in the same way.
    let backups = store::held_count(panel, id).await?;
    if backups > 0 && typed_name.trim() != row.name {
        let message = format!("It has {backups} backup(s). Type its name, “{}”, to delete it.", row.name);
        return Err(AppError::field("typed_name", message));
    }
    let places = places::of(panel, &row).await?;
    if delete_backups {
        let task = destroy(panel.clone(), user.clone(), row.clone(), places.clone(), backups);
        // Whoever closes the page leaves nothing half done.
        panel.tasks.spawn(task).await.map_err(|_| AppError::Internal)??;
    }
    let what = match (backups, delete_backups) {
        (0, _) => "Deleted the subscription".to_owned(),
        (_, true) => format!("Deleted the subscription with its {backups} backup(s)"),
        (_, false) => format!("Deleted the subscription and kept its {backups} backup(s) on their servers"),
    };
    let mut tx = panel.db.begin().await?;
    if delete_backups {
        operations::queue::nothing_under_way(panel, &mut tx, id).await?;
        forget_kept(&mut tx, &row).await?;
    } else {
        operations::queue::one_at_a_time(panel, &mut tx, id).await?;
    }
    if backups > 0 && !delete_backups {
        keep(panel, &mut tx, &row, &places).await?;
    }
    subscriptions::store::delete(&mut tx, id).await?;
    actions::write(panel, &mut tx, Entry::by(user, what).about(id, &row.name)).await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes the backups of a subscription on all its servers. Nothing else of it begins meanwhile; what is done is
/// written down place by place, also when it then breaks off.
async fn destroy(panel: Panel, user: User, row: Row, places: Places, backups: u64) -> AppResult<()> {
    let id = row.subscription();
    let mut tx = panel.db.begin().await?;
    operations::queue::one_at_a_time(&panel, &mut tx, id).await?;
    subscriptions::store::set_deleting(&mut tx, id, Some(panel.clock.now() + LONGEST_DELETION)).await?;
    let what = format!("Started deleting the subscription with its {backups} backup(s)");
    actions::write(&panel, &mut tx, Entry::by(&user, what).about(id, &row.name).started()).await?;
    tx.commit().await?;
    for place in places {
        let mut deleted = 0;
        let done = delete_all_there(&panel, id, place, &mut deleted).await;
        let mut tx = panel.db.begin().await?;
        let name = backup_servers::store::name_of(&mut tx, place.0).await?;
        if deleted > 0 || done.is_ok() {
            let what = format!("Deleted {deleted} backup(s) on “{name}”");
            actions::write(&panel, &mut tx, Entry::by(&user, what).about(id, &row.name)).await?;
        }
        if let Err(error) = &done {
            let what = format!("Deleting the subscription stopped at “{name}”; what was not deleted is there. {error}");
            actions::write(&panel, &mut tx, Entry::by(&user, what).about(id, &row.name).failed()).await?;
            subscriptions::store::set_deleting(&mut tx, id, None).await?;
        }
        tx.commit().await?;
        done?;
    }
    Ok(())
}

async fn keep(panel: &Panel, tx: &mut Tx, row: &Row, places: &Places) -> AppResult<()> {
    for (server, _) in places {
        keep_repository(panel, tx, row, *server).await?;
    }
    Ok(())
}

/// Deletes everything that a server holds in a repository, also what the panel has never seen, each with its line; counts
/// what is gone.
async fn delete_all_there(panel: &Panel, id: SubscriptionId, place: Place, deleted: &mut usize) -> AppResult<()> {
    let (server, repository) = (clients::server(panel, place.0).await?, place.1);
    let held = match server.client.backups(repository).await {
        Ok(held) => held,
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(server.fault(&error)),
    };
    for backup in held {
        delete_there(&server, repository, backup.id).await?;
        *deleted += 1;
        let mut tx = panel.db.begin().await?;
        retention::store::forget(&mut tx, id, server.id, &[backup.id]).await?;
        store::recount(&mut tx, id).await?;
        subscriptions::store::set_deleting(&mut tx, id, Some(panel.clock.now() + LONGEST_DELETION)).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn delete_there(server: &Server, repository: RepositoryId, backup: BackupId) -> AppResult<()> {
    match server.client.delete_backup(repository, backup).await {
        Ok(()) => Ok(()),
        Err(error) if is_gone(&error) => Ok(()),
        Err(error) => Err(server.fault(&error)),
    }
}

/// Whether a server said that it has no such thing.
pub(super) fn is_gone(error: &backup_api::ClientError) -> bool {
    error.refusal().is_some_and(|refusal| refusal.code == ErrorCode::NotFound)
}
