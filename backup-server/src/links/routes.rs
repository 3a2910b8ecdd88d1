//! Routes to make and revoke links.

use axum::{Json, extract::State, http::StatusCode};
use backup_api::{ApiError, BackupId, CreateLink, DownloadLink, RepositoryId};
use chrono::TimeDelta;
use uuid::Uuid;

use super::Grant;
use crate::{
    router::{Answer, ApiJson, ApiPath, Refusal},
    server::App,
};

/// The longest that a link may live, in seconds.
const LONGEST: u32 = 86_400;

/// Makes a temporary link to download a backup.
#[utoipa::path(post, path = "/v1/repositories/{repository}/backups/{backup}/links", tag = "Downloads",
    params(("repository" = RepositoryId, Path), ("backup" = BackupId, Path)), request_body = CreateLink,
    responses((status = 201, body = DownloadLink), (status = 400, body = ApiError), (status = 404, body = ApiError)))]
pub(crate) async fn create_link(
    State(app): State<App>,
    ApiPath((repository, backup)): ApiPath<(RepositoryId, BackupId)>,
    ApiJson(wanted): ApiJson<CreateLink>,
) -> Answer<(StatusCode, Json<DownloadLink>)> {
    if !(1..=LONGEST).contains(&wanted.expires_in_seconds) {
        return Err(Refusal::invalid(format!("A link lives for 1 to {LONGEST} seconds; choose a time in between.")));
    }
    let stored = app.backup(repository, backup).await?;
    let grant = Grant {
        link: Uuid::new_v4(),
        repository,
        backup,
        compression: wanted.compression,
        expires_at: app.links.end_after(TimeDelta::seconds(wanted.expires_in_seconds.into())),
    };
    let token =
        app.links.make(&grant).await.map_err(|error| Refusal::internal("The link could not be kept", &error))?;
    tracing::info!(link.id = %grant.link, backup.id = %backup, "Made link {} to backup {backup}", grant.link);
    let (path, expires_at) = (format!("/v1/downloads/{token}"), grant.expires_at);
    let link = DownloadLink { id: grant.link, path, file_name: stored.file_name, expires_at };
    Ok((StatusCode::CREATED, Json(link)))
}

/// Ends a link before its time. A download that runs already goes on.
#[utoipa::path(delete, path = "/v1/links/{link}", tag = "Downloads", params(("link" = Uuid, Path)),
    responses((status = 204), (status = 404, body = ApiError)))]
pub(crate) async fn revoke_link(State(app): State<App>, ApiPath(link): ApiPath<Uuid>) -> Answer<StatusCode> {
    match app.links.revoke(link).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(Refusal::not_found(format!("There is no link {link}; it may have ended already."))),
        Err(error) => Err(Refusal::internal("The link could not be revoked", &error)),
    }
}
