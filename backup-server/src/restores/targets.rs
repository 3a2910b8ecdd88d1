//! The two kinds of target behind the same few verbs.

use backup_api::{Backup, Check, CheckCode, CheckOutcome, Failure, FailureCode, Preflight, RestorePlan, Source};

use super::{Record, Recovered, RestoreTask, Task, task::failure};
use crate::server::App;

/// Adds what is found at the target to the checks.
pub(super) async fn preflight(_app: &App, plan: &RestorePlan, _backup: &Backup, found: &mut Preflight) {
    match &plan.target {
        Source::Postgres { .. } | Source::OdooHttp { .. } => found.checks.push(Check {
            code: CheckCode::Connection,
            outcome: CheckOutcome::Stop,
            message: unsupported().message,
        }),
    }
}

/// Restores and gives the live name, with `record.restored` set before the swap. Ends at [`super::Step::Swapped`] when
/// the restored database was looked at under its live name. On a failure, what was made is removed again; where that, or
/// the outcome of the swap, cannot be known now, the step in the journal says where [`recover`] has to go on.
pub(super) async fn restore(work: &mut RestoreTask) -> Result<(), Failure> {
    match &work.task.plan.target {
        Source::Postgres { .. } | Source::OdooHttp { .. } => Err(unsupported()),
    }
}

/// Gives the live name back to what was replaced and removes what was restored: from [`super::Step::Undoing`] to
/// [`super::Step::Undone`] and on to its end; on a failure back at [`super::Step::Kept`], unless that cannot be known now.
pub(super) async fn undo(task: &mut Task) -> Result<(), Failure> {
    match &task.plan.target {
        Source::Postgres { .. } | Source::OdooHttp { .. } => Err(unsupported()),
    }
}

/// After a crash: brings what the journal says to its end. An error means that the target cannot be reached now, and
/// that nothing changed.
pub(super) async fn recover(_app: &App, plan: &RestorePlan, _record: &mut Record) -> Result<Recovered, Failure> {
    match &plan.target {
        Source::Postgres { .. } | Source::OdooHttp { .. } => Err(unsupported()),
    }
}

/// Removes what was replaced; again without complaint when it is gone already.
pub(super) async fn drop_previous(_app: &App, plan: &RestorePlan, _record: &Record) -> Result<(), Failure> {
    match &plan.target {
        Source::Postgres { .. } | Source::OdooHttp { .. } => Err(unsupported()),
    }
}

fn unsupported() -> Failure {
    failure(FailureCode::Preflight, "This version cannot restore into this kind of target.")
}
