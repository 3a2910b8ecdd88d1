//! After a crash or a failure: what has the live name is finished, what has not is taken back. And the removal of what
//! is not needed any more.

use std::time::Duration;

use backup_api::{Failure, FailureCode, RestorePlan};

use super::{
    super::{Record, Recovered, Step, journal::Marks, task::failure},
    answers, blocking,
    filestore::{Folders, unwritable},
    look_at,
    server::{Server, close, database, drop_database, login, name_of, quote, run, unusable},
    swap::{self, Swap, SwapError},
};
use crate::server::App;

/// How long one waits here for a lock of somebody else's: what cannot be had is tried again later, by the job or the watch.
const LOCK_WAIT: Duration = Duration::from_secs(10);

fn patient(app: &App, plan: &RestorePlan) -> Result<Server, Failure> {
    Ok(Server::of(app, plan).map_err(unusable)?.waiting(LOCK_WAIT))
}

/// Removes what the restore made, after its undo.
pub(super) async fn finish_undo(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
    remove_database(app, plan, &record.scratch, record.marks.scratch_oid).await?;
    let folder = record.marks.scratch_folder;
    with_folders(plan, record, move |folders| folders.remove(folder)).await
}

/// Finishes or takes back: see [`super::super::targets::recover`].
pub(in super::super) async fn recover(
    app: &App,
    plan: &RestorePlan,
    record: &mut Record,
) -> Result<Recovered, Failure> {
    let server = patient(app, plan)?;
    let mut connection = server.maintenance().await.map_err(unusable)?;
    if let Some(session) = record.marks.renames {
        swap::end(&mut connection, session).await?;
    }
    let marks = record.marks.clone();
    let holder =
        Holder::of(database(&mut connection, record.database.as_str()).await?.map(|holder| holder.oid), &marks);
    let login = login(&mut connection).await?;
    close(connection).await;
    match (record.step, holder) {
        (Step::Preparing | Step::Swapping | Step::Swapped, Holder::Restored) => {
            arrange_restored(plan, record).await?;
            let tables = record.restored.as_ref().map_or(0, |restored| restored.tables);
            match look_at(&server, record, tables, login.is_superuser).await {
                Ok(()) => Ok(Recovered::Finished),
                Err(failure) if failure.code == FailureCode::Mismatch => {
                    swap_back(app, &server, record).await?;
                    take_back(app, plan, record).await?;
                    Ok(Recovered::TakenBack)
                }
                Err(failure) => Err(failure),
            }
        }
        // A swap that was told as committed can still be lost with PostgreSQL's disk; what has the name counts.
        (Step::Preparing | Step::Swapping, _) | (Step::Swapped, Holder::Replaced) => {
            take_back(app, plan, record).await?;
            Ok(Recovered::TakenBack)
        }
        (Step::Undoing | Step::Undone, Holder::Restored) => {
            arrange_restored(plan, record).await?;
            Ok(Recovered::TakenBack)
        }
        (Step::Undoing | Step::Undone, Holder::Replaced) => {
            // Where no folder was replaced, the restored one stays: it has files that the database refers to.
            if marks.scratch_folder.is_some() && marks.live_folder.is_some() {
                let (wanted, other) = (marks.live_folder, marks.scratch_folder);
                with_folders(plan, record, move |folders| folders.arrange(wanted, other)).await?;
            }
            finish_undo(app, plan, record).await?;
            Ok(Recovered::Finished)
        }
        (Step::Swapped | Step::Undoing | Step::Undone, Holder::Other) => Err(strange(record)),
        (Step::Kept | Step::Dropping | Step::Closed, _) => Ok(Recovered::Finished),
    }
}

/// Whose the live name is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// The restored database has it.
    Restored,
    /// The database from before has it; nobody, when there was none.
    Replaced,
    /// Somebody else gave it to another database, or took it away.
    Other,
}

impl Holder {
    fn of(oid: Option<u32>, marks: &Marks) -> Self {
        match oid {
            Some(_) if oid == marks.scratch_oid => Self::Restored,
            _ if oid == marks.live_oid => Self::Replaced,
            _ => Self::Other,
        }
    }
}

/// The failure for a live name that no step of a restore gives away. Nothing is removed: one of them may be the last.
fn strange(record: &Record) -> Failure {
    let message = format!(
        "The name {} belongs to neither the restored nor the replaced database: somebody renamed, dropped or replaced \
         one meanwhile. Nothing is removed; look for {} and {} on the PostgreSQL server and give the right one its name.",
        record.database, record.scratch, record.previous
    );
    failure(FailureCode::Preflight, message)
}

/// Gives the restored database its filestore, and keeps the other.
async fn arrange_restored(plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
    let (wanted, other) = (record.marks.scratch_folder, record.marks.live_folder);
    if wanted.is_none() {
        return Ok(());
    }
    with_folders(plan, record, move |folders| {
        folders.arrange(wanted, other)?;
        folders.keep(other)
    })
    .await
}

/// Takes the live name from a restored database that does not answer as it should.
async fn swap_back(app: &App, server: &Server, record: &mut Record) -> Result<(), Failure> {
    let live = record.database.clone();
    let live = live.as_str();
    if record.marks.live_oid.is_none() {
        let mut connection = server.maintenance().await.map_err(unusable)?;
        let sql = format!("ALTER DATABASE {} RENAME TO {}", quote(live), quote(&record.scratch));
        let renamed = run(&mut connection, &sql).await;
        close(connection).await;
        return renamed;
    }
    let ready = swap::ready(server).await?;
    record.marks.renames = Some(ready.session);
    app.restores.save(record).await?;
    let swap = Swap { live, outgoing: Some(&record.scratch), incoming: &record.previous };
    match swap.run(server, ready, async { Ok(()) }).await {
        Ok(()) => Ok(()),
        Err(SwapError::Untouched(failure) | SwapError::Unknown(failure)) => Err(failure),
    }
}

/// Puts the live folder back where it was, if that is needed, and removes everything that the restore made.
async fn take_back(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
    let marks = record.marks.clone();
    let was_begun = record.step != Step::Preparing;
    with_folders(plan, record, move |folders| {
        if marks.scratch_folder.is_some() {
            // Before the swap nothing has moved, whatever others did with the live folder meanwhile.
            if was_begun {
                folders.arrange(marks.live_folder, marks.scratch_folder)?;
            }
            folders.remove(marks.scratch_folder)?;
        }
        folders.remove_scratch()
    })
    .await?;
    remove_database(app, plan, &record.scratch, record.marks.scratch_oid).await?;
    let Some(role) = &record.marks.role else { return Ok(()) };
    let server = patient(app, plan)?;
    let mut connection = server.maintenance().await.map_err(unusable)?;
    let dropped = run(&mut connection, &format!("DROP ROLE IF EXISTS {}", quote(role))).await;
    close(connection).await;
    dropped
}

/// Whether what was replaced may go: see [`super::super::targets::may_drop`].
pub(in super::super) async fn may_drop(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
    let server = patient(app, plan)?;
    let mut connection = server.maintenance().await.map_err(unusable)?;
    let live = database(&mut connection, record.database.as_str()).await?;
    let replaced = name_of(&mut connection, record.marks.live_oid).await?;
    let login = login(&mut connection).await?;
    close(connection).await;
    let kept = |what: &str| {
        let message = format!(
            "{what}, so what the restore replaced is kept as {}: it may be the last good one. Undo the restore, or \
             remove {} yourself when it is not needed.",
            record.previous, record.previous
        );
        failure(FailureCode::Preflight, message)
    };
    let Some(live) = live else { return Err(kept(&format!("There is no database {} any more", record.database))) };
    // A later restore may have replaced the restored one, which that restore then keeps.
    let restores = app.restores.all();
    let mut made = restores.iter().filter(|other| other.database == record.database);
    let is_made = made.any(|other| other.marks.scratch_oid == Some(live.oid));
    // Somebody who gave the replaced one another name, perhaps the live one, decided that already.
    if !is_made && replaced.as_deref() == Some(record.previous.as_str()) {
        return Err(kept(&format!("The database {} is not one that a restore made", record.database)));
    }
    if !answers(&server, record.database.as_str(), login.is_superuser).await? {
        return Err(kept(&format!("The database {} does not answer as an Odoo database", record.database)));
    }
    let folders = record.marks.scratch_folder.and_then(|_| Folders::of(plan, record));
    match folders {
        Some(folders) if !folders.live.is_dir() => {
            Err(kept(&format!("There is no filestore folder {} any more", folders.live.display())))
        }
        _ => Ok(()),
    }
}

/// Removes what was replaced: see [`super::super::targets::drop_previous`].
pub(in super::super) async fn drop_previous(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
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
    let server = patient(app, plan)?;
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
