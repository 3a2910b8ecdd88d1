//! The headers of the tus protocol 1.0.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use backup_api::{ErrorCode, Upload, UploadId};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::router::{Answer, Refusal};

/// The version that is spoken.
const VERSION: &str = "1.0.0";
/// The extensions that are spoken.
const EXTENSIONS: &str = "creation,expiration,checksum,termination";
/// Checksums that are understood.
const ALGORITHMS: &str = "sha1,sha256";
/// The type of a chunk.
pub(super) const CHUNK_TYPE: &str = "application/offset+octet-stream";
/// The longest metadata; the file's name is all that is used.
const METADATA: usize = 4096;

/// What an upload is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    pub file_name: String,
    pub id: Option<UploadId>,
    /// As it was sent.
    pub raw: String,
}

/// What a chunk must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    Sha1([u8; 20]),
    Sha256([u8; 32]),
}

/// The value of a header.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Whether the client speaks the version.
pub(super) fn check_version(headers: &HeaderMap) -> Answer<()> {
    if header(headers, "tus-resumable") == Some(VERSION) {
        return Ok(());
    }
    let message = "Send the header “Tus-Resumable: 1.0.0”: uploads speak version 1.0 of the tus protocol.";
    Err(Refusal::new(StatusCode::PRECONDITION_FAILED, ErrorCode::Invalid, message))
}

/// A header that must be a number of bytes.
pub(super) fn bytes(headers: &HeaderMap, name: &str) -> Answer<u64> {
    let found = header(headers, name).and_then(|text| text.parse().ok());
    found.ok_or_else(|| Refusal::invalid(format!("The header “{name}” must be there and be a number of bytes.")))
}

/// `Upload-Metadata`: `filename <base64>,id <base64>`, in any order and with other keys.
pub(super) fn metadata(headers: &HeaderMap) -> Answer<Metadata> {
    let raw = header(headers, "upload-metadata").unwrap_or_default();
    if raw.len() > METADATA {
        return Err(Refusal::invalid(format!("Upload-Metadata has at most {METADATA} bytes.")));
    }
    let value = |wanted: &str| -> Answer<Option<String>> {
        let mut pairs = raw.split(',').map(|pair| pair.trim().split_once(' ').unwrap_or((pair.trim(), "")));
        let Some((_, value)) = pairs.find(|(key, _)| *key == wanted) else { return Ok(None) };
        let decoded = BASE64.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let what = || Refusal::invalid(format!("“{wanted}” in Upload-Metadata must be UTF-8 text in Base64."));
        decoded.map(Some).ok_or_else(what)
    };
    let file_name = value("filename")?
        .ok_or_else(|| Refusal::invalid("Send the file's name as “filename” in the header Upload-Metadata."))?;
    let id = value("id")?.map(|id| id.parse());
    let id = id.transpose().map_err(|_| Refusal::invalid("“id” in Upload-Metadata must be a UUID."))?;
    Ok(Metadata { file_name, id, raw: raw.to_owned() })
}

/// `Upload-Checksum`: an algorithm and the Base64 of what it gives.
pub(super) fn checksum(headers: &HeaderMap) -> Answer<Option<Checksum>> {
    let Some(text) = header(headers, "upload-checksum") else { return Ok(None) };
    let (algorithm, value) = text.split_once(' ').unwrap_or((text, ""));
    let value = BASE64.decode(value.trim()).unwrap_or_default();
    let checksum = match algorithm {
        "sha1" => value.try_into().map(Checksum::Sha1),
        "sha256" => value.try_into().map(Checksum::Sha256),
        _ => return Err(Refusal::invalid(format!("Upload-Checksum understands {ALGORITHMS}."))),
    };
    checksum.map(Some).map_err(|_| Refusal::invalid(format!("Upload-Checksum holds no {algorithm} in Base64.")))
}

/// Reckons a checksum while the bytes come: then they are still near the processor.
pub(super) enum Summing {
    Sha1(Sha1, [u8; 20]),
    Sha256(Sha256, [u8; 32]),
}

impl Summing {
    /// Towards this one.
    pub fn new(expected: &Checksum) -> Self {
        match expected {
            Checksum::Sha1(expected) => Self::Sha1(Sha1::new(), *expected),
            Checksum::Sha256(expected) => Self::Sha256(Sha256::new(), *expected),
        }
    }

    /// Takes what came next.
    pub fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(sum, _) => sum.update(bytes),
            Self::Sha256(sum, _) => sum.update(bytes),
        }
    }

    /// Whether all of it has the checksum.
    pub fn matches(self) -> bool {
        match self {
            Self::Sha1(sum, expected) => <[u8; 20]>::from(sum.finalize()) == expected,
            Self::Sha256(sum, expected) => <[u8; 32]>::from(sum.finalize()) == expected,
        }
    }
}

/// Any answer of a tus route, with the headers that each must have.
pub(super) fn answer(answer: Answer<Response>) -> Response {
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    set(&mut response, "tus-resumable", VERSION);
    if response.status() == StatusCode::PRECONDITION_FAILED {
        set(&mut response, "tus-version", VERSION);
    }
    response
}

/// What the server speaks.
pub(super) fn abilities(limit: u64) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    set(&mut response, "tus-version", VERSION);
    set(&mut response, "tus-extension", EXTENSIONS);
    set(&mut response, "tus-checksum-algorithm", ALGORITHMS);
    set(&mut response, "tus-max-size", &limit.saturating_sub(1).to_string());
    response
}

/// An answer that tells how far an upload is.
pub(super) fn progress(status: StatusCode, upload: &Upload) -> Response {
    let mut response = status.into_response();
    set(&mut response, "upload-offset", &upload.offset.to_string());
    set(&mut response, "upload-expires", &upload.expires_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    set(&mut response, header::CACHE_CONTROL.as_str(), "no-store");
    response
}

/// Adds a header; values come from here or were headers before.
pub(super) fn set(response: &mut Response, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn metadata_is_read_in_any_order() {
        let raw = "is_final, id MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDA3,filename w6QuemlwCg==,x ";
        let found = metadata(&headers(&[("upload-metadata", raw)])).unwrap();
        assert_eq!((found.file_name.as_str(), found.id.unwrap().0.as_u128()), ("ä.zip\n", 7));
        for bad in ["", "id YQ==", "filename /w==", "filename YQ==,id YQ==", &"a".repeat(5000)] {
            assert!(metadata(&headers(&[("upload-metadata", bad)])).is_err(), "{bad}");
        }
    }

    #[test]
    fn checksums_are_those_of_the_bytes() {
        let of = |text: &str| checksum(&headers(&[("upload-checksum", text)]));
        let is_right = |text: &str, parts: &[&[u8]]| {
            let mut sum = Summing::new(&of(text).unwrap().unwrap());
            for part in parts {
                sum.add(part);
            }
            sum.matches()
        };
        for text in ["sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "sha256 uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="] {
            assert!(is_right(text, &[b"hello world"]) && is_right(text, &[b"hello ", b"", b"world"]), "{text}");
            assert!(
                !is_right(text, &[b"hello World"]) && !is_right(text, &[b"hello "]) && !is_right(text, &[]),
                "{text}"
            );
        }
        for bad in ["md5 XrY7u+Ae7tCTyyK7j1rNww==", "sha1", "sha1 !", "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0="] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert_eq!(checksum(&HeaderMap::new()).unwrap(), None);
    }
}
