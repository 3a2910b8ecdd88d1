//! The route of removals.

use axum::{Json, extract::State, http::StatusCode};
use backup_api::{ApiError, Job, JobKind, RepositoryId, StartRemoval};

use super::RemovalJob;
use crate::{
    jobs::{Done, NewJob, routes::fingerprint},
    router::{Answer, ApiJson, ApiPath, Refusal},
    server::App,
};

/// Removes backups and frees what only they used. Sending the same job again answers that job.
#[utoipa::path(post, path = "/v1/repositories/{repository}/removals", tag = "Backups",
    params(("repository" = RepositoryId, Path)), request_body = StartRemoval,
    responses((status = 202, body = Job), (status = 400, body = ApiError), (status = 409, body = ApiError)))]
pub(crate) async fn start_removal(
    State(app): State<App>,
    ApiPath(repository): ApiPath<RepositoryId>,
    ApiJson(start): ApiJson<StartRemoval>,
) -> Answer<(StatusCode, Json<Job>)> {
    if start.backups.is_empty() || start.backups.len() > StartRemoval::MOST {
        return Err(Refusal::invalid("Name 1 to 1,000 backups to remove."));
    }
    let fingerprint = fingerprint(&app.key, &(repository, &start))?;
    let new = NewJob { id: start.job, kind: JobKind::Remove, repository, backup: None, fingerprint };
    let work = RemovalJob { app: app.clone(), repository, backups: start.backups };
    let work = |context| -> futures::future::BoxFuture<'static, _> {
        Box::pin(async { work.run(context).await.map(|()| Done::Other) })
    };
    let job = app.jobs.submit(new, Box::new(work)).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}
