//! The tus endpoint: routes of uploads.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use backup_api::{ApiError, RepositoryId, Upload, UploadId};
use futures::StreamExt;

use super::{
    arrival::Chunk,
    pieces::Pieces,
    refusals,
    tus::{self, CHUNK_TYPE, Summing},
};
use crate::{
    router::{Answer, ApiPath, Refusal},
    server::App,
};

/// A client that sends nothing of a chunk for so long is gone.
const CHUNK_STALL: Duration = Duration::from_mins(1);
/// How much is read of a chunk that is too large: who is still sending may not see the answer.
const READ_AWAY: usize = 16 << 20;

/// What the server speaks: tus 1.0 with creation, expiration, checksum and termination.
#[utoipa::path(options, path = "/v1/repositories/{repository}/uploads", tag = "Uploads",
    params(("repository" = RepositoryId, Path)),
    responses((status = 204, description = "Headers Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm")))]
pub(crate) async fn abilities(State(app): State<App>, ApiPath(_repository): ApiPath<RepositoryId>) -> Response {
    tus::answer(Ok(tus::abilities(app.config.upload_limit_bytes())))
}

/// Begins an upload (tus creation). With an `id` in the metadata, asking again answers the same upload.
#[utoipa::path(post, path = "/v1/repositories/{repository}/uploads", tag = "Uploads",
    params(("repository" = RepositoryId, Path), ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Length" = u64, Header, description = "Bytes of the whole file"),
        ("Upload-Metadata" = String, Header, description = "filename <base64>,id <base64 of a UUID>")),
    responses((status = 201, description = "Its address in the header Location"),
        (status = 400, body = ApiError, description = "Empty, or neither .zip nor .dump"),
        (status = 409, body = ApiError, description = "The id stands for another upload"),
        (status = 412, body = ApiError, description = "Another version of tus"),
        (status = 413, body = ApiError, description = "Too large to upload"),
        (status = 429, body = ApiError, description = "Too many uploads are open"),
        (status = 507, body = ApiError, description = "It would not fit")))]
pub(crate) async fn create_upload(
    State(app): State<App>,
    ApiPath(repository): ApiPath<RepositoryId>,
    headers: HeaderMap,
) -> Response {
    tus::answer(begin(&app, repository, &headers).await)
}

async fn begin(app: &App, repository: RepositoryId, headers: &HeaderMap) -> Answer<Response> {
    tus::check_version(headers)?;
    let length = tus::bytes(headers, "Upload-Length")?;
    let upload = app.uploads.create(repository, length, tus::metadata(headers)?).await?;
    tracing::info!(upload.id = %upload.id, repository.id = %repository, "Upload {} of {} bytes", upload.id, length);
    let mut response = tus::progress(StatusCode::CREATED, &upload);
    tus::set(&mut response, header::LOCATION.as_str(), &format!("/v1/uploads/{}", upload.id));
    Ok(response)
}

/// An upload as it is, as JSON.
#[utoipa::path(get, path = "/v1/uploads/{upload}", tag = "Uploads", params(("upload" = UploadId, Path)),
    responses((status = 200, body = Upload), (status = 404, body = ApiError), (status = 410, body = ApiError)))]
pub(crate) async fn get_upload(State(app): State<App>, ApiPath(id): ApiPath<UploadId>) -> Answer<Json<Upload>> {
    Ok(Json(app.uploads.get(id).await?.upload))
}

/// How far an upload is (tus).
#[utoipa::path(head, path = "/v1/uploads/{upload}", tag = "Uploads",
    params(("upload" = UploadId, Path), ("Tus-Resumable" = String, Header, description = "1.0.0")),
    responses((status = 200, description = "Headers Upload-Offset, Upload-Length, Upload-Expires, Upload-Metadata"),
        (status = 404, body = ApiError), (status = 410, body = ApiError), (status = 412, body = ApiError)))]
pub(crate) async fn ask_upload(State(app): State<App>, ApiPath(id): ApiPath<UploadId>, headers: HeaderMap) -> Response {
    let asking = async {
        tus::check_version(&headers)?;
        let known = app.uploads.get(id).await?;
        let mut response = tus::progress(StatusCode::OK, &known.upload);
        tus::set(&mut response, "upload-length", &known.upload.length.to_string());
        tus::set(&mut response, "upload-metadata", &known.metadata);
        Ok(response)
    };
    tus::answer(asking.await)
}

/// Appends a chunk of at most 1,048,576 bytes (tus).
#[utoipa::path(patch, path = "/v1/uploads/{upload}", tag = "Uploads",
    params(("upload" = UploadId, Path), ("Tus-Resumable" = String, Header, description = "1.0.0"),
        ("Upload-Offset" = u64, Header, description = "Where the chunk begins"),
        ("Upload-Checksum" = Option<String>, Header, description = "sha1 or sha256, and its value in Base64"),
        ("Holdfast-Ahead" = Option<String>, Header, description = "1: the chunk may come before those in front of it, up \
            to 16 MiB beyond the offset")),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 204, description = "Kept; headers Upload-Offset and Upload-Expires"),
        (status = 400, body = ApiError, description = "The file does not begin as its name says"),
        (status = 404, body = ApiError), (status = 410, body = ApiError), (status = 412, body = ApiError),
        (status = 408, body = ApiError, description = "The chunk did not arrive whole; nothing of it was kept"),
        (status = 409, body = ApiError, description = "The chunk begins elsewhere than the upload stands"),
        (status = 413, body = ApiError, description = "Too large a chunk, or more than was announced"),
        (status = 415, body = ApiError), (status = 507, body = ApiError),
        (status = 460, body = ApiError, description = "The chunk does not have its checksum; nothing of it was kept")))]
pub(crate) async fn append_chunk(
    State(app): State<App>,
    ApiPath(id): ApiPath<UploadId>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    tus::answer(append(&app, id, &headers, body).await)
}

async fn append(app: &App, id: UploadId, headers: &HeaderMap, body: Body) -> Answer<Response> {
    let _room = app.uploads.room().await;
    let checksum = tus::checksum(headers);
    let mut sum = checksum.as_ref().ok().and_then(Option::as_ref).map(Summing::new);
    // Read to its end before anything can be refused: who is still sending may not see the answer.
    let pieces = read_chunk(body, tus::header(headers, "content-length"), sum.as_mut()).await?;
    tus::check_version(headers)?;
    if tus::header(headers, "content-type") != Some(CHUNK_TYPE) {
        let message = format!("Send a chunk with the header “Content-Type: {CHUNK_TYPE}”.");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, backup_api::ErrorCode::Invalid, message));
    }
    let offset = tus::bytes(headers, "Upload-Offset")?;
    checksum?;
    let is_damaged = sum.is_some_and(|sum| !sum.matches());
    let ahead = tus::header(headers, Upload::AHEAD_HEADER).is_some();
    let upload = app.uploads.append(id, Chunk { offset, pieces, is_damaged, ahead }).await?;
    Ok(tus::progress(StatusCode::NO_CONTENT, &upload))
}

/// The one chunk that an upload holds in memory.
async fn read_chunk(body: Body, announced: Option<&str>, mut sum: Option<&mut Summing>) -> Answer<Pieces> {
    let limit = usize::try_from(Upload::CHUNK_BYTES).unwrap_or(usize::MAX);
    let announced = announced.and_then(|text| text.parse().ok()).unwrap_or(0);
    let (mut chunk, mut came, mut frames) = (Pieces::default(), 0, body.into_data_stream());
    while let Some(frame) = tokio::time::timeout(CHUNK_STALL, frames.next()).await.map_err(|_| refusals::cut())? {
        let frame = frame.map_err(|_| refusals::cut())?;
        came += frame.len();
        if came > READ_AWAY {
            break;
        }
        if came.max(announced) > limit {
            chunk = Pieces::default();
            continue;
        }
        if let Some(sum) = &mut sum {
            sum.add(&frame);
        }
        chunk.push(frame);
    }
    if came.max(announced) > limit { Err(refusals::large_chunk()) } else { Ok(chunk) }
}

/// Ends an upload and removes what arrived (tus termination).
#[utoipa::path(delete, path = "/v1/uploads/{upload}", tag = "Uploads",
    params(("upload" = UploadId, Path), ("Tus-Resumable" = String, Header, description = "1.0.0")),
    responses((status = 204), (status = 404, body = ApiError), (status = 410, body = ApiError),
        (status = 409, body = ApiError, description = "It is being imported"), (status = 412, body = ApiError)))]
pub(crate) async fn delete_upload(
    State(app): State<App>,
    ApiPath(id): ApiPath<UploadId>,
    headers: HeaderMap,
) -> Response {
    let ending = async {
        tus::check_version(&headers)?;
        app.uploads.end(id).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    tus::answer(ending.await)
}
