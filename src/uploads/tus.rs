//! `/uploads`: the tus 1.0 protocol (core, creation, checksum, expiration, termination), relayed chunk by chunk.

use std::collections::HashMap;

use axum::{
    Extension,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use backup_api::{Upload, UploadId};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    begin::{self, Announced},
    expiry,
    incoming::{Incoming, PIECE},
    refusal::Refusal,
    relay::Relay,
    store::Begun,
};
use crate::{
    error::AppError,
    server::{Caller, Panel},
    subscriptions::SubscriptionId,
    users::{Role, User},
};

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,checksum,expiration,termination";
const CHUNK_TYPE: &str = "application/offset+octet-stream";
/// The most chunks that are under way at once, of all uploads: 32 MiB. Who comes later waits, unread.
pub const CHUNKS: usize = 32;
/// Headers by their names on the wire.
const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");

type Who = Option<Extension<Caller>>;
type Done = Result<(StatusCode, HeaderMap), Refusal>;

/// `OPTIONS`: what this side can do; anybody may ask.
pub async fn options() -> Response {
    let mut headers = HeaderMap::new();
    let limit = Upload::LIMIT_BYTES - 1;
    put(&mut headers, HeaderName::from_static("tus-version"), VERSION);
    put(&mut headers, HeaderName::from_static("tus-extension"), EXTENSIONS);
    put(&mut headers, HeaderName::from_static("tus-checksum-algorithm"), "sha1,sha256");
    put(&mut headers, HeaderName::from_static("tus-max-size"), &limit.to_string());
    answer(Ok((StatusCode::NO_CONTENT, headers)))
}

/// `POST /uploads`: begins an upload; answers its address.
pub async fn create(State(panel): State<Panel>, who: Who, headers: HeaderMap) -> Response {
    answer(begun(&panel, who, &headers).await)
}

/// `/uploads/{id}` by any method, also one that `X-HTTP-Method-Override` names.
pub async fn one(State(panel): State<Panel>, Path(id): Path<Uuid>, who: Who, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let method = parts.headers.get("x-http-method-override").map(HeaderValue::as_bytes);
    let method = method.and_then(|name| Method::from_bytes(name).ok()).unwrap_or(parts.method);
    let (id, headers) = (UploadId(id), parts.headers);
    let done = match method {
        Method::HEAD => offset(&panel, who, &headers, id).await,
        Method::PATCH => {
            let body = Incoming::new(body);
            let done = append(&panel, who, &headers, id, &body).await;
            if done.is_err() {
                body.drain().await;
            }
            done
        }
        Method::DELETE => end(&panel, who, &headers, id).await,
        Method::OPTIONS => return options().await,
        _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "An upload knows PATCH, HEAD and DELETE.")),
    };
    answer(done)
}

/// Whether it brings a chunk: one of many that come in quick succession.
pub fn is_chunk(request: &Request) -> bool {
    request.method() == Method::PATCH && request.uri().path().starts_with("/uploads/")
}

async fn begun(panel: &Panel, who: Who, headers: &HeaderMap) -> Done {
    let user = uploader(who, headers)?;
    let announced = announced(headers)?;
    let begun = begin::begin(panel, &user, announced).await?;
    let mut headers = HeaderMap::new();
    put(&mut headers, header::LOCATION, &format!("/uploads/{}", begun.id.0));
    put_expiry(&mut headers, expiry(panel.clock.now(), begun.kept_millis));
    Ok((StatusCode::CREATED, headers))
}

async fn offset(panel: &Panel, who: Who, headers: &HeaderMap, id: UploadId) -> Done {
    let user = uploader(who, headers)?;
    let (begun, server) = begin::own(panel, &user, id).await?;
    let upload = begin::told(panel, &begun, &server, server.client.upload(id).await).await?;
    let mut headers = HeaderMap::new();
    put(&mut headers, OFFSET, &upload.offset.to_string());
    put(&mut headers, LENGTH, &upload.length.to_string());
    put(&mut headers, METADATA, &metadata_of(&begun));
    put_expiry(&mut headers, upload.expires_at);
    Ok((StatusCode::OK, headers))
}

/// Takes bytes and passes them on.
async fn append(panel: &Panel, who: Who, headers: &HeaderMap, id: UploadId, body: &Incoming) -> Done {
    let user = uploader(who, headers)?;
    if text(headers, &header::CONTENT_TYPE) != Some(CHUNK_TYPE) {
        let words = format!("A chunk is sent as {CHUNK_TYPE}.");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
    }
    let offset = number(headers, &OFFSET)?;
    let checksum = text(headers, &CHECKSUM);
    if checksum.is_some_and(|checksum| !checksum.starts_with("sha256 ") && !checksum.starts_with("sha1 ")) {
        let words = "Checksums of chunks are sha1 or sha256; send one of those, or none.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, words));
    }
    let ahead = headers.contains_key(Upload::AHEAD_HEADER);
    let (begun, server) = begin::own_lately(panel, &user, id).await?;
    let relay = Relay { panel, begun: &begun, server: &server, checksum, ahead };
    let length = text(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let offset = match length.filter(|length| *length <= PIECE) {
        Some(length) => relay.whole(offset, body, length).await?,
        None => relay.pieces(offset, body).await?,
    };
    let mut headers = HeaderMap::new();
    put(&mut headers, OFFSET, &offset.to_string());
    put_expiry(&mut headers, expiry(panel.clock.now(), begun.kept_millis));
    Ok((StatusCode::NO_CONTENT, headers))
}

async fn end(panel: &Panel, who: Who, headers: &HeaderMap, id: UploadId) -> Done {
    let user = uploader(who, headers)?;
    begin::end(panel, &user, id).await?;
    Ok((StatusCode::NO_CONTENT, HeaderMap::new()))
}

/// The person, if they may upload and speak this version of the protocol.
fn uploader(who: Who, headers: &HeaderMap) -> Result<User, Refusal> {
    if text(headers, &RESUMABLE) != Some(VERSION) {
        let words = format!("This is a tus {VERSION} endpoint: send “Tus-Resumable: {VERSION}”.");
        return Err(Refusal::new(StatusCode::PRECONDITION_FAILED, words));
    }
    let Extension(caller) = who.ok_or(AppError::SignedOut)?;
    Ok(caller.at_least(Role::Operator)?.user)
}

fn announced(headers: &HeaderMap) -> Result<Announced, Refusal> {
    let metadata = metadata(text(headers, &METADATA).unwrap_or_default());
    let missing = |name: &str| {
        let words =
            format!("Upload-Metadata lacks “{name}”: it takes filename and subscription (its UUID), in base64.");
        Refusal::new(StatusCode::BAD_REQUEST, words)
    };
    let subscription = metadata.get("subscription").and_then(|id| id.parse::<Uuid>().ok());
    let file_name = metadata.get("filename").ok_or_else(|| missing("filename"))?;
    Ok(Announced {
        subscription: SubscriptionId(subscription.ok_or_else(|| missing("subscription"))?),
        file_name: base_name(file_name),
        length: number(headers, &LENGTH)?,
        modified: metadata.get("modified").and_then(|at| at.parse().ok()),
    })
}

/// `name base64,name base64`; what cannot be read is left out.
fn metadata(header: &str) -> HashMap<&str, String> {
    let pairs = header.split(',').filter_map(|pair| pair.trim().split_once(' '));
    let texts = pairs.filter_map(|(name, value)| {
        let text = String::from_utf8(BASE64.decode(value.trim()).ok()?).ok()?;
        Some((name, text))
    });
    texts.collect()
}

fn metadata_of(begun: &Begun) -> String {
    let subscription = begun.subscription.0.to_string();
    format!("filename {},subscription {}", BASE64.encode(&begun.file_name), BASE64.encode(subscription))
}

/// A file's own name without folders and control characters, however a client sends it.
pub(super) fn base_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, Refusal> {
    text(headers, name).and_then(|value| value.parse().ok()).ok_or_else(|| {
        Refusal::new(StatusCode::BAD_REQUEST, format!("The header {name} is missing or is no number of bytes."))
    })
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn put_expiry(headers: &mut HeaderMap, at: DateTime<Utc>) {
    put(headers, EXPIRES, &at.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
}

fn answer(done: Done) -> Response {
    let mut response = match done {
        Ok(done) => done.into_response(),
        Err(Refusal { status, words }) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            let mut refused = (status, kind, words).into_response();
            if status == StatusCode::PRECONDITION_FAILED {
                put(refused.headers_mut(), HeaderName::from_static("tus-version"), VERSION);
            }
            refused
        }
    };
    put(response.headers_mut(), RESUMABLE, VERSION);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_as_clients_write_it() {
        let read = metadata("filename YWNtZS56aXA=, subscription  eA== ,is_confidential,broken %%%");
        assert_eq!(read.get("filename").map(String::as_str), Some("acme.zip"));
        assert_eq!(read.get("subscription").map(String::as_str), Some("x"));
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn a_name_has_no_folders() {
        assert_eq!(base_name("C:\\backups\\acme.zip"), "acme.zip");
        assert_eq!(base_name("../../etc/acme.zip\r\n"), "acme.zip");
        assert_eq!(base_name("/"), "");
    }
}
