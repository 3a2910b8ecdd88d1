//! `/uploads`: the tus protocol at the panel, each refusal, and the relay.

use backup_api::{ErrorCode, Upload, UploadId};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use holdfast::{
    subscriptions::SubscriptionId,
    uploads::{
        ImportSetting,
        api::{GetImportSetting, ImportUpload},
    },
    users::Role,
};
use reqwest::{Method, RequestBuilder, Response, header};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{browser::Browser, double::Remote, receiver::Receiver, stage::Stage};

on_both_databases!(
    a_file_arrives_in_chunks_and_survives_restarts,
    every_file_that_cannot_be_a_backup_is_refused_at_once,
    an_upload_belongs_to_a_person_and_a_subscription,
    a_client_may_send_a_file_as_one,
    a_chunk_that_is_cut_off_leaves_nothing,
    a_chunk_ahead_of_others_is_passed_on_as_one,
    what_the_backup_server_refuses_is_passed_on_with_its_words,
    an_upload_that_was_removed_is_forgotten,
);

/// A panel with a subscription on a double that receives uploads.
pub struct Scene {
    pub stage: Stage,
    pub receiver: Receiver,
    pub remote: Remote,
    pub operator: Browser,
    pub subscription: SubscriptionId,
    /// The server's identity in the panel.
    pub server: String,
}

impl Scene {
    pub async fn new(stage: Stage) -> Self {
        let receiver = Receiver::default();
        let remote = receiver.remote().await;
        let administrator = stage.administrator().await;
        let server = remote.register(&administrator, "Far").await;
        let subscription = add(&administrator, "Tiny", &server).await;
        let operator = stage.signed_in(Role::Operator).await;
        Self { stage, receiver, remote, operator, subscription, server }
    }

    /// Begins an upload of the operator; gives its address.
    pub async fn begin(&self, name: &str, length: usize) -> String {
        let answer = create(&self.operator, self.subscription, name, length).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    /// Uploads a whole small file.
    pub async fn upload(&self, name: &str, bytes: &[u8]) -> UploadId {
        let path = self.begin(name, bytes.len()).await;
        assert_eq!(patch(&self.operator, &path, 0, bytes).send().await.unwrap().status(), 204);
        id_of(&path)
    }

    pub async fn setting(&self, browser: &Browser) -> ImportSetting {
        browser.call::<GetImportSetting>(&[("subscription", &self.subscription.0.to_string())]).await.unwrap()
    }
}

async fn add(administrator: &Browser, name: &str, server: &str) -> SubscriptionId {
    let connection = [
        ("input[connection]", "odoo_http"),
        ("input[odoo_url]", "https://odoo.example.com"),
        ("input[master_password]", "a-master-password"),
    ];
    administrator.add(name, "acme", server, &connection).await
}

pub fn id_of(path: &str) -> UploadId {
    UploadId(path.rsplit('/').next().unwrap().parse().unwrap())
}

fn tus(browser: &Browser, method: Method, path: &str) -> RequestBuilder {
    browser.request(method, path).header(header::ORIGIN, &browser.url).header("Tus-Resumable", "1.0.0")
}

fn metadata(subscription: SubscriptionId, name: &str) -> String {
    format!("filename {},subscription {}", BASE64.encode(name), BASE64.encode(subscription.0.to_string()))
}

fn create(browser: &Browser, subscription: SubscriptionId, name: &str, length: usize) -> RequestBuilder {
    tus(browser, Method::POST, "/uploads")
        .header("Upload-Length", length)
        .header("Upload-Metadata", metadata(subscription, name))
}

pub fn patch(browser: &Browser, path: &str, offset: usize, chunk: &[u8]) -> RequestBuilder {
    tus(browser, Method::PATCH, path)
        .header("Upload-Offset", offset)
        .header("Upload-Checksum", format!("sha256 {}", BASE64.encode(Sha256::digest(chunk))))
        .header(header::CONTENT_TYPE, "application/offset+octet-stream")
        .body(chunk.to_vec())
}

pub async fn refused(request: RequestBuilder, status: u16, words: &str) {
    let answer = request.send().await.unwrap();
    let found = answer.status().as_u16();
    assert_eq!(answer.headers()["tus-resumable"], "1.0.0");
    let text = answer.text().await.unwrap();
    assert!(found == status && text.contains(words), "{found}: {text}");
}

fn offset(answer: &Response) -> usize {
    answer.headers()["upload-offset"].to_str().unwrap().parse().unwrap()
}

async fn a_file_arrives_in_chunks_and_survives_restarts(stage: Stage) {
    let mut scene = Scene::new(stage).await;
    let file: Vec<u8> = (0..2_500_000_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
    let mebibyte = usize::try_from(Upload::CHUNK_BYTES).unwrap();

    let options = scene.operator.request(Method::OPTIONS, "/uploads").send().await.unwrap();
    assert_eq!(options.headers()["tus-version"], "1.0.0");
    assert_eq!(options.headers()["tus-extension"], "creation,checksum,expiration,termination");
    assert_eq!(options.headers()["tus-checksum-algorithm"], "sha1,sha256");
    assert_eq!(options.headers()["tus-max-size"], "999999999");

    let path = scene.begin("../customer/Acme 18.zip", file.len()).await;
    let [upload] = scene.receiver.uploads().try_into().unwrap();
    assert_eq!((upload.file_name.as_str(), upload.length), ("Acme 18.zip", 2_500_000));
    let first = patch(&scene.operator, &path, 0, &file[..mebibyte]).send().await.unwrap();
    assert_eq!((first.status().as_u16(), offset(&first)), (204, mebibyte));
    let expires = first.headers()["upload-expires"].to_str().unwrap();
    let expires = chrono::DateTime::parse_from_rfc2822(expires).unwrap();
    let kept = expires.to_utc() - scene.stage.turned.now();
    assert!((kept - crate::receiver::KEPT).num_seconds().abs() < 60, "{kept}");

    scene.stage.stop().await;
    scene.stage.start().await;
    let told = tus(&scene.operator, Method::HEAD, &path).send().await.unwrap();
    assert_eq!((told.status().as_u16(), offset(&told)), (200, mebibyte));
    assert_eq!(told.headers()["upload-length"], "2500000");
    assert_eq!(told.headers()["cache-control"], "no-store");
    assert_eq!(told.headers()["upload-metadata"], metadata(scene.subscription, "Acme 18.zip"));
    let [open] = scene.setting(&scene.operator).await.open.try_into().unwrap();
    assert_eq!((open.id, open.length, open.offset), (id_of(&path), 2_500_000, Some(upload.offset + 1_048_576)));

    scene.remote.shut().await;
    let chunk = &file[mebibyte..2 * mebibyte];
    refused(patch(&scene.operator, &path, mebibyte, chunk), 503, "“Far” does not answer").await;
    assert_eq!(tus(&scene.operator, Method::HEAD, &path).send().await.unwrap().status(), 503);
    assert_eq!(scene.setting(&scene.operator).await.open[0].offset, None, "not known while the server is away");
    scene.remote.open().await;

    // Some clients can only POST.
    let second = patch(&scene.operator, &path, mebibyte, chunk);
    let mut second = second.build().unwrap();
    *second.method_mut() = Method::POST;
    second.headers_mut().insert("x-http-method-override", "PATCH".parse().unwrap());
    assert_eq!(offset(&scene.operator.http.execute(second).await.unwrap()), 2 * mebibyte);
    let last = patch(&scene.operator, &path, 2 * mebibyte, &file[2 * mebibyte..]).send().await.unwrap();
    assert_eq!(offset(&last), file.len());
    assert_eq!(scene.receiver.bytes(id_of(&path)), Some(file), "what arrived is what was sent");

    assert_eq!(tus(&scene.operator, Method::DELETE, &path).send().await.unwrap().status(), 204);
    assert!(scene.receiver.uploads().is_empty() && scene.setting(&scene.operator).await.open.is_empty());
    refused(tus(&scene.operator, Method::DELETE, &path), 404, "Begin it again").await;
    let log =
        scene.operator.call::<holdfast::operations::api::ListActions>(&[("search", "acme 18.zip")]).await.unwrap();
    let told: Vec<&str> = log.entries.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(told, ["Cancelled the upload of Acme 18.zip", "Began to upload Acme 18.zip (2.5 MB)"]);
}

async fn every_file_that_cannot_be_a_backup_is_refused_at_once(stage: Stage) {
    let scene = Scene::new(stage).await;
    let (operator, id) = (&scene.operator, scene.subscription);
    for (name, length, status, words) in [
        ("acme.sql", 10, 422, "neither a .zip nor a .dump"),
        ("acme.zip", 0, 422, "empty"),
        ("acme.zip", 1_000_000_000, 413, "From a URL"),
    ] {
        refused(create(operator, id, name, length), status, words).await;
    }
    refused(tus(operator, Method::POST, "/uploads").header("Upload-Length", 5), 400, "lacks").await;
    let unnumbered = tus(operator, Method::POST, "/uploads").header("Upload-Metadata", metadata(id, "a.zip"));
    refused(unnumbered.header("Upload-Defer-Length", 1), 400, "upload-length").await;
    let unknown = SubscriptionId(uuid::Uuid::nil());
    refused(create(operator, unknown, "acme.zip", 5), 404, "not found").await;
    let old = create(operator, id, "acme.zip", 5);
    let mut request = old.build().unwrap();
    request.headers_mut().insert("tus-resumable", "0.2.2".parse().unwrap());
    let answer = operator.http.execute(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["tus-version"].to_str().unwrap()), (412, "1.0.0"));
    assert!(scene.receiver.uploads().is_empty());

    let path = scene.begin("acme.zip", 20).await;
    let kind = tus(operator, Method::PATCH, &path).header("Upload-Offset", 0).body("x");
    refused(kind, 415, "application/offset+octet-stream").await;
    let unplaced = tus(operator, Method::PATCH, &path).header(header::CONTENT_TYPE, "application/offset+octet-stream");
    refused(unplaced.body("x"), 400, "upload-offset").await;
    let other = tus(operator, Method::PATCH, &path)
        .header("Upload-Offset", 0)
        .header(header::CONTENT_TYPE, "application/offset+octet-stream")
        .header("Upload-Checksum", "md5 eA==");
    refused(other.body("x"), 400, "sha256").await;
    let large = vec![0; usize::try_from(Upload::CHUNK_BYTES).unwrap() + 1];
    refused(patch(operator, &path, 0, &large), 413, "1048576 bytes").await;
    refused(tus(operator, Method::PUT, &path), 405, "PATCH").await;
    assert_eq!(scene.receiver.bytes(id_of(&path)), Some(Vec::new()));
}

async fn an_upload_belongs_to_a_person_and_a_subscription(stage: Stage) {
    let scene = Scene::new(stage).await;
    let id = scene.upload("acme.zip", b"PK\x03\x04 and more").await;
    let path = format!("/uploads/{}", id.0);
    let other = scene.stage.signed_in(Role::Operator).await;
    refused(patch(&other, &path, 0, b"x"), 403, "another person").await;
    refused(tus(&other, Method::DELETE, &path), 403, "another person").await;
    assert_eq!(tus(&other, Method::HEAD, &path).send().await.unwrap().status(), 403);
    assert!(scene.setting(&other).await.open.is_empty());

    let viewer = scene.stage.signed_in(Role::Viewer).await;
    refused(create(&viewer, scene.subscription, "acme.zip", 5), 403, "operator").await;
    refused(create(&scene.stage.browser(), scene.subscription, "acme.zip", 5), 401, "session").await;
    let mut foreign = create(&scene.operator, scene.subscription, "acme.zip", 5).build().unwrap();
    foreign.headers_mut().insert(header::ORIGIN, "https://evil.example".parse().unwrap());
    assert_eq!(scene.operator.http.execute(foreign).await.unwrap().status(), 403);

    let administrator = scene.stage.administrator().await;
    let server = administrator.subscription(scene.subscription).await.server.unwrap().0.0.to_string();
    let elsewhere = add(&administrator, "Another", &server).await;
    let import = async |browser: &Browser, subscription: SubscriptionId| {
        let form = [("subscription", subscription.0.to_string()), ("upload", id.0.to_string())];
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.call::<ImportUpload>(&form).await.unwrap_err().to_string()
    };
    assert!(import(&scene.operator, elsewhere).await.contains("for another subscription"));
    assert!(import(&other, scene.subscription).await.contains("another person"));
    assert!(scene.receiver.imports().is_empty());
}

async fn what_the_backup_server_refuses_is_passed_on_with_its_words(stage: Stage) {
    let scene = Scene::new(stage).await;
    let path = scene.begin("acme.zip", 20).await;
    refused(patch(&scene.operator, &path, 7, b"PK"), 409, "where the last one ended").await;
    let damaged = patch(&scene.operator, &path, 0, b"PK").body("pk");
    refused(damaged, 460, "another checksum").await;
    refused(patch(&scene.operator, &path, 0, &[0; 21]), 413, "announced").await;
    for (status, code, passed) in [
        (507, ErrorCode::NoSpace, 507),
        (503, ErrorCode::StorageUnavailable, 503),
        (401, ErrorCode::Unauthorized, 502),
        (500, ErrorCode::Internal, 502),
    ] {
        scene.receiver.refuses(Some((status, code, "Not now, token and all.")));
        let words = if code == ErrorCode::Unauthorized { "token" } else { "Not now" };
        refused(patch(&scene.operator, &path, 0, b"PK"), passed, words).await;
        refused(create(&scene.operator, scene.subscription, "acme.zip", 5), passed, words).await;
    }
    scene.receiver.refuses(None);
    assert_eq!(scene.receiver.bytes(id_of(&path)), Some(Vec::new()), "nothing of all that was kept");
}

async fn an_upload_that_was_removed_is_forgotten(stage: Stage) {
    let scene = Scene::new(stage).await;
    let path = scene.begin("acme.zip", 20).await;
    assert_eq!(scene.setting(&scene.operator).await.open.len(), 1);
    scene.receiver.sweeps();
    refused(patch(&scene.operator, &path, 0, b"PK"), 410, "removed").await;
    refused(patch(&scene.operator, &path, 0, b"PK"), 404, "Begin it again").await;
    assert!(scene.setting(&scene.operator).await.open.is_empty());

    scene.begin("forgotten.zip", 20).await;
    scene.stage.turned.forward(chrono::TimeDelta::days(31));
    let operator = scene.stage.signed_in(Role::Operator).await;
    assert_eq!(create(&operator, scene.subscription, "new.zip", 5).send().await.unwrap().status(), 201);
    assert_eq!(scene.stage.number("SELECT COUNT(*) FROM uploads").await, 1, "rows of uploads nobody asks for go");
}

async fn a_chunk_ahead_of_others_is_passed_on_as_one(stage: Stage) {
    let scene = Scene::new(stage).await;
    let path = scene.begin("acme.zip", 20_000_000).await;
    let mebibyte = usize::try_from(Upload::CHUNK_BYTES).unwrap();
    let ahead = |chunk: &[u8]| patch(&scene.operator, &path, 2 * mebibyte, chunk).header(Upload::AHEAD_HEADER, "1");
    let told = ahead(&vec![7; mebibyte]).send().await.unwrap();
    assert_eq!((told.status().as_u16(), offset(&told)), (204, 0), "nothing counts before what is in front of it");
    assert_eq!(scene.receiver.ahead(), [2 << 20]);
    refused(patch(&scene.operator, &path, 2 * mebibyte, b"x"), 409, "where the last one ended").await;
    refused(ahead(&vec![7; mebibyte + 1]), 413, "1048576 bytes").await;
}

async fn a_client_may_send_a_file_as_one(stage: Stage) {
    let scene = Scene::new(stage).await;
    let file: Vec<u8> = (0..3_145_728_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
    for file in [&file[..], &file[..2_097_153], &file[..1]] {
        let path = scene.begin("acme.zip", file.len()).await;
        // In parts of unequal length, as a network delivers them.
        let parts: Vec<_> = file.chunks(70_001).map(|part| Ok::<_, std::io::Error>(part.to_vec())).collect();
        let sent = tus(&scene.operator, Method::PATCH, &path)
            .header("Upload-Offset", 0)
            .header(header::CONTENT_TYPE, "application/offset+octet-stream")
            .body(reqwest::Body::wrap_stream(futures::stream::iter(parts)));
        let answer = sent.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), offset(&answer)), (204, file.len()));
        assert!(scene.receiver.bytes(id_of(&path)).as_deref() == Some(file), "what arrived is what was sent");
    }
}

async fn a_chunk_that_is_cut_off_leaves_nothing(stage: Stage) {
    let scene = Scene::new(stage).await;
    let path = scene.begin("acme.zip", 20).await;
    let request = patch(&scene.operator, &path, 0, &[7; 20]).build().unwrap();
    let address = scene.operator.url.trim_start_matches("http://");
    let mut head = format!("PATCH {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 20\r\n");
    for (name, value) in request.headers() {
        head = format!("{head}{name}: {}\r\n", value.to_str().unwrap());
    }
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(format!("{head}\r\n1234567").as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
    // The panel closes it when it has noticed, whether it says why or not.
    let mut answer = Vec::new();
    drop(connection.read_to_end(&mut answer).await);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.is_empty() || answer.contains(" 408 ") || answer.contains(" 400 "), "{answer}");
    assert_eq!(scene.receiver.bytes(id_of(&path)), Some(Vec::new()), "nothing of it was kept");
    let whole = patch(&scene.operator, &path, 0, &[7; 20]).send().await.unwrap();
    assert_eq!((whole.status().as_u16(), offset(&whole)), (204, 20));
}
