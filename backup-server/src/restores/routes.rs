//! Routes of restores: preflight, start, undo.

use axum::{Json, extract::State, http::StatusCode};
use backup_api::{
    ApiError, BackupId, Job, JobId, JobKind, Preflight, RepositoryId, RestoreMode, RestorePlan, RestoreStanding,
    RestoreState, StartRestore, StartUndo,
};

use super::{Record, RestoreJob, Step, UndoJob, preflight, undo};
use crate::{
    jobs::{Done, NewJob, routes::fingerprint},
    router::{Answer, ApiJson, ApiPath, Refusal},
    server::App,
};

/// Looks at what a restore would meet, and touches nothing.
#[utoipa::path(post, path = "/v1/repositories/{repository}/backups/{backup}/preflight", tag = "Restores",
    params(("repository" = RepositoryId, Path), ("backup" = BackupId, Path)), request_body = RestorePlan,
    responses((status = 200, body = Preflight), (status = 400, body = ApiError), (status = 404, body = ApiError)))]
pub(crate) async fn preflight(
    State(app): State<App>,
    ApiPath((repository, backup)): ApiPath<(RepositoryId, BackupId)>,
    ApiJson(plan): ApiJson<RestorePlan>,
) -> Answer<Json<Preflight>> {
    Ok(Json(preflight::look(&app, repository, backup, &plan).await?.preflight))
}

/// Restores a backup. Sending the same job again answers that job.
#[utoipa::path(post, path = "/v1/repositories/{repository}/backups/{backup}/restores", tag = "Restores",
    params(("repository" = RepositoryId, Path), ("backup" = BackupId, Path)), request_body = StartRestore,
    responses((status = 202, body = Job), (status = 400, body = ApiError), (status = 404, body = ApiError),
        (status = 409, body = ApiError)))]
pub(crate) async fn start_restore(
    State(app): State<App>,
    ApiPath((repository, backup)): ApiPath<(RepositoryId, BackupId)>,
    ApiJson(start): ApiJson<StartRestore>,
) -> Answer<(StatusCode, Json<Job>)> {
    let new = NewJob {
        id: start.job,
        kind: JobKind::Restore,
        repository,
        backup: start.plan.safety_backup,
        fingerprint: fingerprint(&app.key, &(repository, backup, &start))?,
    };
    if app.jobs.get(start.job).is_none() {
        check(&app, repository, backup, &start).await?;
    }
    let work = RestoreJob { app: app.clone(), repository, backup, start };
    let work = Box::new(|context| {
        let work: futures::future::BoxFuture<'static, _> =
            Box::pin(async { work.run(context).await.map(|restored| Done::Restored(Box::new(restored))) });
        work
    });
    Ok((StatusCode::ACCEPTED, Json(app.jobs.submit(new, work).await?)))
}

async fn check(app: &App, repository: RepositoryId, backup: BackupId, start: &StartRestore) -> Answer<()> {
    app.backup(repository, backup).await?;
    if let RestoreMode::Copy { database } = &start.plan.mode
        && database == start.plan.target.database()
    {
        return Err(Refusal::invalid("A copy needs another name than the database beside which it is made."));
    }
    if let Some(safety) = start.plan.safety_backup
        && app.repositories.list(repository).await?.iter().any(|backup| backup.id == safety)
    {
        return Err(Refusal::conflict("There is a backup with the safety backup's identity already; use a new one."));
    }
    Ok(())
}

/// Brings back what a restore replaced, while that is kept. Sending the same job again answers that job.
#[utoipa::path(post, path = "/v1/restores/{restore}/undo", tag = "Restores",
    params(("restore" = JobId, Path)), request_body = StartUndo,
    responses((status = 202, body = Job), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(crate) async fn start_undo(
    State(app): State<App>,
    ApiPath(restore): ApiPath<JobId>,
    ApiJson(start): ApiJson<StartUndo>,
) -> Answer<(StatusCode, Json<Job>)> {
    let record = app.restores.get(restore).ok_or_else(|| unknown(restore))?;
    let is_known = app.jobs.get(start.job).is_some();
    if !is_known && !record.can_be_undone(app.config.clock.now()) {
        return Err(Refusal::conflict(undo::refused(Some(&record)).message));
    }
    let new = NewJob {
        id: start.job,
        kind: JobKind::Undo,
        repository: record.repository,
        backup: None,
        fingerprint: fingerprint(&app.key, &(restore, &start))?,
    };
    let work = UndoJob { app: app.clone(), restore, start };
    let work = Box::new(|context| {
        let work: futures::future::BoxFuture<'static, _> =
            Box::pin(async { work.run(context).await.map(|()| Done::Other) });
        work
    });
    Ok((StatusCode::ACCEPTED, Json(app.jobs.submit(new, work).await?)))
}

/// What became of a restore.
#[utoipa::path(get, path = "/v1/restores/{restore}", tag = "Restores", params(("restore" = JobId, Path)),
    responses((status = 200, body = RestoreState), (status = 404, body = ApiError)))]
pub(crate) async fn get_restore(
    State(app): State<App>,
    ApiPath(restore): ApiPath<JobId>,
) -> Answer<Json<RestoreState>> {
    let record = app.restores.get(restore).ok_or_else(|| unknown(restore))?;
    let standing = standing(&record);
    let restored = record.restored.filter(|_| standing != RestoreStanding::Open);
    Ok(Json(RestoreState { restore, restored, standing }))
}

fn standing(record: &Record) -> RestoreStanding {
    match (record.step, record.keep_until, &record.closed) {
        (Step::Closed, _, _) if record.undone => RestoreStanding::Undone,
        (Step::Closed, _, Some(why)) => RestoreStanding::Closed { why: why.clone() },
        (Step::Kept, Some(until), _) => {
            RestoreStanding::Kept { until, replaced: record.previous.clone(), why: record.kept_because.clone() }
        }
        _ => RestoreStanding::Open,
    }
}

fn unknown(restore: JobId) -> Refusal {
    Refusal::not_found(format!("This backup server knows no restore {restore}; it may be too old to be remembered."))
}
