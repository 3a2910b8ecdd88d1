//! Restores into a PostgreSQL server with the filestore beside it.
//!
//! A scratch database and a scratch folder beside the live ones are filled and compared; then one transaction renames both
//! databases, and inside it the folders are exchanged. Before that, the scratch folder gets links to all live files, so
//! that whichever database answers after a crash finds every file. What is whose is told by PostgreSQL's numbers of
//! databases and by inodes, never by names alone.

mod disks;
mod extensions;
mod filestore;
mod identity;
mod links;
mod neutralize;
mod outside;
mod preflight;
mod quiet;
mod recover;
mod scratch;
mod server;
mod swap;
mod undo;

use backup_api::{BackupFormat, Failure, FailureCode, Phase, RestoreMode, Restored};
use chrono::TimeDelta;
use sqlx::PgConnection;

use super::{Record, RestoreTask, Step, Task, task::failure};
use filestore::{Folders, inode, unwritable};
use links::{Linked, link_all};
use scratch::{Filled, Scratch};
use server::{Database, Login, Server, asked, close, database, login, unusable};
use swap::{Swap, SwapError};

pub(super) use preflight::preflight;
pub(super) use recover::{drop_previous, may_drop, recover};
pub(super) use undo::undo;

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
    let filled = scratch.make(work, maintenance).await?;
    if let Some(folders) = &folders {
        work.task.record.marks.live_folder = find_live(folders, live.is_some())?;
    }
    let linked = prepare_folder(&work.task, folders.as_ref(), Direction::In).await?;
    note_result(work, filled, live.is_some());
    work.task.go_on()?;
    swap_in(&mut work.task, &server, live.as_ref(), folders.as_ref(), linked).await?;
    look(&work.task, &server, &login).await
}

/// Looks again whose place the restored folder takes: since the beginning Odoo may have made one, or an administrator
/// brought a lost one back. A database without a folder gets one, so that what Odoo writes from here on is in a folder
/// that is known: it is kept, and an undo brings it back.
fn find_live(folders: &Folders, replaces: bool) -> Result<Option<u64>, Failure> {
    if replaces {
        folders.make_live().map_err(|error| unwritable(&folders.live, &error))?;
    }
    Ok(inode(&folders.live))
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
    // Where no folder was replaced, none comes back.
    let comes = direction == Direction::In || task.record.marks.live_folder.is_some();
    let Some(folders) = folders.filter(|_| comes).cloned() else { return Ok(Linked::default()) };
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
    let ready = swap::ready(server).await?;
    task.record.marks.renames = Some(ready.session);
    task.step(Step::Swapping).await?;
    task.pass("swapping").await;
    let record = &task.record;
    let outgoing = live.map(|_| record.previous.as_str());
    let swap = Swap { live: record.database.as_str(), outgoing, incoming: &record.scratch };
    let (wanted, other) = (record.marks.scratch_folder, record.marks.live_folder);
    let swapped = swap
        .run(server, ready, async {
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
    task.record.marks.renames = None;
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
    let reads = has_base(&mut connection, is_superuser).await;
    close(connection).await;
    let found = u64::try_from(found).unwrap_or_default();
    if reads? && is_it && found >= tables {
        return Ok(());
    }
    let message =
        format!("Under the name {} not the restored database answers ({found} of {tables} tables).", record.database);
    Err(failure(FailureCode::Mismatch, message))
}

/// Whether a database can be connected to and holds what every Odoo database does.
async fn answers(server: &Server, database: &str, is_superuser: bool) -> Result<bool, Failure> {
    let mut connection = server.connect(database).await.map_err(unusable)?;
    let reads = has_base(&mut connection, is_superuser).await;
    close(connection).await;
    reads
}

async fn has_base(connection: &mut PgConnection, is_superuser: bool) -> Result<bool, Failure> {
    // A superuser asks the catalog only: a table of a dump may have been made to run code.
    let there = "SELECT to_regclass('public.ir_module_module') IS NOT NULL";
    let there: bool = sqlx::query_scalar(there).fetch_one(&mut *connection).await.map_err(|error| asked(&error))?;
    if is_superuser || !there {
        return Ok(there);
    }
    let base = "SELECT count(*) > 0 FROM ir_module_module WHERE name = 'base'";
    sqlx::query_scalar(base).fetch_one(connection).await.map_err(|error| asked(&error))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| failure(FailureCode::Internal, error.to_string()))?
}
