//! The restore job: look, back up, restore beside the live database, put into use, keep what was replaced.

use std::time::{Duration, Instant};

use backup_api::{
    BackupFormat, BackupId, Check, CheckOutcome, Failure, FailureCode, Phase, RepositoryId, Restored, Source,
    StartBackup, StartRestore,
};

use super::{
    Record, Recovered, RestoreTask, Step, Task, preflight, recover, targets,
    task::{cancelled, failure},
    undo,
};
use crate::{
    jobs::{BackupJob, JobContext},
    repositories::BackupReader,
    server::App,
    sources::filestore_folder,
};

/// How long a job goes on asking a target that does not answer any more how far it got.
const ASK_FOR: Duration = Duration::from_mins(10);
/// Between two questions at most.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// A restore to be done.
pub(crate) struct RestoreJob {
    pub app: App,
    pub repository: RepositoryId,
    pub backup: BackupId,
    pub start: StartRestore,
}

impl RestoreJob {
    /// Does it, and tells the log each step.
    pub async fn run(self, context: JobContext) -> Result<Restored, Failure> {
        let began = Instant::now();
        context.enter(Phase::Checking);
        let (reader, can_back_up) = self.look(&context).await?;
        if let Some(safety) = self.start.plan.safety_backup.filter(|_| can_back_up) {
            self.back_up(&context, safety).await?;
        }
        let _turn = self.app.restores.hold(self.start.job).await;
        let record = self.record()?;
        self.app.restores.save(&record).await?;
        let task = Task { app: self.app.clone(), context, plan: self.start.plan, record };
        let mut work = RestoreTask { task, reader };
        let done = targets::restore(&mut work).await;
        let RestoreTask { mut task, reader } = work;
        drop(reader);
        if let Err(failure) = done {
            settle(&mut task, failure).await?;
        }
        let completed = complete(&task.app, &mut task.record, Some(&task.context)).await;
        let restored = completed.map_err(|error| unwritten(&task.record, &error))?;
        let restored = restored.ok_or_else(|| failure(FailureCode::Internal, "The restore left no summary."))?;
        tell(&task.context, &restored, began);
        Ok(restored)
    }

    async fn look(&self, context: &JobContext) -> Result<(BackupReader, bool), Failure> {
        let looking = preflight::look(&self.app, self.repository, self.backup, &self.start.plan);
        let found = tokio::select! {
            found = looking => found?,
            () = context.cancel.cancelled() => return Err(cancelled()),
        };
        let mut stops = Vec::new();
        for Check { code, outcome, message } in found.preflight.checks {
            match outcome {
                CheckOutcome::Pass => context.info(format!("{}: {message}", code.label())),
                CheckOutcome::Warn => context.warn(format!("{}: {message}", code.label())),
                CheckOutcome::Stop => stops.push(message),
            }
        }
        match found.reader {
            Some(reader) if stops.is_empty() => Ok((reader, found.can_back_up)),
            _ => Err(failure(FailureCode::Preflight, stops.join("\n"))),
        }
    }

    async fn back_up(&self, context: &JobContext, safety: BackupId) -> Result<(), Failure> {
        context.info("Backing the present database up first.");
        let start = StartBackup {
            job: self.start.job,
            backup: safety,
            source: self.start.plan.target.clone(),
            format: safe_format(&self.start.plan.target),
            comment: format!("Before the restore of backup {}", self.backup),
        };
        let job = BackupJob { app: self.app.clone(), repository: self.repository, start };
        let made = job.run(context.shown_as(Phase::SafetyBackup)).await.map_err(|failure| Failure {
            message: format!(
                "The safety backup failed, so nothing was restored: {} Repair that, or restore without a safety backup.",
                failure.message
            ),
            ..failure
        })?;
        context.made_backup(made);
        Ok(())
    }

    fn record(&self) -> Result<Record, Failure> {
        let (job, plan) = (self.start.job, &self.start.plan);
        let sealed = self.app.restores.seal(job, plan)?;
        let now = self.app.config.clock.now();
        Ok(Record::begin(job, (self.repository, self.backup), now, sealed, plan.database().clone()))
    }
}

/// What a restore may change is backed up first: without a filestore folder, it leaves the files alone.
fn safe_format(target: &Source) -> BackupFormat {
    match target {
        Source::Postgres { filestore, .. } if filestore_folder(filestore.as_ref()).is_none() => BackupFormat::Dump,
        Source::Postgres { .. } | Source::OdooHttp { .. } => BackupFormat::Zip,
    }
}

/// After a failure: finds out how far the work got and brings that to its end. `Ok` when it was done after all.
pub(super) async fn settle(task: &mut Task, why: Failure) -> Result<(), Failure> {
    let deadline = Instant::now() + ASK_FOR;
    let mut pause = Duration::from_millis(200);
    loop {
        let settled = targets::recover(&task.app, &task.plan, &mut task.record).await;
        match settled {
            Ok(Recovered::Finished) => return Ok(()),
            Ok(Recovered::TakenBack) => {
                if let Err(unwritten) = recover::note_taken_back(&task.app, &mut task.record, &why.message).await {
                    // It stays open in the journal, and is closed there later.
                    task.context.warn(unwritten.message);
                }
                return Err(why);
            }
            Err(unreachable) if Instant::now() > deadline || gives_up(task) => {
                task.context.error(&why.message);
                return Err(recover::unsettled(&task.record, &unreachable));
            }
            Err(unreachable) => {
                task.context.warn(format!("Trying again to put things in order: {}", unreachable.message));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(ASK_AGAIN);
            }
        }
    }
}

/// Whether a job that was told to stop leaves what cannot be looked at now to the watch. Once the databases may have
/// changed places it goes on, as long as the server does: whoever cancels wants to know which one is live.
fn gives_up(task: &Task) -> bool {
    task.context.cancel.is_cancelled() && (task.record.step == Step::Preparing || task.app.jobs.is_closed())
}

/// After the restored database answers under its name: keeps what was replaced, or removes it.
pub(super) async fn complete(
    app: &App,
    record: &mut Record,
    context: Option<&JobContext>,
) -> Result<Option<Restored>, Failure> {
    let restored = record.restored.clone();
    if record.keep_until.is_some() {
        record.step = Step::Kept;
        app.restores.save(record).await?;
        return Ok(restored);
    }
    record.step = Step::Dropping;
    app.restores.save(record).await?;
    if let Some(context) = context {
        context.enter(Phase::CleaningUp);
    }
    if let Err(failure) = recover::drop_replaced(app, record, undo::NOTHING_KEPT).await
        && let Some(context) = context
    {
        context.warn(format!("What was replaced could not be removed yet and will be later: {}", failure.message));
    }
    Ok(restored)
}

/// What is said when a restore that is done cannot be noted as done.
fn unwritten(record: &Record, error: &Failure) -> Failure {
    let message = format!(
        "The database {} is restored and was compared with the backup, but that could not be written down: {} This \
         backup server goes on trying; then the restore counts as done and can be undone.",
        record.database, error.message
    );
    failure(FailureCode::Interrupted, message)
}

fn tell(context: &JobContext, restored: &Restored, began: Instant) {
    for note in &restored.notes {
        context.warn(note);
    }
    let files = restored.attachments.as_ref().map_or("no attachment files".to_owned(), |files| {
        format!("{} of {} attachment files", files.present, files.expected)
    });
    context.info(format!(
        "Restored {}: {} tables with {} rows and {files}, compared with the backup. Took {:.1} s.",
        restored.database,
        restored.tables,
        restored.rows,
        began.elapsed().as_secs_f64()
    ));
}
