//! The route of imports.

use axum::{Json, extract::State, http::StatusCode};
use backup_api::{ApiError, Failure, FailureCode, ImportSource, Job, JobKind, RepositoryId, StartImport};
use futures::future::BoxFuture;

use super::{
    fetch::Target,
    job::{ImportJob, Origin},
};
use crate::{
    jobs::{
        NewJob,
        routes::{fingerprint, refuse_known},
    },
    router::{Answer, ApiJson, ApiPath, Refusal},
    server::App,
};

/// Checks a file that was uploaded or is at a URL, and makes a backup of it. Sending the same job again answers that job.
#[utoipa::path(post, path = "/v1/repositories/{repository}/imports", tag = "Uploads",
    params(("repository" = RepositoryId, Path)), request_body = StartImport,
    responses((status = 202, body = Job), (status = 400, body = ApiError),
        (status = 404, body = ApiError, description = "No such upload for this repository"),
        (status = 409, body = ApiError, description = "Not all of it has arrived, or another import uses it"),
        (status = 410, body = ApiError)))]
pub(crate) async fn start_import(
    State(app): State<App>,
    ApiPath(repository): ApiPath<RepositoryId>,
    ApiJson(start): ApiJson<StartImport>,
) -> Answer<(StatusCode, Json<Job>)> {
    let fingerprint = fingerprint(&app.key, &(repository, &start))?;
    let new = NewJob { id: start.job, kind: JobKind::Import, repository, backup: Some(start.backup), fingerprint };
    if app.jobs.get(start.job).is_some() {
        // The upload may be gone by now; the job is answered as it is.
        let forgotten = "This job was forgotten at the moment when it was asked for again; use a new identity.";
        let forgotten = Failure { code: FailureCode::Internal, message: forgotten.to_owned() };
        let nothing = Box::new(|_| -> BoxFuture<'static, _> { Box::pin(async { Err(forgotten) }) });
        return Ok((StatusCode::ACCEPTED, Json(app.jobs.submit(new, nothing).await?)));
    }
    refuse_known(&app, repository, start.backup).await?;
    let origin = match &start.from {
        ImportSource::Upload { upload } => Origin::Upload(app.uploads.hold(*upload, repository, start.job).await?),
        ImportSource::Url { url, file_name } => {
            let target = Target::parse(url, file_name.as_deref()).map_err(Refusal::invalid)?;
            let kept = app.fetches.begin(repository, &start).await;
            let kept = kept.map_err(|error| Refusal::internal("The import could not be written down", &error))?;
            Origin::Url(target, Box::new(kept))
        }
    };
    let (id, lasts) = (start.job, matches!(origin, Origin::Url(..)));
    let work = ImportJob { app: app.clone(), repository, start, origin };
    let submitted = app.jobs.submit(new, work.into_work()).await;
    match &submitted {
        Ok(job) if lasts => app.jobs.keep([job.id]),
        // The same job may have been asked for twice at once, and the other one has its place.
        Err(_) if lasts && app.jobs.get(id).is_none() => app.fetches.forget(id).await,
        _ => {}
    }
    Ok((StatusCode::ACCEPTED, Json(submitted?)))
}
