//! Restores into a PostgreSQL server with the filestore beside it.
//!
//! A scratch database and a scratch folder beside the live ones are filled and compared; then one transaction renames both
//! databases, and inside it the folders are exchanged. Before that, the scratch folder gets links to all live files, so
//! that whichever database answers after a crash finds every file. What is whose is told by PostgreSQL's numbers of
//! databases and by inodes, never by names alone.

mod extensions;
mod filestore;
mod identity;
mod neutralize;
mod outside;
mod preflight;
mod quiet;
mod scratch;
mod server;
mod swap;

use backup_api::{BackupFormat, Failure, FailureCode, Phase, RestoreMode, RestorePlan, Restored};
use chrono::TimeDelta;
use sqlx::PgConnection;

use super::{Record, Recovered, RestoreTask, Step, Task, task::failure};
use crate::server::App;
use filestore::{Folders, Linked, inode, link_all, unwritable};
use scratch::{Filled, Scratch};
use server::{Database, Login, Server, asked, close, database, drop_database, login, name_of, run, unusable};
use swap::{Swap, SwapError};

pub(super) use preflight::preflight;

/// Restores: see [`super::targets::restore`].
pub(super) async fn restore(work: &mut RestoreTask) -> Result<(), Failure> {
    let server = Server::of(&work.task.app, &work.task.plan).map_err(unusable)?;
    let mut maintenance = server.maintenance().await.map_err(unusable)?;
    let login = login(&mut maintenance).await?;
    let live = database(&mut maintenance, work.task.record.database.as_str()).await?;
    if live.is_some() && matches!(work.task.plan.mode, RestoreMode::Copy { .. }) {
        let message = format!("There is a database {} already. Choose another name.", work.task.record.database);
        return Err(failure(FailureCode::Preflight, message));
    }
    let folders = match work.reader.backup().format {
        BackupFormat::Zip => Folders::of(&work.task.plan, &work.task.record),
        BackupFormat::Dump => None,
    };
    work.task.record.marks.live_oid = live.as_ref().map(|live| live.oid);
    work.task.record.marks.live_folder = folders.as_ref().and_then(|folders| inode(&folders.live));
    let scratch = Scratch { server: &server, login: &login, live: live.as_ref(), folders: folders.as_ref() };
    let filled = scratch.make(work, &mut maintenance).await?;
    close(maintenance).await;
    let linked = prepare_folder(&work.task, folders.as_ref(), Direction::In).await?;
    note_result(work, filled, live.is_some());
    work.task.go_on()?;
    swap_in(&mut work.task, &server, live.as_ref(), folders.as_ref(), linked).await?;
    look(&work.task, &server, &login).await
}

/// What there will be to say of the restore, written down before the swap.
fn note_result(work: &mut RestoreTask, filled: Filled, replaces: bool) {
    let (plan, now) = (&work.task.plan, work.task.now());
    let until = (plan.undo_seconds > 0).then(|| now + TimeDelta::seconds(plan.undo_seconds.into()));
    let marks = &work.task.record.marks;
    // A folder without its database is no way back, but it is kept all the same.
    let keeps = replaces || (marks.scratch_folder.is_some() && marks.live_folder.is_some());
    work.task.record.keep_until = until.filter(|_| keeps);
    work.task.record.restored = Some(Restored {
        backup: work.task.record.backup,
        database: work.task.record.database.clone(),
        tables: filled.counted.tables,
        rows: filled.counted.rows,
        attachments: filled.attachments,
        neutralized: plan.neutralize,
        undo_until: until.filter(|_| replaces),
        notes: filled.notes,
    });
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    In,
    Back,
}

/// Gives the folder that comes in links to all files of the one that goes out, and brings it to the disk.
async fn prepare_folder(task: &Task, folders: Option<&Folders>, direction: Direction) -> Result<Linked, Failure> {
    let Some(folders) = folders.cloned() else { return Ok(Linked::default()) };
    let incoming = if direction == Direction::In { folders.scratch.clone() } else { folders.previous.clone() };
    let linking = blocking(move || {
        let linked = if folders.live.is_dir() { link_all(&folders.live, &incoming, None)? } else { Linked::default() };
        if direction == Direction::In {
            folders.settle()?;
        }
        Ok(linked)
    });
    let linked = linking.await?;
    if linked.count > 0 {
        task.context.info(format!(
            "{} file(s) of the other filestore are linked in, so that no moment lacks any; Odoo's own daily clean-up \
             removes those that nothing refers to.",
            linked.count
        ));
    }
    Ok(linked)
}

/// Gives the scratch database and folder the live names.
async fn swap_in(
    task: &mut Task,
    server: &Server,
    live: Option<&Database>,
    folders: Option<&Folders>,
    linked: Linked,
) -> Result<(), Failure> {
    task.context.enter(Phase::Swapping);
    task.step(Step::Swapping).await?;
    task.pass("swapping").await;
    let record = &task.record;
    let outgoing = live.map(|_| record.previous.as_str());
    let swap = Swap { live: record.database.as_str(), outgoing, incoming: &record.scratch };
    let (wanted, other) = (record.marks.scratch_folder, record.marks.live_folder);
    let swapped = swap
        .run(server, async {
            task.pass("renamed").await;
            exchange(folders, Direction::In, linked, wanted, other).await?;
            task.pass("exchanged").await;
            Ok(())
        })
        .await;
    match swapped {
        Ok(()) => {}
        Err(SwapError::Untouched(failure) | SwapError::Unknown(failure)) => return Err(failure),
    }
    task.pass("committed").await;
    if let Some(folders) = folders {
        folders.keep(other).map_err(|error| unwritable(&folders.previous, &error))?;
    }
    task.step(Step::Swapped).await?;
    task.pass("swapped").await;
    task.context.info(format!("{} is the restored database now.", task.record.database));
    Ok(())
}

/// Exchanges the folders, after a last look for files that came meanwhile.
async fn exchange(
    folders: Option<&Folders>,
    direction: Direction,
    linked: Linked,
    wanted: Option<u64>,
    other: Option<u64>,
) -> Result<(), Failure> {
    let Some(folders) = folders.cloned() else { return Ok(()) };
    if wanted.is_none() {
        return Ok(());
    }
    let incoming = if direction == Direction::In { folders.scratch.clone() } else { folders.previous.clone() };
    blocking(move || {
        if folders.live.is_dir() {
            // Nobody is connected any more: what is not here now belongs to no committed attachment.
            link_all(&folders.live, &incoming, Some(&linked))?;
        }
        folders.arrange(wanted, other).map_err(|error| unwritable(&folders.live, &error))
    })
    .await
}

/// Whether the restored database answers under its live name.
async fn look(task: &Task, server: &Server, login: &Login) -> Result<(), Failure> {
    task.context.enter(Phase::Verifying);
    let tables = task.record.restored.as_ref().map_or(0, |restored| restored.tables);
    look_at(server, &task.record, tables, login.is_superuser).await
}

async fn look_at(server: &Server, record: &Record, tables: u64, is_superuser: bool) -> Result<(), Failure> {
    let mut connection = server.connect(record.database.as_str()).await.map_err(unusable)?;
    // Catalogs only, where a superuser asks: a table of a dump may have been made to run code.
    let sql = "SELECT oid::int8, (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema') \
               FROM pg_database WHERE datname = current_database()";
    let (oid, found): (i64, i64) =
        sqlx::query_as(sql).fetch_one(&mut connection).await.map_err(|error| asked(&error))?;
    let is_it = u32::try_from(oid).ok() == record.marks.scratch_oid;
    let reads = if is_superuser {
        Ok(true)
    } else {
        sqlx::query_scalar("SELECT count(*) > 0 FROM ir_module_module WHERE name = 'base'")
            .fetch_one(&mut connection)
            .await
    };
    close(connection).await;
    let found = u64::try_from(found).unwrap_or_default();
    match reads.map_err(|error| asked(&error))? {
        true if is_it && found >= tables => Ok(()),
        _ => Err(failure(
            FailureCode::Mismatch,
            format!(
                "Under the name {} not the restored database answers ({found} of {tables} tables).",
                record.database
            ),
        )),
    }
}

/// Undoes: see [`super::targets::undo`].
pub(super) async fn undo(task: &mut Task) -> Result<(), Failure> {
    let server = Server::of(&task.app, &task.plan).map_err(unusable)?;
    let mut maintenance = server.maintenance().await.map_err(unusable)?;
    can_undo(task, &mut maintenance).await?;
    close(maintenance).await;
    let folders = task.record.marks.scratch_folder.and_then(|_| Folders::of(&task.plan, &task.record));
    let linked = prepare_folder(task, folders.as_ref(), Direction::Back).await?;
    task.enter(Phase::Swapping)?;
    task.step(Step::Undoing).await?;
    task.pass("undoing").await;
    let record = &task.record;
    let swap = Swap { live: record.database.as_str(), outgoing: Some(&record.scratch), incoming: &record.previous };
    let (wanted, other) = (record.marks.live_folder, record.marks.scratch_folder);
    let swapped = swap
        .run(&server, async {
            exchange(folders.as_ref(), Direction::Back, linked, wanted, other).await?;
            task.pass("exchanged_back").await;
            Ok(())
        })
        .await;
    if let Err(SwapError::Untouched(failure) | SwapError::Unknown(failure)) = swapped {
        return Err(failure);
    }
    task.pass("committed_back").await;
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

/// Removes what the restore made, after its undo.
async fn finish_undo(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
    remove_database(app, plan, &record.scratch, record.marks.scratch_oid).await?;
    let folder = record.marks.scratch_folder;
    with_folders(plan, record, move |folders| folders.remove(folder)).await
}

/// Finishes or takes back: see [`super::targets::recover`].
pub(super) async fn recover(app: &App, plan: &RestorePlan, record: &mut Record) -> Result<Recovered, Failure> {
    let server = Server::of(app, plan).map_err(unusable)?;
    let mut connection = server.maintenance().await.map_err(unusable)?;
    let marks = record.marks.clone();
    let holder = database(&mut connection, record.database.as_str()).await?.map(|holder| holder.oid);
    let is_restored = marks.scratch_oid.is_some() && holder == marks.scratch_oid;
    let login = login(&mut connection).await?;
    close(connection).await;
    match record.step {
        // A swap that was told as committed can still be lost with PostgreSQL's disk; what has the name counts.
        Step::Preparing | Step::Swapping | Step::Swapped
            if !is_restored && (record.step != Step::Swapped || holder == marks.live_oid) =>
        {
            take_back(app, plan, record).await?;
            Ok(Recovered::TakenBack)
        }
        Step::Preparing | Step::Swapping | Step::Swapped => {
            let (wanted, other) = (marks.scratch_folder, marks.live_folder);
            if wanted.is_some() {
                with_folders(plan, record, move |folders| {
                    folders.arrange(wanted, other)?;
                    folders.keep(other)
                })
                .await?;
            }
            let tables = record.restored.as_ref().map_or(0, |restored| restored.tables);
            match look_at(&server, record, tables, login.is_superuser).await {
                Ok(()) => Ok(Recovered::Finished),
                Err(failure) if failure.code == FailureCode::Mismatch => {
                    swap_back(&server, record).await?;
                    take_back(app, plan, record).await?;
                    Ok(Recovered::TakenBack)
                }
                Err(failure) => Err(failure),
            }
        }
        Step::Undoing | Step::Undone if is_restored => {
            let (wanted, other) = (marks.scratch_folder, marks.live_folder);
            if wanted.is_some() {
                with_folders(plan, record, move |folders| {
                    folders.arrange(wanted, other)?;
                    folders.keep(other)
                })
                .await?;
            }
            Ok(Recovered::TakenBack)
        }
        Step::Undoing | Step::Undone => {
            if marks.scratch_folder.is_some() {
                let (wanted, other) = (marks.live_folder, marks.scratch_folder);
                with_folders(plan, record, move |folders| folders.arrange(wanted, other)).await?;
            }
            finish_undo(app, plan, record).await?;
            Ok(Recovered::Finished)
        }
        Step::Kept | Step::Dropping | Step::Closed => Ok(Recovered::Finished),
    }
}

/// Takes the live name from a restored database that does not answer as it should.
async fn swap_back(server: &Server, record: &Record) -> Result<(), Failure> {
    let live = record.database.as_str();
    if record.marks.live_oid.is_none() {
        let mut connection = server.maintenance().await.map_err(unusable)?;
        let sql = format!("ALTER DATABASE {} RENAME TO {}", server::quote(live), server::quote(&record.scratch));
        let renamed = run(&mut connection, &sql).await;
        close(connection).await;
        return renamed;
    }
    let swap = Swap { live, outgoing: Some(&record.scratch), incoming: &record.previous };
    match swap.run(server, async { Ok(()) }).await {
        Ok(()) => Ok(()),
        Err(SwapError::Untouched(failure) | SwapError::Unknown(failure)) => Err(failure),
    }
}

/// Puts the live folder back where it was, if that is needed, and removes everything that the restore made.
async fn take_back(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
    let marks = record.marks.clone();
    with_folders(plan, record, move |folders| {
        if marks.scratch_folder.is_some() {
            folders.arrange(marks.live_folder, marks.scratch_folder)?;
            folders.remove(marks.scratch_folder)?;
        }
        folders.remove_scratch()
    })
    .await?;
    remove_database(app, plan, &record.scratch, None).await?;
    let Some(role) = &record.marks.role else { return Ok(()) };
    let server = Server::of(app, plan).map_err(unusable)?;
    let mut connection = server.maintenance().await.map_err(unusable)?;
    let dropped = run(&mut connection, &format!("DROP ROLE IF EXISTS {}", server::quote(role))).await;
    close(connection).await;
    dropped
}

/// Removes what was replaced: see [`super::targets::drop_previous`].
pub(super) async fn drop_previous(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
    let server = Server::of(app, plan).map_err(unusable)?;
    let mut connection = server.maintenance().await.map_err(unusable)?;
    let live = database(&mut connection, record.database.as_str()).await?;
    close(connection).await;
    if live.is_none() {
        let message = format!(
            "There is no database {} any more, so {}, which the restore replaced, is kept: it may be the last one.",
            record.database, record.previous
        );
        return Err(failure(FailureCode::Preflight, message));
    }
    if record.marks.live_oid.is_some() {
        remove_database(app, plan, &record.previous, record.marks.live_oid).await?;
    }
    let folder = record.marks.live_folder.filter(|_| record.marks.scratch_folder.is_some());
    with_folders(plan, record, move |folders| {
        // The live one is never among the places that this looks at.
        folders.remove(folder)
    })
    .await
}

/// Removes a database by name, when its number is the one given.
async fn remove_database(app: &App, plan: &RestorePlan, name: &str, oid: Option<u32>) -> Result<(), Failure> {
    let server = Server::of(app, plan).map_err(unusable)?;
    let mut connection = server.maintenance().await.map_err(unusable)?;
    let login = login(&mut connection).await?;
    let found = database(&mut connection, name).await?;
    let dropped = match found {
        Some(found) if oid.is_none_or(|oid| oid == found.oid) => {
            drop_database(&mut connection, login.major, name).await
        }
        _ => Ok(()),
    };
    close(connection).await;
    dropped
}

async fn with_folders(
    plan: &RestorePlan,
    record: &Record,
    work: impl FnOnce(&Folders) -> std::io::Result<()> + Send + 'static,
) -> Result<(), Failure> {
    let Some(folders) = Folders::of(plan, record) else { return Ok(()) };
    blocking(move || work(&folders).map_err(|error| unwritable(&folders.live, &error))).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| failure(FailureCode::Internal, error.to_string()))?
}
