//! Links: they end, cannot be altered, are for one backup; and what browsers and download programs rely on.

use backup_api::{Backup, BackupFormat, CreateLink, DownloadLink, ErrorCode, LinkCompression};
use reqwest::{Method, RequestBuilder, header};

use crate::setting::{OTHER_REPOSITORY, Origin, REPOSITORY, Served, TestClock};

/// A server with one backup, and a way to open links.
struct Downloads {
    served: Served,
    backup: Backup,
    clock: TestClock,
}

impl Downloads {
    async fn of(origin: &Origin, format: BackupFormat) -> Self {
        let clock = TestClock::new();
        let given = clock.clock();
        let served = Served::start_with(|config| config.clock = given).await;
        let backup = served.made(REPOSITORY, &origin.direct(), format).await;
        Self { served, backup, clock }
    }

    async fn link(&self, compression: LinkCompression) -> DownloadLink {
        let wanted = CreateLink { expires_in_seconds: 900, compression };
        self.served.client.create_link(REPOSITORY, self.backup.id, &wanted).await.unwrap()
    }

    fn open(&self, method: Method, path: &str) -> RequestBuilder {
        reqwest::Client::new().request(method, self.served.base.join(path).unwrap())
    }

    async fn status(&self, path: &str) -> u16 {
        self.open(Method::GET, path).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn a_stored_zip_answers_head_ranges_and_if_range() {
    let origin = Origin::new("link_ranges");
    let downloads = Downloads::of(&origin, BackupFormat::Zip).await;
    let link = downloads.link(LinkCompression::Stored).await;
    let size = downloads.backup.size_bytes;

    let head = downloads.open(Method::HEAD, &link.path).send().await.unwrap();
    let field = |name: &str| head.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(head.status(), 200);
    assert_eq!(field("content-length"), size.to_string());
    assert_eq!(field("content-disposition"), format!("attachment; filename*=UTF-8''{}", downloads.backup.file_name));
    assert_eq!((field("accept-ranges"), field("x-accel-buffering")), ("bytes".into(), "no".into()));
    assert_eq!(field("content-type"), "application/zip");
    let etag = field("etag");

    let whole = downloads.open(Method::GET, &link.path).send().await.unwrap();
    assert_eq!(whole.headers()[header::CONTENT_LENGTH], size.to_string());
    let whole = whole.bytes().await.unwrap();
    assert_eq!(whole.len() as u64, size);

    let half = size / 2;
    let parts = [
        (format!("bytes=0-{}", half - 1), 0..half),
        (format!("bytes={half}-"), half..size),
        ("bytes=-100".to_owned(), size - 100..size),
        (format!("bytes=7-{}", size * 2), 7..size),
    ];
    for (range, expected) in parts {
        let request = downloads.open(Method::GET, &link.path).header("range", &range).header("if-range", &etag);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 206, "{range}");
        let told = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
        assert_eq!(answer.headers()[header::CONTENT_RANGE], told);
        let expected = usize::try_from(expected.start).unwrap()..usize::try_from(expected.end).unwrap();
        assert!(answer.bytes().await.unwrap() == whole[expected], "{range} gives other bytes");
    }
    let outside = downloads.open(Method::GET, &link.path).header("range", format!("bytes={size}-"));
    let outside = outside.send().await.unwrap();
    assert_eq!(outside.status(), 416);
    assert_eq!(outside.headers()[header::CONTENT_RANGE], format!("bytes */{size}"));
    let other = downloads.open(Method::GET, &link.path).header("range", "bytes=5-").header("if-range", "\"other\"");
    assert_eq!(other.send().await.unwrap().bytes().await.unwrap().len() as u64, size);
}

#[tokio::test]
async fn a_deflated_zip_has_no_length_and_takes_no_range() {
    let origin = Origin::new("link_deflated");
    let downloads = Downloads::of(&origin, BackupFormat::Zip).await;
    let link = downloads.link(LinkCompression::Deflated).await;
    for method in [Method::HEAD, Method::GET] {
        let answer = downloads.open(method, &link.path).header("range", "bytes=0-9").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["accept-ranges"], "none");
        assert!(!answer.headers().contains_key(header::CONTENT_LENGTH));
    }
}

#[tokio::test]
async fn a_dump_has_its_own_name_length_and_type() {
    let origin = Origin::new("link_dump");
    let downloads = Downloads::of(&origin, BackupFormat::Dump).await;
    let link = downloads.link(LinkCompression::Deflated).await;
    let made = downloads.backup.created_at.format("link_dump_%Y-%m-%d_%H-%M-%S.dump").to_string();
    assert_eq!(link.file_name, made);
    let head = downloads.open(Method::HEAD, &link.path).send().await.unwrap();
    assert_eq!(head.headers()[header::CONTENT_LENGTH], downloads.backup.size_bytes.to_string());
    assert_eq!(head.headers()[header::CONTENT_TYPE], "application/octet-stream");
    let bytes = downloads.open(Method::GET, &link.path).send().await.unwrap().bytes().await.unwrap();
    assert!(bytes.starts_with(b"PGDMP") && bytes.len() as u64 == downloads.backup.size_bytes);
}

#[tokio::test]
async fn a_link_ends_on_time_with_a_page_for_people_and_json_for_programs() {
    let origin = Origin::new("link_ends");
    let downloads = Downloads::of(&origin, BackupFormat::Dump).await;
    let link = downloads.link(LinkCompression::Stored).await;
    downloads.clock.advance(899);
    assert_eq!(downloads.status(&link.path).await, 200);
    downloads.clock.advance(1);
    let page = downloads.open(Method::GET, &link.path).header("accept", "text/html,*/*;q=0.8").send().await.unwrap();
    assert_eq!(page.status(), 410);
    assert!(page.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
    let text = page.text().await.unwrap();
    assert!(text.contains("This download link has ended") && text.contains("choose Download"), "{text}");
    let json = downloads.open(Method::GET, &link.path).header("accept", "application/json").send().await.unwrap();
    assert_eq!(json.status(), 410);
    assert_eq!(json.json::<backup_api::ApiError>().await.unwrap().code, ErrorCode::LinkExpired);
    assert_eq!(downloads.open(Method::HEAD, &link.path).send().await.unwrap().status(), 410);
}

#[tokio::test]
async fn a_link_cannot_be_altered_nor_used_on_another_server_nor_after_it_was_revoked() {
    let origin = Origin::new("link_altered");
    let downloads = Downloads::of(&origin, BackupFormat::Dump).await;
    let link = downloads.link(LinkCompression::Stored).await;
    let token_at = "/v1/downloads/".len();
    for place in [0, 30, 60, 77, 100] {
        let mut altered = link.path.clone().into_bytes();
        let byte = &mut altered[token_at + place];
        *byte = if *byte == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(downloads.status(&altered).await, 403, "{altered}");
    }
    assert_eq!(downloads.status("/v1/downloads/nonsense").await, 403);
    let foreign = Served::start().await;
    assert_eq!(reqwest::get(foreign.base.join(&link.path).unwrap()).await.unwrap().status(), 403);

    let other = downloads.link(LinkCompression::Stored).await;
    downloads.served.client.revoke_link(link.id).await.unwrap();
    assert_eq!(downloads.status(&link.path).await, 410);
    assert_eq!(downloads.status(&other.path).await, 200, "only one link was revoked");
    downloads.served.client.delete_backup(REPOSITORY, downloads.backup.id).await.unwrap();
    let page = downloads.open(Method::GET, &other.path).header("accept", "text/html").send().await.unwrap();
    assert_eq!(page.status(), 404, "the backup is gone");
    let text = page.text().await.unwrap();
    assert!(text.contains("was deleted since the link was made") && text.contains("Choose another backup"), "{text}");
}

#[tokio::test]
async fn links_and_revocations_outlive_a_restart() {
    let origin = Origin::new("link_restart");
    let folder = tempfile::tempdir().unwrap();
    let (kept, revoked) = {
        let served = Served::start_in(folder.path(), |_| {}).await;
        let backup = served.made(REPOSITORY, &origin.direct(), BackupFormat::Dump).await;
        let link = async || served.client.create_link(REPOSITORY, backup.id, &CreateLink::default()).await.unwrap();
        let (kept, revoked) = (link().await, link().await);
        served.client.revoke_link(revoked.id).await.unwrap();
        served.server.shutdown().await;
        (kept, revoked)
    };
    let served = Served::start_in(folder.path(), |_| {}).await;
    for (link, status) in [(kept, 200), (revoked, 410)] {
        assert_eq!(reqwest::get(served.base.join(&link.path).unwrap()).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn links_are_made_only_for_backups_that_exist_and_times_that_make_sense() {
    let origin = Origin::new("link_limits");
    let downloads = Downloads::of(&origin, BackupFormat::Dump).await;
    let client = &downloads.served.client;
    for seconds in [0, 86_401] {
        let wanted = CreateLink { expires_in_seconds: seconds, ..CreateLink::default() };
        let refusal = client.create_link(REPOSITORY, downloads.backup.id, &wanted).await.unwrap_err();
        assert_eq!(refusal.refusal().unwrap().code, ErrorCode::Invalid);
    }
    let refusal = client.create_link(OTHER_REPOSITORY, downloads.backup.id, &CreateLink::default()).await.unwrap_err();
    assert_eq!(refusal.refusal().unwrap().code, ErrorCode::NotFound, "a backup of another repository");
}
