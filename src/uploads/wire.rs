//! tus in the browser: raw `fetch` with slices of the file, hashed by the browser's own SHA-256.

use backup_api::{Upload, UploadId};
use js_sys::{ArrayBuffer, Uint8Array};
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, File, Headers, RequestInit, Response};

use super::transfer::{Chosen, Trouble};
use crate::subscriptions::SubscriptionId;

const LOST: &str = "The connection is lost";

type Tried<T> = Result<T, Trouble>;

/// Begins an upload; gives its identity. It is not called off half-way: the upload might be there without anybody knowing.
pub async fn create(subscription: SubscriptionId, chosen: &Chosen) -> Tried<UploadId> {
    let metadata = format!(
        "filename {},subscription {},modified {}",
        base64(chosen.name.as_bytes()),
        base64(subscription.0.to_string().as_bytes()),
        base64(chosen.modified.to_string().as_bytes()),
    );
    let headers = [("Upload-Length", chosen.length.to_string()), ("Upload-Metadata", metadata)];
    let answer = send("POST", "/uploads", &headers, None, None).await.map_err(|trouble| match trouble {
        // There is no offset that could be another one.
        Trouble::Elsewhere(words) => Trouble::Stop(words),
        trouble => trouble,
    })?;
    let address = answer.headers().get("Location").ok().flatten().unwrap_or_default();
    let id = address.rsplit('/').next().and_then(|id| id.parse().ok()).map(UploadId);
    id.ok_or_else(|| Trouble::Again("The panel did not answer as expected".to_owned()))
}

/// How many bytes have arrived.
pub async fn offset(id: UploadId, signal: &AbortSignal) -> Tried<u64> {
    let answer = send("HEAD", &address(id), &[], None, Some(signal)).await?;
    offset_of(&answer)
}

/// Sends the bytes from `start` to `end`, maybe before those in front of them; gives the offset up to which nothing is
/// missing.
pub async fn append(id: UploadId, file: &File, (start, end): (u64, u64), signal: &AbortSignal) -> Tried<u64> {
    let chunk = read(file, start, end).await?;
    let mut headers = vec![("Upload-Offset", start.to_string()), (Upload::AHEAD_HEADER, "1".to_owned())];
    if let Some(sum) = sha256(&chunk).await {
        headers.push(("Upload-Checksum", format!("sha256 {}", base64(&sum))));
    }
    headers.push(("Content-Type", "application/offset+octet-stream".to_owned()));
    let answer = send("PATCH", &address(id), &headers, Some(&chunk), Some(signal)).await?;
    offset_of(&answer)
}

/// Ends an upload and removes what arrived.
pub async fn remove(id: UploadId) -> Tried<()> {
    send("DELETE", &address(id), &[], None, None).await.map(drop)
}

fn address(id: UploadId) -> String {
    format!("/uploads/{}", id.0)
}

fn offset_of(answer: &Response) -> Tried<u64> {
    let offset = answer.headers().get("Upload-Offset").ok().flatten().and_then(|offset| offset.parse().ok());
    offset.ok_or_else(|| Trouble::Again("The panel did not answer as expected".to_owned()))
}

/// Reads a slice; its bytes stay on the browser's side.
#[expect(clippy::cast_precision_loss, reason = "files that can be uploaded are far below 2^53 bytes")]
async fn read(file: &File, start: u64, end: u64) -> Tried<ArrayBuffer> {
    let changed =
        || Trouble::Stop("The file cannot be read any more: it was changed or moved. Choose it again.".to_owned());
    let slice = file.slice_with_f64_and_f64(start as f64, end as f64).map_err(|_| changed())?;
    let bytes = JsFuture::from(slice.array_buffer()).await.map_err(|_| changed())?;
    bytes.dyn_into().map_err(|_| changed())
}

/// The SHA-256; browsers reckon it on pages that came over TLS or from this machine only.
async fn sha256(bytes: &ArrayBuffer) -> Option<Vec<u8>> {
    let crypto = window().crypto().ok()?;
    let subtle = js_sys::Reflect::get(&crypto, &"subtle".into()).ok()?;
    let subtle = subtle.dyn_into::<web_sys::SubtleCrypto>().ok()?;
    let digest = subtle.digest_with_str_and_buffer_source("SHA-256", bytes).ok()?;
    let digest = JsFuture::from(digest).await.ok()?;
    Some(Uint8Array::new(&digest).to_vec())
}

/// Base64 by the browser, which takes one sign a byte.
fn base64(bytes: &[u8]) -> String {
    let signs: String = bytes.iter().copied().map(char::from).collect();
    window().btoa(&signs).unwrap_or_default()
}

async fn send(
    method: &str,
    address: &str,
    headers: &[(&str, String)],
    body: Option<&JsValue>,
    signal: Option<&AbortSignal>,
) -> Tried<Response> {
    let broken = |_: JsValue| Trouble::Again(LOST.to_owned());
    let sent = Headers::new().map_err(broken)?;
    sent.set("Tus-Resumable", "1.0.0").map_err(broken)?;
    for (name, value) in headers {
        sent.set(name, value).map_err(broken)?;
    }
    let request = RequestInit::new();
    request.set_method(method);
    request.set_headers(&sent);
    request.set_signal(signal);
    if let Some(body) = body {
        request.set_body(body);
    }
    let answer = JsFuture::from(window().fetch_with_str_and_init(address, &request)).await.map_err(broken)?;
    let answer: Response = answer.dyn_into().map_err(broken)?;
    if answer.ok() {
        return Ok(answer);
    }
    let words = match answer.text() {
        Ok(text) => JsFuture::from(text).await.ok().and_then(|text| text.as_string()).unwrap_or_default(),
        Err(_) => String::new(),
    };
    let words = if words.is_empty() { LOST.to_owned() } else { words };
    Err(Trouble::of_status(answer.status(), words))
}
