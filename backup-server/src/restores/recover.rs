//! Brings restores to their end that a crash interrupted, and removes what was replaced when its time is over.

use std::{
    collections::HashMap,
    sync::Weak,
    time::{Duration, Instant},
};

use backup_api::{Failure, FailureCode, JobId};
use chrono::TimeDelta;

use super::{
    Record, Recovered, Step,
    job::complete,
    targets,
    task::failure,
    undo::{self, NOTHING_KEPT, TIME_IS_OVER},
};
use crate::{
    jobs::Done,
    server::{App, Parts},
};

/// How often the times of undo windows are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// For how much longer what was replaced is kept when the live database is not what the restore left.
const KEEP_ON: TimeDelta = TimeDelta::hours(1);

/// At start, before any job runs: how the jobs of interrupted restores and undos end. The server does not wait long for
/// any of them: what takes longer goes on by itself.
pub(crate) async fn at_start(app: &App) -> HashMap<JobId, Result<Done, Failure>> {
    let limit = app.config.recover_within;
    let open = app.restores.all().into_iter().filter(|record| is_open(record.step));
    let outcomes = futures::future::join_all(open.map(async |record| {
        let job = job_of(&record);
        let (theirs, id) = (app.clone(), record.id);
        let outcome = within(limit, &record, async move { bring_to_end(&theirs, id).await }).await;
        (job, outcome)
    }));
    outcomes.await.into_iter().collect()
}

/// The end of work, or after a while that it is not known: then the work goes on by itself, and keeps its turn meanwhile.
async fn within(
    limit: Duration,
    record: &Record,
    work: impl Future<Output = Result<Done, Failure>> + Send + 'static,
) -> Result<Done, Failure> {
    match tokio::time::timeout(limit, tokio::spawn(work)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(fault)) => Err(failure(FailureCode::Internal, fault.to_string())),
        Err(_) => {
            let message = format!("the target gave no answer for {} seconds", limit.as_secs());
            Err(unsettled(record, &failure(FailureCode::Stalled, message)))
        }
    }
}

/// While the server lives: what could not be reached is tried again, and windows that are over are closed.
pub(crate) async fn watch(app: Weak<Parts>) {
    let mut left_alone: HashMap<JobId, Instant> = HashMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(parts) = app.upgrade() else { return };
        let app = App::from(parts);
        let now = app.config.clock.now();
        for record in app.restores.all() {
            let is_over = record.step == Step::Kept && record.keep_until.is_some_and(|until| until <= now);
            let waits = left_alone.get(&record.id).is_some_and(|since| since.elapsed() < app.config.recover_pause);
            // What a job works on is its own until it ends.
            let is_worked_on = app.jobs.get(job_of(&record)).is_some_and(|job| !job.state.is_final());
            let is_worked_on = is_worked_on || app.restores.is_held(record.id);
            if waits || is_worked_on || !(is_over || is_open(record.step)) {
                continue;
            }
            let (theirs, id) = (app.clone(), record.id);
            let done = within(app.config.recover_within, &record, async move {
                if is_over {
                    return end_window(&theirs, id).await.map(|()| Done::Other);
                }
                bring_to_end(&theirs, id).await
            });
            let done = done.await;
            if let Err(failure) = done {
                // That Odoo has not made anything yet is no news.
                if record.marks.may_come_until.is_none() {
                    tracing::warn!(restore.id = %record.id, "Restore {}: {}", record.id, failure.message);
                }
                left_alone.insert(record.id, Instant::now());
            }
        }
        app.restores.trim(now).await;
    }
}

/// Whether something of a restore is under way, or was when the process ended.
fn is_open(step: Step) -> bool {
    !matches!(step, Step::Kept | Step::Closed)
}

/// The job that works on a restore at this step.
fn job_of(record: &Record) -> JobId {
    match record.step {
        Step::Undoing | Step::Undone => record.undo.unwrap_or(record.id),
        _ => record.id,
    }
}

/// Finishes or takes back what was interrupted.
async fn bring_to_end(app: &App, id: JobId) -> Result<Done, Failure> {
    let _turn = app.restores.hold(id).await;
    let Some(mut record) = app.restores.get(id).filter(|record| is_open(record.step)) else { return Ok(Done::Other) };
    let (job, is_undo) = (job_of(&record), matches!(record.step, Step::Undoing | Step::Undone));
    if record.step == Step::Dropping {
        remove_replaced(app, &mut record).await?;
        return Ok(record.restored.map_or(Done::Other, |restored| Done::Restored(Box::new(restored))));
    }
    let plan = app.restores.plan(&record)?;
    let recovered = targets::recover(app, &plan, &mut record).await.map_err(|error| unsettled(&record, &error))?;
    let outcome = match (recovered, is_undo) {
        (Recovered::Finished, false) => {
            let restored = complete(app, &mut record, None).await?;
            Ok(restored.map_or(Done::Other, |restored| Done::Restored(Box::new(restored))))
        }
        (Recovered::Finished, true) => {
            undo::close(app, &mut record).await?;
            Ok(Done::Other)
        }
        (Recovered::TakenBack, _) => {
            let why = interrupted(&record, is_undo);
            let was_told = record.closed.is_some();
            note_taken_back(app, &mut record, &why.message).await?;
            if was_told {
                // It was looked for what Odoo may still make of a restore that is over.
                return Err(why);
            }
            Err(why)
        }
    };
    let words = match (recovered, is_undo) {
        (Recovered::Finished, false) => {
            "The server stopped after the restored database was in place; the rest is done now."
        }
        (Recovered::Finished, true) => "The server stopped after the undo was in place; the rest is done now.",
        (Recovered::TakenBack, _) => "The server stopped on the way; what was begun is removed.",
    };
    if let Some(context) = app.jobs.context(job) {
        context.info(words);
    }
    tracing::info!(restore.id = %id, "Restore {id}: {words}");
    outcome
}

/// Writes down that the live database is the one from before: a restore is over, an undo can be asked for again.
pub(super) async fn note_taken_back(app: &App, record: &mut Record, why: &str) -> Result<(), Failure> {
    if matches!(record.step, Step::Undoing | Step::Undone) {
        record.step = Step::Kept;
        record.undo = None;
        return app.restores.save(record).await;
    }
    let why = record.closed.take().unwrap_or_else(|| format!("It did not succeed: {why}"));
    record.restored = None;
    let now = app.config.clock.now();
    if record.marks.may_come_until.is_some_and(|until| now < until) {
        record.closed = Some(why);
        return app.restores.save(record).await;
    }
    app.restores.close(record, now, why).await
}

/// Removes what was replaced because its time is over.
async fn end_window(app: &App, id: JobId) -> Result<(), Failure> {
    let _turn = app.restores.hold(id).await;
    let Some(mut record) = app.restores.get(id).filter(|record| record.step == Step::Kept) else { return Ok(()) };
    remove_replaced(app, &mut record).await
}

/// Removes what was replaced, unless the live database is not what the restore left: then it is kept, and looked at
/// again later.
async fn remove_replaced(app: &App, record: &mut Record) -> Result<(), Failure> {
    let plan = app.restores.plan(record)?;
    match targets::may_drop(app, &plan, record).await {
        Ok(()) => {}
        Err(why) if why.code == FailureCode::Preflight => {
            record.step = Step::Kept;
            record.keep_until = Some(app.config.clock.now() + KEEP_ON);
            record.kept_because = Some(why.message.clone());
            app.restores.save(record).await?;
            return Err(why);
        }
        Err(why) => return Err(why),
    }
    let why = if record.keep_until.is_some() { TIME_IS_OVER } else { NOTHING_KEPT };
    record.step = Step::Dropping;
    app.restores.save(record).await?;
    app.config.pass("dropping").await;
    drop_replaced(app, record, why).await?;
    tracing::info!(restore.id = %record.id, "Removed {}, which restore {} had replaced", record.previous, record.id);
    Ok(())
}

/// Removes what was replaced and closes the restore.
pub(super) async fn drop_replaced(app: &App, record: &mut Record, why: &str) -> Result<(), Failure> {
    let plan = app.restores.plan(record)?;
    targets::drop_previous(app, &plan, record).await?;
    app.config.pass("dropped").await;
    app.restores.close(record, app.config.clock.now(), why).await
}

fn interrupted(record: &Record, is_undo: bool) -> Failure {
    let message = if is_undo {
        format!(
            "The backup server stopped during the undo; the restored database {} is live. Undo again.",
            record.database
        )
    } else {
        format!(
            "The backup server stopped during the restore; the database {} is as it was before, and what was begun is \
             removed. Restore again.",
            record.database
        )
    };
    failure(FailureCode::Interrupted, message)
}

/// What is said when it cannot be known now how a restore ended.
pub(super) fn unsettled(record: &Record, error: &Failure) -> Failure {
    failure(
        FailureCode::Interrupted,
        format!(
            "How far this got cannot be looked at now ({}). One complete database has the name {}; the backup server goes \
             on trying to reach the target and then finishes or takes back what was begun ({}, {}).",
            error.message, record.database, record.scratch, record.previous
        ),
    )
}
