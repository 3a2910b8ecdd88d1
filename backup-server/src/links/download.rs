//! `GET` and `HEAD /v1/downloads/{token}`: the backup as an ordinary file, streamed.

use std::ops::Range;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use backup_api::{ApiError, Backup, BackupFormat, ErrorCode, LinkCompression};

use super::{
    Grant, LinkState, pages,
    range::{Wanted, wanted},
};
use crate::{
    router::{Answer, ApiPath, Refusal},
    server::App,
};

/// A backup as a file. The address is the key: no token is needed. A stored zip and a dump have a known length and take
/// ranges; a deflated zip has neither.
#[utoipa::path(method(get, head), path = "/v1/downloads/{token}", tag = "Downloads", security(()),
    params(("token" = String, Path)),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 206, description = "The range asked for", content_type = "application/octet-stream"),
        (status = 403, description = "The link was altered (a page for browsers)", body = ApiError),
        (status = 404, description = "The backup was deleted (a page for browsers)", body = ApiError),
        (status = 410, description = "The link has ended (a page for browsers)", body = ApiError),
        (status = 416, description = "The range lies outside the file", body = ApiError)))]
pub(crate) async fn download(
    State(app): State<App>,
    ApiPath(token): ApiPath<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let answer = match allowed(&app, &token) {
        Ok(grant) => answer(&app, &grant, &method, &headers).await,
        Err(refusal) => Err(refusal),
    };
    answer.unwrap_or_else(|refusal| pages::explain(refusal, &headers, app.config.panel.as_deref()))
}

fn allowed(app: &App, token: &str) -> Answer<Grant> {
    let ended = |message: &str| Refusal::new(StatusCode::GONE, ErrorCode::LinkExpired, message);
    match app.links.check(token) {
        Ok((grant, LinkState::Usable)) => Ok(grant),
        Ok((_, LinkState::Expired)) => {
            Err(ended("This download link has ended. Open the backup in the panel and choose Download for a new one."))
        }
        Ok((_, LinkState::Revoked)) => Err(ended(
            "This download link was withdrawn. Open the backup in the panel and choose Download for a new one.",
        )),
        Err(error) => {
            let message =
                format!("This download is not possible: {error}. Choose Download in the panel for a new link.");
            Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::LinkExpired, message))
        }
    }
}

async fn answer(app: &App, grant: &Grant, method: &Method, headers: &HeaderMap) -> Answer<Response> {
    let backup = app.backup(grant.repository, grant.backup).await.map_err(told_of_a_link)?;
    let is_deflated = grant.compression == LinkCompression::Deflated && backup.format == BackupFormat::Zip;
    let mut head = head(&backup, is_deflated)?;
    if is_deflated {
        let body = body(app, grant, method, None).await?;
        return Ok((head, body).into_response());
    }
    let total = backup.size_bytes;
    match wanted(headers, &etag(&backup, false), total) {
        Wanted::All => {
            head.insert(header::CONTENT_LENGTH, total.into());
            Ok((head, body(app, grant, method, None).await?).into_response())
        }
        Wanted::Part(range) => {
            let place = format!("bytes {}-{}/{total}", range.start, range.end - 1);
            head.insert(header::CONTENT_RANGE, value(&place)?);
            head.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
            Ok((StatusCode::PARTIAL_CONTENT, head, body(app, grant, method, Some(range)).await?).into_response())
        }
        Wanted::Impossible => {
            let refusal = Refusal::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                ErrorCode::Invalid,
                format!("The file has {total} bytes; the range asked for lies outside."),
            );
            Ok(([(header::CONTENT_RANGE, format!("bytes */{total}"))], refusal).into_response())
        }
    }
}

/// Who opens a link knows nothing of repositories and identities.
fn told_of_a_link(refusal: Refusal) -> Refusal {
    if refusal.status != StatusCode::NOT_FOUND {
        return refusal;
    }
    Refusal::not_found(
        "The backup that this link leads to was deleted since the link was made. Choose another backup of this database \
         in the panel.",
    )
}

async fn body(app: &App, grant: &Grant, method: &Method, range: Option<Range<u64>>) -> Answer<Body> {
    if method == Method::HEAD {
        // Of unknown length: an empty body would answer "Content-Length: 0" where no length is given.
        return Ok(Body::from_stream(futures::stream::empty::<std::io::Result<axum::body::Bytes>>()));
    }
    let export = app.repositories.export(grant.repository, grant.backup, grant.compression, range).await?;
    tracing::info!(link.id = %grant.link, backup.id = %grant.backup, "Download of backup {} begins", grant.backup);
    Ok(Body::from_stream(export.bytes))
}

fn head(backup: &Backup, is_deflated: bool) -> Answer<HeaderMap> {
    let kind = match backup.format {
        BackupFormat::Zip => "application/zip",
        BackupFormat::Dump => "application/octet-stream",
    };
    // A database name has only letters, digits and “_.-”, so the file name needs no encoding.
    let disposition = format!("attachment; filename*=UTF-8''{}", backup.file_name);
    let ranges = if is_deflated { "none" } else { "bytes" };
    let fields = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, &disposition),
        (header::ACCEPT_RANGES, ranges),
        (header::ETAG, &etag(backup, is_deflated)),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    fields.into_iter().map(|(name, text)| Ok((name, value(text)?))).collect()
}

/// A backup never changes, and its stored export is the same bytes each time.
fn etag(backup: &Backup, is_deflated: bool) -> String {
    format!("\"{}-{}\"", backup.id, if is_deflated { "deflated" } else { "stored" })
}

fn value(text: &str) -> Answer<HeaderValue> {
    HeaderValue::from_str(text).map_err(|error| Refusal::internal("The download's headers could not be made", &error))
}
