//! Routes of the server itself, of sources and of the backups in repositories.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use backup_api::{
    ApiError, Backup, BackupId, ErrorCode, RecoveryKit, RepositoryId, ServerInfo, Source, SourceReport, Space,
};
use serde_json::json;

use super::{Answer, ApiJson, ApiPath, Refusal};
use crate::{disk, server::App};

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "Server", security(()),
    responses((status = 200, description = "It answers")))]
pub(crate) async fn health() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether jobs can be taken: the data folder is there and the server is not stopping.
#[utoipa::path(get, path = "/readyz", tag = "Server", security(()),
    responses((status = 200, description = "It is ready"), (status = 503, body = ApiError)))]
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let unready = |message: &str| {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::StorageUnavailable, message).into_response()
    };
    if app.jobs.is_closed() {
        return unready("The backup server is stopping.");
    }
    match disk::space(app.layout.root()) {
        Ok(space) if space.free_bytes > 0 => Json(json!({ "status": "ready" })).into_response(),
        Ok(_) => unready("The disk of the data folder is full."),
        Err(_) => unready("The data folder cannot be reached."),
    }
}

/// The server's state.
#[utoipa::path(get, path = "/v1/server", tag = "Server",
    responses((status = 200, body = ServerInfo), (status = 401, body = ApiError)))]
pub(crate) async fn server(State(app): State<App>) -> Answer<Json<ServerInfo>> {
    let space = disk::space(app.layout.root());
    let space = space.map_err(|error| Refusal::internal("The disk of the data folder cannot be asked", &error))?;
    let (running, queued) = app.jobs.load();
    let mut pg_dump_versions: Vec<String> = app.tools.all().iter().map(|tool| tool.version().to_owned()).collect();
    pg_dump_versions.reverse();
    Ok(Json(ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: app.started_at,
        space: Space { repositories_bytes: app.repositories.bytes_used().await?, ..space },
        repositories: app.repositories.count().await?,
        pg_dump_versions,
        running_jobs: running as u64,
        queued_jobs: queued as u64,
        upload_limit_bytes: app.config.upload_limit_bytes(),
        url_limit_bytes: app.config.url_limit_bytes(),
        peak_memory_bytes: disk::peak_memory(),
    }))
}

/// Tests whether a database can be backed up, and says everything that is wrong.
#[utoipa::path(post, path = "/v1/sources/test", tag = "Sources", request_body = Source,
    responses((status = 200, body = SourceReport), (status = 400, body = ApiError)))]
pub(crate) async fn test_source(State(app): State<App>, ApiJson(source): ApiJson<Source>) -> Json<SourceReport> {
    Json(app.sources.test(&source).await)
}

/// All backups of a repository, the newest first; none when it has not been made yet.
#[utoipa::path(get, path = "/v1/repositories/{repository}/backups", tag = "Backups",
    params(("repository" = RepositoryId, Path)),
    responses((status = 200, body = Vec<Backup>), (status = 503, body = ApiError)))]
pub(crate) async fn list_backups(
    State(app): State<App>,
    ApiPath(repository): ApiPath<RepositoryId>,
) -> Answer<Json<Vec<Backup>>> {
    Ok(Json(app.repositories.list(repository).await?))
}

/// One backup.
#[utoipa::path(get, path = "/v1/repositories/{repository}/backups/{backup}", tag = "Backups",
    params(("repository" = RepositoryId, Path), ("backup" = BackupId, Path)),
    responses((status = 200, body = Backup), (status = 404, body = ApiError)))]
pub(crate) async fn get_backup(
    State(app): State<App>,
    ApiPath((repository, backup)): ApiPath<(RepositoryId, BackupId)>,
) -> Answer<Json<Backup>> {
    app.backup(repository, backup).await.map(Json)
}

/// Removes a backup. The space that only it used is freed soon after.
#[utoipa::path(delete, path = "/v1/repositories/{repository}/backups/{backup}", tag = "Backups",
    params(("repository" = RepositoryId, Path), ("backup" = BackupId, Path)),
    responses((status = 204), (status = 404, body = ApiError), (status = 409, body = ApiError)))]
pub(crate) async fn delete_backup(
    State(app): State<App>,
    ApiPath((repository, backup)): ApiPath<(RepositoryId, BackupId)>,
) -> Answer<StatusCode> {
    if app.jobs.is_busy(repository) {
        let message = "A job works on this repository at the moment. Delete the backup when it has ended.";
        return Err(Refusal::conflict(message));
    }
    app.repositories.delete(repository, backup).await?;
    tracing::info!(backup.id = %backup, repository.id = %repository, "Deleted backup {backup}");
    Ok(StatusCode::NO_CONTENT)
}

/// How to read a repository with the stock `restic` program.
#[utoipa::path(get, path = "/v1/repositories/{repository}/recovery-kit", tag = "Backups",
    params(("repository" = RepositoryId, Path)),
    responses((status = 200, body = RecoveryKit), (status = 404, body = ApiError)))]
pub(crate) async fn recovery_kit(
    State(app): State<App>,
    ApiPath(repository): ApiPath<RepositoryId>,
) -> Answer<Json<RecoveryKit>> {
    Ok(Json(app.repositories.recovery_kit(repository).await?))
}
