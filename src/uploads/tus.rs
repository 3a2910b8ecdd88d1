//! `/uploads`: the tus 1.0 protocol (core, creation, checksum, expiration, termination), relayed chunk by chunk.

use std::{collections::HashMap, time::Duration};

use axum::{
    Extension,
    body::{BodyDataStream, Bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use backup_api::{Upload, UploadId};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    begin::{self, Announced},
    expiry,
    refusal::Refusal,
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
/// The most bytes of an upload that are held: what the backup server takes at a time.
#[expect(clippy::cast_possible_truncation, reason = "it is a mebibyte")]
const PIECE: usize = Upload::CHUNK_BYTES as usize;
/// The most pieces that are held at once, of all uploads: 32 MiB. Who comes later waits, unread.
pub const CHUNKS: usize = 32;
/// A client that sends nothing of a chunk for so long is gone.
const STALL: Duration = Duration::from_mins(1);
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
            let mut body = body.into_data_stream();
            let done = append(&panel, who, &headers, id, &mut body).await;
            if done.is_err() {
                drain(&mut body).await;
            }
            done
        }
        Method::DELETE => end(&panel, who, &headers, id).await,
        Method::OPTIONS => return options().await,
        _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "An upload knows PATCH, HEAD and DELETE.")),
    };
    answer(done)
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

/// Takes bytes and relays them, in pieces of at most a chunk: a piece is passed on when it has arrived whole. Clients
/// that send a file as one go on, if they are cut off, after the last piece.
async fn append(panel: &Panel, who: Who, headers: &HeaderMap, id: UploadId, body: &mut BodyDataStream) -> Done {
    let user = uploader(who, headers)?;
    if text(headers, &header::CONTENT_TYPE) != Some(CHUNK_TYPE) {
        let words = format!("A chunk is sent as {CHUNK_TYPE}.");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
    }
    let mut offset = number(headers, &OFFSET)?;
    let checksum = text(headers, &CHECKSUM);
    if checksum.is_some_and(|checksum| !checksum.starts_with("sha256 ") && !checksum.starts_with("sha1 ")) {
        let words = "Checksums of chunks are sha1 or sha256; send one of those, or none.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, words));
    }
    let ahead = headers.contains_key(Upload::AHEAD_HEADER);
    let (begun, server) = begin::own(panel, &user, id).await?;
    let announced = text(headers, &header::CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut rest = Bytes::new();
    loop {
        // It is never closed.
        let _room = panel.chunks.acquire().await.ok();
        let piece = piece(body, &mut rest, announced).await?;
        let last = piece.len() < PIECE;
        // A checksum is about all of the request, so that all of it must be one piece.
        if (checksum.is_some() || ahead) && !(last || is_at_end(body, &mut rest).await?) {
            let words = format!("A chunk with a checksum, or ahead of others, has at most {PIECE} bytes.");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, words));
        }
        let answer = if ahead {
            server.client.append_ahead(id, offset, checksum, piece).await
        } else {
            server.client.append(id, offset, checksum, piece).await
        };
        offset = begin::told(panel, &begun, &server, answer).await?;
        if last || is_at_end(body, &mut rest).await? {
            break;
        }
    }
    let mut headers = HeaderMap::new();
    put(&mut headers, OFFSET, &offset.to_string());
    put_expiry(&mut headers, expiry(panel.clock.now(), begun.kept_millis));
    Ok((StatusCode::NO_CONTENT, headers))
}

/// The next piece: shorter than [`PIECE`] only at the end. What came beyond it is left in `rest`.
async fn piece(body: &mut BodyDataStream, rest: &mut Bytes, announced: usize) -> Result<Vec<u8>, Refusal> {
    let mut piece = Vec::with_capacity(announced.min(PIECE));
    loop {
        let taken = rest.split_to(rest.len().min(PIECE - piece.len()));
        piece.extend_from_slice(&taken);
        if piece.len() == PIECE || is_at_end(body, rest).await? {
            return Ok(piece);
        }
    }
}

/// Whether nothing more comes; else there is something in `rest`.
async fn is_at_end(body: &mut BodyDataStream, rest: &mut Bytes) -> Result<bool, Refusal> {
    while rest.is_empty() {
        let cut = || Refusal::new(StatusCode::REQUEST_TIMEOUT, "The chunk did not arrive whole; send it again.");
        let Some(part) = timeout(STALL, body.next()).await.map_err(|_| cut())? else { return Ok(true) };
        *rest = part.map_err(|_| cut())?;
    }
    Ok(false)
}

/// Reads what a refused request still sends, if it is not much: else its client might never see the answer.
async fn drain(body: &mut BodyDataStream) {
    let mut left = 2 * PIECE;
    while let Ok(Some(Ok(part))) = timeout(STALL, body.next()).await {
        let Some(less) = left.checked_sub(part.len()) else { return };
        left = less;
    }
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
