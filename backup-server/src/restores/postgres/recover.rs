//! After a crash or a failure: what has the live name is finished, what has not is taken back. And the removal of what
//! is not needed any more.

use backup_api::{Failure, FailureCode, RestorePlan};

use super::{
    super::{Record, Recovered, Step, task::failure},
    blocking,
    filestore::{Folders, unwritable},
    look_at,
    server::{Server, close, database, drop_database, login, quote, run, unusable},
    swap::{Swap, SwapError},
};
use crate::server::App;

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
        let sql = format!("ALTER DATABASE {} RENAME TO {}", quote(live), quote(&record.scratch));
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
    let dropped = run(&mut connection, &format!("DROP ROLE IF EXISTS {}", quote(role))).await;
    close(connection).await;
    dropped
}

/// Removes what was replaced: see [`super::super::targets::drop_previous`].
pub(in super::super) async fn drop_previous(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
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
