//! The undo job: what a restore replaced takes its name again.

use backup_api::{Failure, FailureCode, Phase, StartUndo};

use super::{Record, Step, Task, job::settle, targets, task::failure};
use crate::{jobs::JobContext, server::App};

/// Why there is no undo without a window.
pub(super) const NOTHING_KEPT: &str = "What was replaced was not to be kept, and is removed.";
/// Why there is no undo after the window.
pub(super) const TIME_IS_OVER: &str = "The time for an undo is over; what was replaced is removed.";

/// A restore to be undone.
pub(crate) struct UndoJob {
    pub app: App,
    pub restore: backup_api::JobId,
    pub start: StartUndo,
}

impl UndoJob {
    /// Does it, and tells the log each step.
    pub async fn run(self, context: JobContext) -> Result<(), Failure> {
        context.enter(Phase::Undoing);
        let _turn = self.app.restores.hold(self.restore).await;
        let mut record = self.app.restores.get(self.restore).ok_or_else(|| refused(None))?;
        if !record.can_be_undone(self.app.config.clock.now()) {
            return Err(refused(Some(&record)));
        }
        let mut plan = self.app.restores.plan(&record)?;
        if self.start.target.database() != &record.database {
            let message = format!("The restore to be undone was of the database {}, not of this one.", record.database);
            return Err(failure(FailureCode::Preflight, message));
        }
        plan.target = self.start.target;
        // Both are written down with the step that begins the undo, when the target has proved to be the one: until then
        // the end of the window is reached as before.
        record.sealed = self.app.restores.seal(record.id, &plan)?;
        record.undo = Some(self.start.job);
        let mut task = Task { app: self.app.clone(), context, plan, record };
        if let Err(failure) = targets::undo(&mut task).await {
            // Refused before anything was begun: the restored database stays, and so does what it replaced.
            if task.record.step == Step::Kept {
                return Err(failure);
            }
            settle(&mut task, failure).await?;
        }
        let message = format!("The database {} from before the restore is back.", task.record.database);
        task.context.info(&message);
        close(&self.app, &mut task.record).await.map_err(|error| {
            let message = format!(
                "{message} That could not be written down: {} This backup server goes on trying; then the restore counts \
                 as undone.",
                error.message
            );
            failure(FailureCode::Interrupted, message)
        })
    }
}

/// Closes a restore that was undone.
pub(super) async fn close(app: &App, record: &mut Record) -> Result<(), Failure> {
    record.undone = true;
    app.restores.close(record, app.config.clock.now(), "It was undone.").await
}

/// Why a restore cannot be undone, in words.
pub(crate) fn refused(record: Option<&Record>) -> Failure {
    let why = match record {
        Some(Record { closed: Some(why), .. }) => why.as_str(),
        Some(Record { step: Step::Kept | Step::Dropping, .. }) => TIME_IS_OVER,
        _ => "Nothing that it replaced is kept.",
    };
    failure(FailureCode::Preflight, format!("This restore cannot be undone any more. {why}"))
}
