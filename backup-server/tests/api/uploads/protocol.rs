//! The tus endpoint, header by header, and everything that it refuses.

use backup_api::{ApiError, ErrorCode, RepositoryId, Upload, UploadId};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use futures::future::join_all;
use reqwest::{Method, Response};
use uuid::Uuid;

use super::setting::{TINY, checksum, import_of, send, upload};
use crate::setting::{OTHER_REPOSITORY, REPOSITORY, Served, TestClock, files_in};

const CHUNK: usize = 1_048_576;

/// Asks with tus' version and the token.
async fn ask(served: &Served, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let mut request = reqwest::Client::new().request(method, served.base.join(path).unwrap());
    request = request.bearer_auth(served.server.token().reveal()).body(body.to_vec());
    if !headers.iter().any(|(name, _)| *name == "Tus-Resumable") {
        request = request.header("Tus-Resumable", "1.0.0");
    }
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

fn uploads_of(repository: RepositoryId) -> String {
    format!("/v1/repositories/{repository}/uploads")
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn refused(response: Response, status: u16, code: ErrorCode, word: &str) {
    assert_eq!(header(&response, "tus-resumable"), "1.0.0");
    let given = response.status().as_u16();
    let error: ApiError = response.json().await.unwrap();
    assert_eq!((given, error.code), (status, code), "{}", error.message);
    assert!(error.message.contains(word) && error.message.ends_with('.'), "“{word}”: {}", error.message);
}

fn id() -> UploadId {
    UploadId(Uuid::new_v4())
}

#[tokio::test]
async fn a_standard_client_is_told_all_that_it_needs() {
    let served = Served::start().await;
    let options = ask(&served, Method::OPTIONS, &uploads_of(REPOSITORY), &[], b"").await;
    assert_eq!((options.status().as_u16(), header(&options, "tus-version")), (204, "1.0.0"));
    assert_eq!(header(&options, "tus-extension"), "creation,expiration,checksum,termination");
    assert_eq!(header(&options, "tus-max-size"), "999999999");
    assert_eq!(header(&options, "tus-checksum-algorithm"), "sha1,sha256");

    let metadata = format!("filename {},filetype {}", BASE64.encode("tïny.zip"), BASE64.encode("application/zip"));
    let length = TINY.len().to_string();
    let made = [("Upload-Length", length.as_str()), ("Upload-Metadata", metadata.as_str())];
    let made = ask(&served, Method::POST, &uploads_of(REPOSITORY), &made, b"").await;
    assert_eq!(made.status().as_u16(), 201);
    let address = header(&made, "location").to_owned();
    assert!(header(&made, "upload-expires").ends_with(" GMT"), "{:?}", made.headers());

    let (first, rest) = TINY.split_at(7);
    for (offset, chunk) in [(0, first), (7, rest)] {
        let (offset, sum) = (offset.to_string(), checksum(chunk));
        let headers = [
            ("Upload-Offset", offset.as_str()),
            ("Upload-Checksum", sum.as_str()),
            ("Content-Type", "application/offset+octet-stream"),
        ];
        let appended = ask(&served, Method::PATCH, &address, &headers, chunk).await;
        assert_eq!(appended.status().as_u16(), 204);
        assert_eq!(header(&appended, "tus-resumable"), "1.0.0");
    }
    let asked = ask(&served, Method::HEAD, &address, &[], b"").await;
    assert_eq!((header(&asked, "upload-offset"), header(&asked, "upload-length")), (&*length, &*length));
    assert_eq!((header(&asked, "upload-metadata"), header(&asked, "cache-control")), (&*metadata, "no-store"));
    let found: Upload = ask(&served, Method::GET, &address, &[], b"").await.json().await.unwrap();
    assert!(found.is_complete() && found.file_name == "tïny.zip" && found.repository == REPOSITORY, "{found:?}");
    assert_eq!(std::fs::read(part(&served, found.id)).unwrap(), TINY);

    assert_eq!(ask(&served, Method::DELETE, &address, &[], b"").await.status().as_u16(), 204);
    assert_eq!(ask(&served, Method::HEAD, &address, &[], b"").await.status().as_u16(), 404);
    assert!(files_in(&served.data.join("uploads")).is_empty());
}

fn part(served: &Served, id: UploadId) -> std::path::PathBuf {
    served.data.join("uploads").join(format!("{id}.part"))
}

#[tokio::test]
async fn what_cannot_be_uploaded_is_refused_before_it_begins() {
    let served = Served::start().await;
    for (name, length, code, word) in [
        ("acme.sql", 10, ErrorCode::Invalid, "must end in .zip or .dump"),
        ("acme.dump.gz", 10, ErrorCode::Invalid, "must end in .zip or .dump"),
        ("../acme.zip", 10, ErrorCode::Invalid, "must end in .zip or .dump"),
        ("acme.zip", 0, ErrorCode::Invalid, "is empty"),
        ("acme.zip", 1_000_000_000, ErrorCode::TooLarge, "import it by its URL"),
        ("acme.zip", u64::MAX, ErrorCode::TooLarge, "import it by its URL"),
    ] {
        let error = served.client.create_upload(REPOSITORY, id(), name, length).await.unwrap_err();
        let refusal = error.refusal().unwrap();
        assert!(refusal.code == code && refusal.message.contains(word), "{name} {length}: {refusal:?}");
    }
    served.client.create_upload(REPOSITORY, id(), "acme.zip", 999_999_999).await.unwrap();
    let path = uploads_of(REPOSITORY);
    let name = format!("filename {}", BASE64.encode("a.zip"));
    let old = [("Tus-Resumable", "0.2.2"), ("Upload-Length", "5"), ("Upload-Metadata", name.as_str())];
    let old = ask(&served, Method::POST, &path, &old, b"").await;
    assert_eq!(header(&old, "tus-version"), "1.0.0");
    refused(old, 412, ErrorCode::Invalid, "Tus-Resumable").await;
    let deferred = [("Upload-Defer-Length", "1"), ("Upload-Metadata", name.as_str())];
    refused(ask(&served, Method::POST, &path, &deferred, b"").await, 400, ErrorCode::Invalid, "Upload-Length").await;
    let nameless = [("Upload-Length", "5")];
    refused(ask(&served, Method::POST, &path, &nameless, b"").await, 400, ErrorCode::Invalid, "filename").await;
}

#[tokio::test]
async fn a_disk_that_is_too_small_and_too_many_uploads_are_told_before_the_first_byte() {
    let full = Served::start_with(|config| config.keep_free_mb = 1 << 40).await;
    let error = full.client.create_upload(REPOSITORY, id(), "a.zip", 5).await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert!(refusal.code == ErrorCode::NoSpace && refusal.message.contains("stay free"), "{refusal:?}");

    let served = Served::start_with(|config| config.uploads = 2).await;
    for _ in 0..2 {
        served.client.create_upload(REPOSITORY, id(), "a.zip", 5).await.unwrap();
    }
    let error = served.client.create_upload(REPOSITORY, id(), "a.zip", 5).await.unwrap_err();
    assert!(error.to_string().contains("2 uploads are open"), "{error}");
}

#[tokio::test]
async fn what_is_promised_to_one_upload_is_not_promised_to_the_next() {
    let served = Served::start().await;
    let free = served.client.server().await.unwrap().space.free_bytes;
    let length = 999_999_999;
    let last = id();
    // The disk is shared with others: it may hold a few more or less.
    let fits = usize::try_from(free / length).unwrap();
    let mut made = 0;
    let served = Served::start_with(|config| config.uploads = fits + 50).await;
    let refusal = loop {
        match served.client.create_upload(REPOSITORY, id(), "a.zip", length).await {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
        assert!(made <= fits + 20, "more was promised than there is");
    };
    assert_eq!(refusal.refusal().unwrap().code, ErrorCode::NoSpace, "{refusal}");
    assert!(made + 20 >= fits, "{made} of about {fits} had room");
    let small = served.client.create_upload(REPOSITORY, last, "a.zip", 5).await;
    assert!(small.is_ok() || small.is_err_and(|error| error.refusal().is_some()));
}

#[tokio::test]
async fn beginning_is_repeatable_and_an_identity_stands_for_one_file() {
    let served = Served::start().await;
    let (client, id) = (&served.client, id());
    let first = client.create_upload(REPOSITORY, id, "tiny18.zip", TINY.len() as u64).await.unwrap();
    assert_eq!(first.offset, 0);
    client.append(id, 0, None, TINY[..1000].to_vec()).await.unwrap();
    let again = client.create_upload(REPOSITORY, id, "tiny18.zip", TINY.len() as u64).await.unwrap();
    assert_eq!(again.offset, 1000);
    for (repository, name, length) in [
        (OTHER_REPOSITORY, "tiny18.zip", TINY.len() as u64),
        (REPOSITORY, "other.zip", TINY.len() as u64),
        (REPOSITORY, "tiny18.zip", 5),
    ] {
        let error = client.create_upload(repository, id, name, length).await.unwrap_err();
        assert_eq!(error.refusal().unwrap().code, ErrorCode::Conflict, "{error}");
    }
}

#[tokio::test]
async fn a_chunk_that_does_not_fit_is_refused_and_changes_nothing() {
    let served = Served::start().await;
    let id = id();
    served.client.create_upload(REPOSITORY, id, "tiny18.zip", TINY.len() as u64).await.unwrap();
    let address = format!("/v1/uploads/{id}");
    let with = async |more: &[(&str, &str)], body: &[u8]| {
        let mut headers = vec![("Content-Type", "application/offset+octet-stream")];
        headers.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        headers.extend_from_slice(more);
        ask(&served, Method::PATCH, &address, &headers, body).await
    };
    let (good, zero) = (&TINY[..5000], ("Upload-Offset", "0"));
    let other = checksum(b"other");
    refused(with(&[("Upload-Offset", "1")], good).await, 409, ErrorCode::WrongOffset, "stands at byte 0").await;
    refused(with(&[("Upload-Offset", "x")], good).await, 400, ErrorCode::Invalid, "Upload-Offset").await;
    refused(with(&[zero, ("Upload-Checksum", &other)], good).await, 460, ErrorCode::BadChecksum, "damaged").await;
    refused(with(&[zero, ("Upload-Checksum", "md5 x")], good).await, 400, ErrorCode::Invalid, "sha1,sha256").await;
    refused(with(&[zero, ("Content-Type", "text/plain")], good).await, 415, ErrorCode::Invalid, "Content-Type").await;
    refused(with(&[zero, ("Tus-Resumable", "2")], good).await, 412, ErrorCode::Invalid, "1.0.0").await;
    let more = vec![b'x'; TINY.len() + 1];
    refused(with(&[zero], &more).await, 413, ErrorCode::TooLarge, "announced").await;
    let html = b"<!DOCTYPE html><title>Odoo</title>";
    refused(with(&[zero], html).await, 400, ErrorCode::Invalid, "web page").await;
    let unknown = format!("/v1/uploads/{}", Uuid::new_v4());
    let headers = [("Content-Type", "application/offset+octet-stream"), zero];
    let nowhere = ask(&served, Method::PATCH, &unknown, &headers, good).await;
    refused(nowhere, 404, ErrorCode::NotFound, "There is no upload").await;
    assert_eq!(served.client.upload(id).await.unwrap().offset, 0, "nothing was kept of any of these");
    send(&served.client, id, TINY).await;
    assert_eq!(served.client.append(id, TINY.len() as u64, None, Vec::new()).await.unwrap(), TINY.len() as u64);
}

#[tokio::test]
async fn a_chunk_has_at_most_a_mebibyte() {
    let served = Served::start().await;
    let (id, file) = (id(), large(3 * CHUNK));
    served.client.create_upload(REPOSITORY, id, "a.zip", file.len() as u64).await.unwrap();
    for chunk in [&file[..=CHUNK], &file[..]] {
        // Without an announced length it shows only while it arrives.
        let pieces: Vec<_> = chunk.chunks(100_000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        let unannounced = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
        for body in [chunk.to_vec().into(), unannounced] {
            let error = served.client.append(id, 0, None, body).await.unwrap_err();
            assert_eq!(error.refusal().map(|refusal| refusal.code), Some(ErrorCode::TooLarge), "{error}");
        }
    }
    assert_eq!(served.client.upload(id).await.unwrap().offset, 0);
    assert_eq!(served.client.append(id, 0, None, file[..CHUNK].to_vec()).await.unwrap(), CHUNK as u64);
}

/// Begins as a zip.
fn large(bytes: usize) -> Vec<u8> {
    let mut file: Vec<u8> = (0..bytes).map(|at| u8::try_from(at * at % 251).unwrap()).collect();
    file[..4].copy_from_slice(b"PK\x03\x04");
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_may_come_before_those_in_front_of_them_if_they_say_so() {
    let served = Served::start().await;
    let (id, file) = (id(), large(20 * CHUNK));
    served.client.create_upload(REPOSITORY, id, "a.zip", file.len() as u64).await.unwrap();
    let piece = |number: usize| &file[number * CHUNK..(number + 1) * CHUNK];
    let ahead = async |number: usize| {
        let sum = checksum(piece(number));
        served.client.append_ahead(id, (number * CHUNK) as u64, Some(&sum), piece(number).to_vec()).await
    };
    let stands = async |chunks: usize| {
        assert_eq!(served.client.upload(id).await.unwrap().offset, (chunks * CHUNK) as u64);
    };
    let wrong = |answer: Result<u64, backup_api::ClientError>| {
        assert_eq!(answer.unwrap_err().refusal().unwrap().code, ErrorCode::WrongOffset);
    };
    wrong(served.client.append(id, CHUNK as u64, None, piece(1).to_vec()).await);
    for number in [2, 1, 15] {
        assert_eq!(ahead(number).await.unwrap(), 0, "it does not count yet");
    }
    wrong(ahead(16).await);
    let damaged = served.client.append_ahead(id, 3 << 20, Some(&checksum(b"other")), piece(3).to_vec()).await;
    assert_eq!(damaged.unwrap_err().refusal().unwrap().code, ErrorCode::BadChecksum);
    assert_eq!(ahead(0).await.unwrap(), 3 << 20, "those behind it count now, but for the damaged one");
    wrong(ahead(2).await);
    let beyond = served.client.append_ahead(id, 18 << 20, None, vec![0; CHUNK + 1]).await;
    assert_eq!(beyond.unwrap_err().refusal().unwrap().code, ErrorCode::TooLarge);
    // Who sends one after the other finds plain tus: the offset is after the chunk that was sent.
    assert_eq!(ahead(4).await.unwrap(), 3 << 20);
    assert_eq!(served.client.append(id, 3 << 20, None, piece(3).to_vec()).await.unwrap(), 4 << 20);
    stands(4).await;
    // The same one twice, and all at once in any order.
    assert_eq!(ahead(5).await.unwrap(), 4 << 20);
    // What counts already would be refused, as with any offset that is not the upload's: so 4 comes last.
    let all = join_all([7, 5, 9, 8, 6].map(&ahead)).await;
    assert_eq!(all.into_iter().map(Result::unwrap).max(), Some(4 << 20));
    assert_eq!(ahead(4).await.unwrap(), 10 << 20);
    let last = join_all((10..20).map(&ahead)).await;
    assert_eq!(last.into_iter().map(Result::unwrap).max(), Some(20 << 20));
    assert!(served.client.upload(id).await.unwrap().is_complete());
    assert!(std::fs::read(part(&served, id)).unwrap() == file, "what is there is what was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_at_once_one_is_refused() {
    let served = Served::start().await;
    let (id, file) = (id(), large(CHUNK));
    served.client.create_upload(REPOSITORY, id, "a.zip", file.len() as u64).await.unwrap();
    let tries = (0..8).map(|_| served.client.append(id, 0, None, file.clone()));
    let (kept, refused): (Vec<_>, Vec<_>) = join_all(tries).await.into_iter().partition(Result::is_ok);
    assert_eq!((kept.len(), refused.len()), (1, 7));
    for error in refused {
        assert_eq!(error.unwrap_err().refusal().unwrap().code, ErrorCode::WrongOffset);
    }
    assert_eq!(std::fs::read(part(&served, id)).unwrap(), file);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_uploads_at_once_arrive_whole() {
    let served = Served::start().await;
    let files: Vec<_> = (0..10_usize).map(|number| large(3 * CHUNK + number)).collect();
    let ids = join_all(files.iter().map(|file| upload(&served.client, "a.zip", file))).await;
    for (id, file) in ids.into_iter().zip(&files) {
        assert_eq!(&std::fs::read(part(&served, id)).unwrap(), file);
    }
}

#[tokio::test]
async fn an_abandoned_upload_is_removed_and_says_so() {
    let clock = TestClock::new();
    let served = Served::start_with(|config| config.clock = clock.clock()).await;
    let (client, left, used) = (&served.client, id(), id());
    client.create_upload(REPOSITORY, left, "a.zip", 5000).await.unwrap();
    client.create_upload(REPOSITORY, used, "a.zip", TINY.len() as u64).await.unwrap();
    client.append(left, 0, None, TINY[..5000].to_vec()).await.unwrap();
    clock.advance(23 * 3600);
    client.append(used, 0, None, TINY[..5000].to_vec()).await.unwrap();
    clock.advance(3600);
    for error in [
        client.upload(left).await.unwrap_err(),
        client.append(left, 5000, None, Vec::new()).await.unwrap_err(),
        client.delete_upload(left).await.unwrap_err(),
        client.start_import(REPOSITORY, &import_of(left)).await.unwrap_err(),
    ] {
        assert_eq!(error.refusal().unwrap().code, ErrorCode::UploadExpired, "{error}");
    }
    // Its space is free when the next one needs it.
    client.create_upload(REPOSITORY, id(), "a.zip", 5).await.unwrap();
    assert!(!part(&served, left).exists() && part(&served, used).exists());
    assert_eq!(client.upload(used).await.unwrap().offset, 5000, "each chunk gives it more time");
    clock.advance(24 * 3600);
    client.create_upload(REPOSITORY, id(), "a.zip", 5).await.unwrap();
    assert_eq!(client.upload(left).await.unwrap_err().refusal().unwrap().code, ErrorCode::NotFound);
}

#[tokio::test]
async fn the_sweep_runs_by_itself() {
    let clock = TestClock::new();
    let served = Served::start_with(|config| {
        config.clock = clock.clock();
        config.sweep_pause = std::time::Duration::from_millis(5);
    })
    .await;
    let id = id();
    served.client.create_upload(REPOSITORY, id, "a.zip", 5).await.unwrap();
    clock.advance(24 * 3600);
    let waited = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while part(&served, id).exists() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap();
}
