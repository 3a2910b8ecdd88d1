//! From a database to a backup to a file to a database again.

use backup_api::{BackupFormat, Client, CreateLink, LinkCompression, LogLevel, Phase, Source};
use futures::StreamExt;
use testbed::Cluster;
use url::Url;

use crate::setting::{Origin, REPOSITORY, Restored, Served, log_of, row_counts, start, unzip};

const STRICT: [&str; 3] = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"];

/// Downloads a backup through a new link into a file.
async fn fetch(served: &Served, backup: &backup_api::Backup, compression: LinkCompression) -> std::path::PathBuf {
    let wanted = CreateLink { compression, ..CreateLink::default() };
    let link = served.client.create_link(backup.repository, backup.id, &wanted).await.unwrap();
    assert_eq!(link.file_name, backup.file_name);
    let answer = reqwest::get(format!("{}{}", served.base.as_str().trim_end_matches('/'), link.path)).await.unwrap();
    assert_eq!(answer.status(), 200);
    let path = served.data.join(&backup.file_name);
    std::fs::write(&path, answer.bytes().await.unwrap()).unwrap();
    path
}

/// A zip must give the origin back: every row, every attachment.
fn assert_zip_restores(origin: &Origin, zip: &std::path::Path, into: &str) {
    let entries = unzip(zip);
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..2], ["dump.sql", "manifest.json"]);
    let dump = zip.with_extension("sql");
    std::fs::write(&dump, &entries[0].1).unwrap();
    let restored = Restored::empty(into);
    restored.feed("psql", &STRICT, &dump);
    assert_eq!(row_counts(into), row_counts(&origin.database.name));
    let files = entries[2..].iter().map(|(name, bytes)| (name.strip_prefix("filestore/").unwrap().to_owned(), bytes));
    let files: std::collections::BTreeMap<_, _> = files.map(|(name, bytes)| (name, bytes.clone())).collect();
    assert!(!files.is_empty() && files == origin.attachments(), "the attachments differ: {:?}", files.keys());
}

async fn zip_comes_back(origin: &Origin, source: &Source, name: &str) {
    let served = Served::start().await;
    let request = start(source, BackupFormat::Zip);
    let job = crate::setting::run(&served.client, REPOSITORY, &request).await;
    let log = log_of(&served.client, job.id).await;
    let backup = job.backup.unwrap_or_else(|| panic!("{:?}\n{log}", job.failure));
    assert_eq!(served.client.backups(REPOSITORY).await.unwrap(), std::slice::from_ref(&backup));
    assert_eq!(served.client.backup(REPOSITORY, backup.id).await.unwrap(), backup);
    assert_eq!((backup.id, backup.comment.as_str()), (request.backup, "before the upgrade"));
    assert_eq!(backup.odoo_version.as_deref(), Some("18.0"));
    assert_eq!(backup.attachments.as_ref().unwrap().present, origin.attachments().len() as u64);
    assert!(log.contains("Storing ") && log.contains(" to download, of which "), "{log}");

    let zip = fetch(&served, &backup, LinkCompression::Stored).await;
    assert_eq!(std::fs::metadata(&zip).unwrap().len(), backup.size_bytes);
    assert_zip_restores(origin, &zip, &format!("{name}_stored"));
    let deflated = fetch(&served, &backup, LinkCompression::Deflated).await;
    assert!(std::fs::metadata(&deflated).unwrap().len() < backup.size_bytes);
    assert_zip_restores(origin, &deflated, &format!("{name}_deflated"));
    assert!(served.staged().is_empty());
}

#[tokio::test]
async fn a_zip_of_a_postgres_source_comes_back_whole() {
    let origin = Origin::new("way_direct");
    zip_comes_back(&origin, &origin.direct(), "way_direct").await;
}

#[tokio::test]
async fn a_zip_of_odoo_comes_back_whole() {
    let origin = Origin::new("way_odoo");
    let odoo = origin.odoo();
    zip_comes_back(&origin, &origin.through(&odoo), "way_odoo").await;
}

#[tokio::test]
async fn dumps_of_both_sources_pass_pg_restore_and_come_back_whole() {
    let origin = Origin::new("way_dump");
    let odoo = origin.odoo();
    let served = Served::start().await;
    for (source, into) in [(origin.direct(), "way_dump_direct"), (origin.through(&odoo), "way_dump_odoo")] {
        let backup = served.made(REPOSITORY, &source, BackupFormat::Dump).await;
        assert_eq!(backup.attachments, None);
        let file = fetch(&served, &backup, LinkCompression::Stored).await;
        assert_eq!(std::fs::metadata(&file).unwrap().len(), backup.size_bytes);
        let mut check = Cluster::shared().clients().command("pg_restore", "odoo");
        check.args(["-f", "/dev/null"]).stdin(std::fs::File::open(&file).unwrap());
        assert!(check.status().unwrap().success());
        let restored = Restored::empty(into);
        restored.feed("pg_restore", &["--no-owner", "--exit-on-error"], &file);
        assert_eq!(row_counts(into), row_counts(&origin.database.name));
    }
    assert_eq!(served.client.backups(REPOSITORY).await.unwrap().len(), 2);
}

#[tokio::test]
async fn events_tell_the_phases_in_order_and_end_with_the_job() {
    let origin = Origin::new("way_events");
    let odoo = origin.odoo();
    odoo.set_trap(testbed::odoo::Trap::Stall);
    let served = Served::start().await;
    let request = start(&origin.through(&odoo), BackupFormat::Zip);
    served.client.start_backup(REPOSITORY, &request).await.unwrap();
    let mut events = std::pin::pin!(served.client.job_events(request.job).await.unwrap());
    let mut phases = Vec::new();
    let mut last = None;
    while let Some(job) = events.next().await {
        let job = job.unwrap();
        if job.phase == Phase::WaitingForOdoo {
            odoo.release();
        }
        if phases.last() != Some(&job.phase) {
            phases.push(job.phase);
        }
        last = Some(job);
    }
    assert!(phases.contains(&Phase::WaitingForOdoo), "{phases:?}");
    assert!(last.unwrap().state.is_final(), "the stream ends with the job");
}

#[tokio::test]
async fn missing_attachments_are_counted_named_and_logged_and_the_backup_is_kept() {
    let origin = Origin::new("way_missing");
    let (name, _) = origin.attachments().pop_first().unwrap();
    std::fs::remove_file(origin.database.filestore.join(&name)).unwrap();
    let served = Served::start().await;
    let job = served.backup(REPOSITORY, &origin.direct(), BackupFormat::Zip).await;
    let attachments = job.backup.unwrap().attachments.unwrap();
    assert_eq!((attachments.missing_count(), attachments.missing), (1, vec![name.clone()]));
    let warnings = served.client.job_log(job.id).await.unwrap().into_iter();
    let warnings: Vec<_> = warnings.filter(|line| line.level == LogLevel::Warn).collect();
    assert!(warnings.iter().any(|line| line.message.contains(&name)), "{warnings:?}");
}

#[tokio::test]
async fn it_works_the_same_below_a_path_of_another_router() {
    let origin = Origin::new("way_nested");
    let served = Served::start().await;
    let nested = axum::Router::new().nest("/this-machine", served.server.router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}/this-machine", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(axum::serve(listener, nested).into_future());
    let client = Client::new(&base, served.server.token().clone()).unwrap();
    assert_eq!(client.server().await.unwrap().repositories, 0);
    let job = crate::setting::run(&client, REPOSITORY, &start(&origin.direct(), BackupFormat::Zip)).await;
    let link = client.create_link(REPOSITORY, job.backup.unwrap().id, &CreateLink::default()).await.unwrap();
    let answer = reqwest::get(format!("{base}{}", link.path)).await.unwrap();
    assert_eq!(answer.status(), 200);
    let lost = reqwest::get(format!("{base}/v1/nothing")).await.unwrap();
    assert_eq!(lost.status(), 404);
    assert_eq!(lost.json::<backup_api::ApiError>().await.unwrap().code, backup_api::ErrorCode::NotFound);
    let info = client.server().await.unwrap();
    assert!(info.repositories == 1 && info.space.repositories_bytes > 0 && info.space.free_bytes > 0, "{info:?}");
    assert!(!info.pg_dump_versions.is_empty() && info.peak_memory_bytes.is_some());
}
