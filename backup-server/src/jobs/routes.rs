//! Routes of jobs: state, log, events, cancel.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use backup_api::{ApiError, BackupId, Job, JobId, JobKind, LogLine, RepositoryId, StartBackup};
use futures::Stream;
use hmac::Mac;
use tokio::{sync::watch, time::Instant};

use super::{BackupJob, Done, NewJob};
use crate::{
    keys,
    router::{Answer, ApiJson, ApiPath, Refusal},
    server::App,
};

/// The shortest time between two events: at most five in a second.
const EVENT_PAUSE: Duration = Duration::from_millis(200);

fn unknown_job(id: JobId) -> Refusal {
    Refusal::not_found(format!("There is no job {id} on this backup server; it may be too old to be remembered."))
}

/// Makes a backup. The repository is made when it is the first. Sending the same job again answers that job.
#[utoipa::path(post, path = "/v1/repositories/{repository}/backups", tag = "Backups",
    params(("repository" = RepositoryId, Path)), request_body = StartBackup,
    responses((status = 202, body = Job), (status = 400, body = ApiError), (status = 409, body = ApiError)))]
pub(crate) async fn start_backup(
    State(app): State<App>,
    ApiPath(repository): ApiPath<RepositoryId>,
    ApiJson(start): ApiJson<StartBackup>,
) -> Answer<(StatusCode, Json<Job>)> {
    let new = NewJob {
        id: start.job,
        kind: JobKind::Backup,
        repository,
        backup: Some(start.backup),
        fingerprint: fingerprint(&app.key, &(repository, &start))?,
    };
    if app.jobs.get(start.job).is_none() {
        refuse_known(&app, repository, start.backup).await?;
    }
    let work = BackupJob { app: app.clone(), repository, start };
    let job = app
        .jobs
        .submit(
            new,
            Box::new(|context| {
                Box::pin(async { work.run(context).await.map(|backup| Done::Backup(Box::new(backup))) })
            }),
        )
        .await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// Refuses to make a backup under an identity that another has.
pub(crate) async fn refuse_known(app: &App, repository: RepositoryId, backup: BackupId) -> Answer<()> {
    if app.repositories.list(repository).await?.iter().any(|known| known.id == backup) {
        return Err(Refusal::conflict("There is a backup with this identity already; use a new one."));
    }
    Ok(())
}

/// Tells whether two requests ask for the same. Keyed, because passwords are part of it and it is kept on disk.
pub(crate) fn fingerprint(key: &[u8; 32], asked: &impl serde::Serialize) -> Answer<String> {
    let asked = serde_json::to_vec(asked);
    let asked = asked.map_err(|error| Refusal::internal("The request could not be kept", &error))?;
    let mut mac = keys::begin_mac(key, "holdfast job");
    mac.update(&asked);
    Ok(hex::encode(mac.finalize().into_bytes()))
}

/// One job.
#[utoipa::path(get, path = "/v1/jobs/{job}", tag = "Jobs", params(("job" = JobId, Path)),
    responses((status = 200, body = Job), (status = 404, body = ApiError)))]
pub(crate) async fn get_job(State(app): State<App>, ApiPath(id): ApiPath<JobId>) -> Answer<Json<Job>> {
    app.jobs.get(id).map(Json).ok_or_else(|| unknown_job(id))
}

/// A job's log, the oldest line first.
#[utoipa::path(get, path = "/v1/jobs/{job}/log", tag = "Jobs", params(("job" = JobId, Path)),
    responses((status = 200, body = Vec<LogLine>), (status = 404, body = ApiError)))]
pub(crate) async fn get_job_log(State(app): State<App>, ApiPath(id): ApiPath<JobId>) -> Answer<Json<Vec<LogLine>>> {
    app.jobs.get(id).ok_or_else(|| unknown_job(id))?;
    let lines = app.jobs.log(id).await;
    lines.map(Json).map_err(|error| Refusal::internal("The job's log could not be read", &error))
}

/// Asks a job to stop; answers its state at this moment.
#[utoipa::path(post, path = "/v1/jobs/{job}/cancel", tag = "Jobs", params(("job" = JobId, Path)),
    responses((status = 200, body = Job), (status = 404, body = ApiError)))]
pub(crate) async fn cancel_job(State(app): State<App>, ApiPath(id): ApiPath<JobId>) -> Answer<Json<Job>> {
    let job = app.jobs.cancel(id).await.ok_or_else(|| unknown_job(id))?;
    if job.kind == JobKind::Import && job.state.is_final() {
        // One that was still waiting leaves what was written down for it.
        app.fetches.forget(id).await;
    }
    Ok(Json(job))
}

/// Server-sent events: the job now, then each change (at most five a second) as event `job`, until it is final.
#[utoipa::path(get, path = "/v1/jobs/{job}/events", tag = "Jobs", params(("job" = JobId, Path)),
    responses((status = 200, body = Job, content_type = "text/event-stream"), (status = 404, body = ApiError)))]
pub(crate) async fn follow_job(State(app): State<App>, ApiPath(id): ApiPath<JobId>) -> Answer<Response> {
    let job = app.jobs.follow(id).ok_or_else(|| unknown_job(id))?;
    let events = Sse::new(events(job)).keep_alive(KeepAlive::default());
    Ok(([("x-accel-buffering", "no")], events).into_response())
}

/// A job's states as events.
pub(super) fn events(mut job: watch::Receiver<Job>) -> impl Stream<Item = Result<Event, Infallible>> {
    async_stream::stream! {
        loop {
            let now = job.borrow_and_update().clone();
            let is_final = now.state.is_final();
            if let Ok(event) = Event::default().event("job").json_data(now) {
                yield Ok(event);
            }
            let next = Instant::now() + EVENT_PAUSE;
            if is_final || job.changed().await.is_err() {
                break;
            }
            tokio::time::sleep_until(next).await;
        }
    }
}
