//! The two kinds of target behind the same few verbs.

use backup_api::{Failure, Preflight, RestorePlan, Source};

use super::{Record, Recovered, RestoreTask, Task, odoo, postgres, replay::Head};
use crate::{repositories::BackupReader, server::App};

/// Adds what is found at the target to the checks, and the current database. `head` is the beginning of the dump,
/// `modules` are those that the backup's manifest names.
pub(super) async fn preflight(
    app: &App,
    plan: &RestorePlan,
    reader: &BackupReader,
    head: &Head,
    modules: &[String],
    found: &mut Preflight,
) {
    match &plan.target {
        Source::Postgres { .. } => postgres::preflight(app, plan, reader, head, modules, found).await,
        Source::OdooHttp { .. } => odoo::preflight(app, plan, reader, head, found).await,
    }
}

/// Restores and gives the live name, with `record.restored` and `record.keep_until` set before the swap. Returns when
/// the restored database was looked at under its live name. On a failure it just returns: the caller calls [`recover`],
/// which looks at the target and takes back or finishes.
pub(super) async fn restore(work: &mut RestoreTask) -> Result<(), Failure> {
    match &work.task.plan.target {
        Source::Postgres { .. } => postgres::restore(work).await,
        Source::OdooHttp { .. } => odoo::restore(work).await,
    }
}

/// Gives the live name back to what was replaced, with [`super::Step::Undoing`] and [`super::Step::Undone`] on the way,
/// and removes what was restored. On a failure it just returns: the caller calls [`recover`].
pub(super) async fn undo(task: &mut Task) -> Result<(), Failure> {
    match &task.plan.target {
        Source::Postgres { .. } => postgres::undo(task).await,
        Source::OdooHttp { .. } => odoo::undo(task).await,
    }
}

/// After a crash or a failure, at any step, as often as needed: looks at the target, and finishes what has the live name,
/// takes back what has not. An error means that the target cannot be reached now; it is asked again later.
pub(super) async fn recover(app: &App, plan: &RestorePlan, record: &mut Record) -> Result<Recovered, Failure> {
    match &plan.target {
        Source::Postgres { .. } => postgres::recover(app, plan, record).await,
        Source::OdooHttp { .. } => odoo::recover(app, plan, record).await,
    }
}

/// Whether what was replaced may go: a database that a restore made must have the live name and answer. With
/// [`backup_api::FailureCode::Preflight`] it may not, for the reason given; any other failure says that it could not be
/// looked at now.
pub(super) async fn may_drop(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
    match &plan.target {
        Source::Postgres { .. } => postgres::may_drop(app, plan, record).await,
        Source::OdooHttp { .. } => odoo::may_drop(app, plan, record).await,
    }
}

/// Removes what was replaced; again without complaint when it is gone already.
pub(super) async fn drop_previous(app: &App, plan: &RestorePlan, record: &Record) -> Result<(), Failure> {
    match &plan.target {
        Source::Postgres { .. } => postgres::drop_previous(app, plan, record).await,
        Source::OdooHttp { .. } => odoo::drop_previous(app, plan, record).await,
    }
}
