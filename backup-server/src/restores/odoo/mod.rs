//! Restoring through a running Odoo: its database manager restores under a scratch name, what it made is read back and
//! compared with the backup, and only then takes the live name, by Odoo's own renames.
//!
//! Nothing that Odoo says is believed: a redirect follows half a restore as well as a whole one, a drop may do nothing,
//! and a rename may leave the files behind. What counts is what is seen afterwards.

mod compare;
mod compose;
mod facts;
mod preflight;
mod swap;
mod target;
mod upload;
mod verify;

use backup_api::{DatabaseName, Failure, FailureCode, Phase, Preflight, RestoreMode, RestorePlan, Restored};
use chrono::TimeDelta;

use super::{Record, Recovered, RestoreTask, Step, Task, replay::Head, task::failure};
use crate::{repositories::BackupReader, server::App, sources::odoo::look_at_server};
use swap::{NotSwapped, Reached};
use target::{NotRemoved, Standing, Target};
use upload::NotRestored;
use verify::DumpRead;

/// Adds what is found at the target to the checks.
pub(super) async fn preflight(
    app: &App,
    plan: &RestorePlan,
    reader: &BackupReader,
    head: &Head,
    found: &mut Preflight,
) {
    preflight::look(app, plan, reader.backup(), head, found).await;
}

/// Restores and gives the live name; see [`super::targets`].
pub(super) async fn restore(work: &mut RestoreTask) -> Result<(), Failure> {
    work.task.enter(Phase::Checking)?;
    let target = Target::open(&work.task.app, &work.task.plan).await?;
    let replaces = look_before(&work.task, &target).await?;
    work.task.context.info("Reading the backup's dump to its end, before Odoo gets it.");
    let backup = verify::read_backup(work).await?;
    work.task.record.marks.replaces = replaces;
    work.task.step(Step::Preparing).await?;
    match make(work, &target, &backup, replaces).await {
        Ok(files) => take_name(&mut work.task, &target, replaces, &files).await,
        Err(why) => Err(clean_up(&work.task, &target, why).await),
    }
}

/// Looks at the names and the password just before something is sent; tells whether a database is replaced.
async fn look_before(task: &Task, target: &Target) -> Result<bool, Failure> {
    let server = look_at_server(&target.odoo, &target.url, &target.password).await;
    if let Some(problem) = server.problems.into_iter().next() {
        return Err(target::unusable(problem));
    }
    let standing = target.standing(&task.record).await?;
    let is_copy = matches!(task.plan.mode, RestoreMode::Copy { .. });
    match standing {
        Standing { live: true, .. } if is_copy => {
            let message = format!("There is a database “{}” already. Choose another name.", task.record.database);
            Err(failure(FailureCode::Preflight, message))
        }
        Standing { live, scratch: false, previous: false } => Ok(live),
        _ => Err(swap::strange(standing, &task.record)),
    }
}

/// Makes the restored database under its scratch name, and compares it; gives the files of attachments that belong to it.
async fn make(
    work: &mut RestoreTask,
    target: &Target,
    backup: &DumpRead,
    replaces: bool,
) -> Result<Vec<[u8; 20]>, Failure> {
    let keeps_files = replaces && work.reader.is_custom();
    let composed = if keeps_files { Some(compose::compose(work, target).await?) } else { None };
    work.task.enter(Phase::SendingToOdoo)?;
    work.task.context.info(format!("Odoo restores the backup as the database “{}”.", work.task.record.scratch));
    send(work, target, composed.as_ref()).await?;
    work.task.pass("restored").await;
    work.task.enter(Phase::Comparing)?;
    work.task.context.info("Odoo says that it is done, which proves nothing: reading the database back from it.");
    let scratch = DatabaseName::parse(&work.task.record.scratch);
    let scratch = scratch.map_err(|error| failure(FailureCode::Internal, error.to_string()))?;
    let verified = verify::verify(work, target, &scratch, backup, composed.as_ref()).await?;
    let task = &mut work.task;
    task.record.marks.scratch_uuid = verified.uuid;
    let kept = replaces && task.plan.undo_seconds > 0;
    let undo_until = kept.then(|| task.now() + TimeDelta::seconds(task.plan.undo_seconds.into()));
    task.record.keep_until = undo_until;
    task.record.restored = Some(Restored {
        backup: task.record.backup,
        database: task.record.database.clone(),
        tables: verified.counted.tables,
        rows: verified.counted.rows,
        attachments: verified.attachments,
        neutralized: task.plan.neutralize,
        undo_until,
        notes: verified.notes,
    });
    Ok(composed.map_or_else(|| verify::attachments_of(&work.reader), |composed| composed.attachments))
}

/// Sends the backup to Odoo. Once it has all of it, Odoo goes on although nobody waits for the answer: so what it may make
/// under the scratch name is looked for as long as an answer may take, also after a crash.
async fn send(work: &mut RestoreTask, target: &Target, composed: Option<&compose::Composed>) -> Result<(), Failure> {
    let limit = TimeDelta::from_std(target.timeouts.first_byte).unwrap_or(TimeDelta::hours(1));
    work.task.record.marks.may_come_until = Some(work.task.now() + limit);
    work.task.app.restores.save(&work.task.record).await?;
    let sent = upload::upload(work, target, composed).await;
    work.task.record.marks.may_come_until = None;
    let Err(NotRestored { why, may_come }) = sent else { return work.task.app.restores.save(&work.task.record).await };
    if !may_come {
        return Err(why);
    }
    work.task.record.marks.may_come_until = Some(work.task.now() + limit);
    let message = format!(
        "{} Odoo has all of the backup and may still make the database “{}”: should it appear within {} minutes, this \
         server removes it.",
        why.message,
        work.task.record.scratch,
        limit.num_minutes()
    );
    Err(failure(why.code, message))
}

/// Gives the restored database the live name.
async fn take_name(task: &mut Task, target: &Target, replaces: bool, files: &[[u8; 20]]) -> Result<(), Failure> {
    if let Err(why) = task.enter(Phase::Swapping) {
        return Err(clean_up(task, target, why).await);
    }
    task.step(Step::Swapping).await?;
    task.pass("swapping").await;
    match swap::swap(task, target, replaces).await {
        Ok(()) => {}
        Err(NotSwapped::Unknown(why)) => return Err(why),
        Err(NotSwapped::TakenBack(why)) => {
            task.step(Step::Preparing).await?;
            return Err(clean_up(task, target, why).await);
        }
    }
    task.pass("renamed").await;
    task.context.enter(Phase::Verifying);
    if let Err(why) = verify::live_attachments(&task.app, target, files, &task.record.database).await {
        if is_away(&why) {
            return Err(why);
        }
        give_back(&task.app, target, &task.record).await?;
        task.step(Step::Preparing).await?;
        let why = left_behind(&task.record, &why);
        return Err(clean_up(task, target, why).await);
    }
    task.step(Step::Swapped).await
}

/// Whether Odoo did not answer: then nothing is known, and it is asked again.
const fn is_away(why: &Failure) -> bool {
    matches!(why.code, FailureCode::Source | FailureCode::Unreachable | FailureCode::Stalled)
}

/// Takes the live name from the restored database, and gives it back to the one that it replaced, if any.
async fn give_back(app: &App, target: &Target, record: &Record) -> Result<(), Failure> {
    if !record.marks.replaces {
        return target.rename(record.database.as_str(), &record.scratch).await.map_err(not_taken_back);
    }
    match swap::swap_back(app, record, target).await {
        Ok(()) => Ok(()),
        Err(NotSwapped::Unknown(why) | NotSwapped::TakenBack(why)) => Err(why),
    }
}

fn not_taken_back(error: target::NotRenamed) -> Failure {
    match error {
        target::NotRenamed::Untouched(why) | target::NotRenamed::Unknown(why) => why,
    }
}

/// The failure of a restored database whose files did not come along with its name.
fn left_behind(record: &Record, why: &Failure) -> Failure {
    if why.code != FailureCode::Mismatch {
        return why.clone();
    }
    let name = &record.database;
    if record.marks.replaces {
        let message = format!(
            "Odoo gave the restored database the name “{name}”, but not its attachments: their folder was left behind, \
             perhaps for a lack of rights or space in Odoo's data_dir. The restore was taken back. Look at Odoo's log, and \
             whether the attachments of “{name}” open, before you restore again."
        );
        return failure(FailureCode::Mismatch, message);
    }
    let message = format!(
        "The attachments are not there under the name “{name}”: a folder of an earlier database is in the way on the Odoo \
         server, and then Odoo leaves the files where they were. The restore was taken back. Move the folder away (in \
         Odoo's data_dir: mv filestore/{name} filestore/{name}.old), then restore again."
    );
    failure(FailureCode::Mismatch, message)
}

/// Removes what was made under the scratch name, and adds to the failure what could not be removed. The phase stays the one
/// that failed: of a failed restore it says how far it came, and everything before it counts as done.
async fn clean_up(task: &Task, target: &Target, why: Failure) -> Failure {
    let scratch = &task.record.scratch;
    match target.remove(scratch).await {
        Ok(()) => {
            if task.record.marks.may_come_until.is_none() {
                task.context.info(format!("Nothing is left of the database “{scratch}”."));
            }
            why
        }
        Err(left) => {
            let left = left.message(scratch);
            task.context.warn(&left);
            failure(why.code, format!("{} {left}", why.message))
        }
    }
}

/// Gives the live name back; see [`super::targets`].
pub(super) async fn undo(task: &mut Task) -> Result<(), Failure> {
    task.context.enter(Phase::Undoing);
    let target = ready_to_undo(task).await?;
    task.step(Step::Undoing).await?;
    task.pass("undoing").await;
    match swap::swap_back(&task.app, &task.record, &target).await {
        Ok(()) => {}
        Err(NotSwapped::Unknown(why) | NotSwapped::TakenBack(why)) => return Err(why),
    }
    task.pass("undone").await;
    task.step(Step::Undone).await?;
    task.context.enter(Phase::CleaningUp);
    match target.remove(&task.record.scratch).await {
        Ok(()) => Ok(()),
        Err(left @ NotRemoved::Kept(_)) => {
            task.context.warn(left.message(&task.record.scratch));
            Ok(())
        }
        Err(left @ NotRemoved::Unreachable(_)) => {
            let message = format!(
                "The database from before has its name “{}” again. {}",
                task.record.database,
                left.message(&task.record.scratch)
            );
            Err(failure(FailureCode::Source, message))
        }
    }
}

async fn ready_to_undo(task: &Task) -> Result<Target, Failure> {
    let target = Target::open(&task.app, &task.plan).await?;
    let server = look_at_server(&target.odoo, &target.url, &target.password).await;
    if let Some(problem) = server.problems.into_iter().next() {
        return Err(target::unusable(problem));
    }
    match target.standing(&task.record).await? {
        Standing { live: true, scratch: false, previous: true } => Ok(target),
        standing => Err(swap::strange(standing, &task.record)),
    }
}

/// After a crash: brings what the journal says to its end; see [`super::targets`].
pub(super) async fn recover(app: &App, plan: &RestorePlan, record: &mut Record) -> Result<Recovered, Failure> {
    let target = Target::open(app, plan).await?;
    match record.step {
        Step::Preparing => {
            remove(&target, &record.scratch).await?;
            Ok(Recovered::TakenBack)
        }
        Step::Swapping => recover_swap(app, &target, record).await,
        Step::Swapped | Step::Kept | Step::Closed => Ok(Recovered::Finished),
        Step::Undoing => recover_undo(&target, record).await,
        Step::Undone => {
            remove(&target, &record.scratch).await?;
            Ok(Recovered::Finished)
        }
        Step::Dropping => {
            remove(&target, &record.previous).await?;
            Ok(Recovered::Finished)
        }
    }
}

async fn recover_swap(app: &App, target: &Target, record: &Record) -> Result<Recovered, Failure> {
    match swap::reached(target.standing(record).await?, record)? {
        Reached::Before => {
            remove(target, &record.scratch).await?;
            Ok(Recovered::TakenBack)
        }
        // What was restored is verified, and one rename is to be done either way.
        Reached::Between => {
            target.rename(&record.scratch, record.database.as_str()).await.map_err(not_taken_back)?;
            look_at_files(app, target, record).await
        }
        Reached::After => look_at_files(app, target, record).await,
    }
}

/// Whether the restored database has its files under the live name; taken back when it has not.
async fn look_at_files(app: &App, target: &Target, record: &Record) -> Result<Recovered, Failure> {
    let reader = match app.repositories.open_backup(record.repository, record.backup).await {
        Ok(reader) => reader,
        // What was replaced is there still, and looked for before it goes.
        Err(error) if record.marks.replaces && record.keep_until.is_some() => {
            tracing::warn!(restore.id = %record.id, %error, "The files of the restored database could not be compared");
            return Ok(Recovered::Finished);
        }
        Err(error) => return Err(Failure::from(error)),
    };
    let files = verify::attachments_of(&reader);
    match verify::live_attachments(app, target, &files, &record.database).await {
        Ok(()) => Ok(Recovered::Finished),
        Err(why) if is_away(&why) => Err(why),
        Err(why) => {
            give_back(app, target, record).await?;
            remove(target, &record.scratch).await?;
            tracing::warn!(restore.id = %record.id, "{}", left_behind(record, &why).message);
            Ok(Recovered::TakenBack)
        }
    }
}

async fn recover_undo(target: &Target, record: &Record) -> Result<Recovered, Failure> {
    match target.standing(record).await? {
        // Nothing was renamed; without a replaced one, somebody removed it, which the undo said.
        Standing { live: true, scratch: false, .. } => return Ok(Recovered::TakenBack),
        Standing { live: false, scratch: true, previous: true } => {
            target.rename(&record.previous, record.database.as_str()).await.map_err(not_taken_back)?;
        }
        Standing { live: true, scratch: true, previous: false } => {}
        standing => return Err(swap::strange(standing, record)),
    }
    remove(target, &record.scratch).await?;
    Ok(Recovered::Finished)
}

/// Removes a database; what Odoo refuses to remove is told and left, as asking again would not help.
async fn remove(target: &Target, name: &str) -> Result<(), Failure> {
    match target.remove(name).await {
        Ok(()) => Ok(()),
        Err(NotRemoved::Unreachable(why)) => Err(why),
        Err(left @ NotRemoved::Kept(_)) => {
            tracing::warn!("{}", left.message(name));
            Ok(())
        }
    }
}

/// Whether what was replaced may go; see [`super::targets`]. Odoo tells of a database only its name, so it is read back:
/// it must be one that a restore made.
pub(super) async fn may_drop(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
    let target = Target::open(app, plan).await?;
    let standing = target.standing(record).await?;
    if !standing.previous {
        return Ok(());
    }
    let name = &record.database;
    if !standing.live {
        return Err(kept(record, &format!("Odoo has no database “{name}” any more")));
    }
    let restores = app.restores.all();
    let made = restores.iter().filter(|other| other.database == *name);
    let made: Vec<&str> = made.filter_map(|other| other.marks.scratch_uuid.as_deref()).collect();
    match verify::uuid(app, &target, name).await {
        Ok(Some(uuid)) if made.contains(&uuid.as_str()) => Ok(()),
        Ok(_) => {
            Err(kept(record, &format!("The database “{name}” is not one that a restore made (its database.uuid)")))
        }
        Err(why) => Err(kept(record, &format!("The database “{name}” could not be looked at ({})", why.message))),
    }
}

/// Why what was replaced stays although its time is over.
fn kept(record: &Record, why: &str) -> Failure {
    let message = format!(
        "{why}, so what the restore replaced is kept as “{}”: it may be the last one. Rename it, or remove it yourself when \
         it is not needed.",
        record.previous
    );
    failure(FailureCode::Preflight, message)
}

/// Removes what was replaced; again without complaint when it is gone already.
pub(super) async fn drop_previous(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
    let target = Target::open(app, plan).await?;
    match target.remove(&record.previous).await {
        Ok(()) => Ok(()),
        Err(left) => Err(failure(FailureCode::OdooError, left.message(&record.previous))),
    }
}
