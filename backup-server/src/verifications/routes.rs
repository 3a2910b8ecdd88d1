//! Routes of verifications.

use axum::{Json, extract::State, http::StatusCode};
use backup_api::{ApiError, Job, JobKind, RepositoryId, StartVerification, VerificationState};

use super::{VerifyJob, next_due};
use crate::{
    jobs::{Done, NewJob, routes::fingerprint},
    router::{Answer, ApiJson, ApiPath, Refusal},
    server::App,
};

/// What is known of a repository's soundness.
#[utoipa::path(get, path = "/v1/repositories/{repository}/verification", tag = "Backups",
    params(("repository" = RepositoryId, Path)),
    responses((status = 200, body = VerificationState), (status = 404, body = ApiError)))]
pub(crate) async fn get_verification(
    State(app): State<App>,
    ApiPath(repository): ApiPath<RepositoryId>,
) -> Answer<Json<VerificationState>> {
    let made_at = made_at(&app, repository).await?;
    let last = app.verifications.last(repository);
    let last = last.map_err(|error| Refusal::internal("The last verification could not be read", &error))?;
    let due_at = next_due(last.as_ref().map_or(made_at, |last| last.ended_at), app.config.verify_days);
    Ok(Json(VerificationState { last, due_at }))
}

/// Reads all of a repository and compares it with its checksums. Sending the same job again answers that job.
#[utoipa::path(post, path = "/v1/repositories/{repository}/verification", tag = "Backups",
    params(("repository" = RepositoryId, Path)), request_body = StartVerification,
    responses((status = 202, body = Job), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(crate) async fn start_verification(
    State(app): State<App>,
    ApiPath(repository): ApiPath<RepositoryId>,
    ApiJson(start): ApiJson<StartVerification>,
) -> Answer<(StatusCode, Json<Job>)> {
    made_at(&app, repository).await?;
    let fingerprint = fingerprint(&app.key, &(repository, &start))?;
    let new = NewJob { id: start.job, kind: JobKind::Verify, repository, backup: None, fingerprint };
    let work = VerifyJob { app: app.clone(), repository };
    let work = |context| -> futures::future::BoxFuture<'static, _> {
        Box::pin(async { work.run(context).await.map(|()| Done::Other) })
    };
    let job = app.jobs.submit(new, Box::new(work)).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}

async fn made_at(app: &App, repository: RepositoryId) -> Answer<chrono::DateTime<chrono::Utc>> {
    let all = app.repositories.all().await?;
    let found = all.into_iter().find(|(id, _)| *id == repository);
    found.map(|(_, made_at)| made_at).ok_or_else(|| {
        Refusal::not_found("There is no such repository on this backup server: it is made with its first backup.")
    })
}
