//! The undo: the replaced database and folder take the live names again, and what was restored is removed.

use backup_api::{Failure, FailureCode, Phase};
use sqlx::PgConnection;

use super::{
    super::{Step, Task, task::failure},
    Direction, exchange,
    filestore::{Folders, inode},
    prepare_folder,
    recover::finish_undo,
    server::{Server, close, database, name_of, unusable},
    swap::{self, Swap, SwapError},
};

/// Undoes: see [`super::super::targets::undo`].
pub(in super::super) async fn undo(task: &mut Task) -> Result<(), Failure> {
    let server = Server::of(&task.app, &task.plan).map_err(unusable)?;
    let mut maintenance = server.maintenance().await.map_err(unusable)?;
    can_undo(task, &mut maintenance).await?;
    close(maintenance).await;
    let folders = task.record.marks.scratch_folder.and_then(|_| Folders::of(&task.plan, &task.record));
    let linked = prepare_folder(task, folders.as_ref(), Direction::Back).await?;
    task.enter(Phase::Swapping)?;
    let ready = swap::ready(&server).await?;
    task.record.marks.renames = Some(ready.session);
    task.step(Step::Undoing).await?;
    task.pass("undoing").await;
    let record = &task.record;
    let swap = Swap { live: record.database.as_str(), outgoing: Some(&record.scratch), incoming: &record.previous };
    let (wanted, other) = (record.marks.live_folder, record.marks.scratch_folder);
    let swapped = swap
        .run(&server, ready, async {
            exchange(folders.as_ref(), Direction::Back, linked, wanted, other).await?;
            task.pass("exchanged_back").await;
            Ok(())
        })
        .await;
    if let Err(SwapError::Untouched(failure) | SwapError::Unknown(failure)) = swapped {
        return Err(failure);
    }
    task.pass("committed_back").await;
    task.record.marks.renames = None;
    task.step(Step::Undone).await?;
    task.context.enter(Phase::CleaningUp);
    task.pass("undone").await;
    let (app, plan) = (task.app.clone(), task.plan.clone());
    finish_undo(&app, &plan, &task.record).await
}

/// Whether both databases are where the undo expects them.
async fn can_undo(task: &Task, connection: &mut PgConnection) -> Result<(), Failure> {
    let marks = &task.record.marks;
    let live = database(connection, task.record.database.as_str()).await?;
    if live.as_ref().map(|live| live.oid) != marks.scratch_oid {
        let message = format!(
            "The database {} is not the one that this restore made: it was replaced, renamed or dropped since. Undo the \
             later restore first; what this restore replaced is still there as {}.",
            task.record.database, task.record.previous
        );
        return Err(failure(FailureCode::Preflight, message));
    }
    if name_of(connection, marks.live_oid).await?.as_deref() != Some(task.record.previous.as_str()) {
        let message =
            format!("The replaced database {} is not there any more; nothing can be undone.", task.record.previous);
        return Err(failure(FailureCode::Preflight, message));
    }
    let folders = marks.scratch_folder.and_then(|_| Folders::of(&task.plan, &task.record));
    if let Some(folders) = folders.filter(|_| marks.live_folder.is_some())
        && (inode(&folders.previous) != marks.live_folder || inode(&folders.live) != marks.scratch_folder)
    {
        let message = format!(
            "The filestore folders are not where the restore left them: {} should hold the replaced one.",
            folders.previous.display()
        );
        return Err(failure(FailureCode::Preflight, message));
    }
    Ok(())
}
