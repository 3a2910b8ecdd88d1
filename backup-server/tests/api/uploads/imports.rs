//! Files that become backups, and those that do not: each with its own reason.

use backup_api::{BackupFormat, ErrorCode, FailureCode, Job, JobId, JobKind, JobState, LinkCompression, UploadId};
use uuid::Uuid;
use zip::write::SimpleFileOptions;

use super::{
    files::{Entries, dump_of, last, packed, replaced, tiny, tiny_and, tiny_with, tiny_with_sql, zip_of, zip_with},
    setting::{TINY, import_of, run, send, upload},
};
use crate::setting::{OTHER_REPOSITORY, Origin, REPOSITORY, Served, files_in, log_of, unzip};

fn uploads(served: &Served) -> usize {
    files_in(&served.data.join("uploads")).len()
}

/// Imports a file and waits for the end of that.
pub async fn import(served: &Served, name: &str, file: &[u8]) -> Job {
    let id = upload(&served.client, name, file).await;
    run(&served.client, REPOSITORY, &import_of(id)).await
}

/// Imports a file that must be refused for its content, and leave nothing.
pub async fn must_be_refused(served: &Served, what: &str, name: &str, file: &[u8], code: FailureCode, word: &str) {
    let before = served.client.backups(REPOSITORY).await.unwrap();
    let job = import(served, name, file).await;
    let failure = job.failure.unwrap_or_else(|| panic!("{what} became a backup"));
    assert_eq!((job.state, failure.code), (JobState::Failed, code), "{what}: {}", failure.message);
    assert!(failure.message.contains(word), "{what} does not say “{word}”: {}", failure.message);
    assert_eq!(job.backup, None, "{what}");
    assert_eq!(served.client.backups(REPOSITORY).await.unwrap(), before, "{what}");
    assert_eq!(uploads(served), 0, "{what}: what is no backup is not kept");
}

#[tokio::test]
async fn a_zip_becomes_a_backup_as_if_odoo_had_sent_it() {
    let served = Served::start().await;
    let job = import(&served, "Tiny 18.ZIP", TINY).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    assert_eq!(job.kind, JobKind::Import);
    let backup = job.backup.unwrap();
    assert_eq!((backup.database.as_str(), backup.format), ("acme", BackupFormat::Zip));
    let expected = format!("acme_{}.zip", backup.created_at.format("%Y-%m-%d_%H-%M-%S"));
    assert_eq!(backup.file_name, expected);
    assert_eq!((backup.odoo_version.as_deref(), backup.comment.as_str()), (Some("18.0"), "from elsewhere"));
    assert!(backup.postgres_version.as_deref().is_some_and(|version| version.starts_with("15")), "{backup:?}");
    let files = backup.attachments.clone().unwrap();
    assert!(files.missing_count() == 0 && files.present > 0, "{files:?}");
    let log = log_of(&served.client, job.id).await;
    for sentence in ["“Tiny 18.ZIP” (0.5 MB)", "Every file in the zip is whole", " tables with ", "Stored acme_"] {
        assert!(log.contains(sentence), "{log}");
    }
    assert_eq!(uploads(&served), 0, "it is a backup now");

    // What is downloaded holds what was uploaded, and the same file again adds next to nothing.
    let path = served.data.join("again.zip");
    let link = backup_api::CreateLink { compression: LinkCompression::Deflated, ..Default::default() };
    let link = served.client.create_link(REPOSITORY, backup.id, &link).await.unwrap();
    let bytes = reqwest::get(served.base.join(&link.path).unwrap()).await.unwrap().bytes().await.unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let mut expected: Entries = tiny();
    expected.retain(|(name, _)| !name.starts_with("filestore/checklist/"));
    let mut found = unzip(&path);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let again = import(&served, "again.zip", &bytes).await.backup.unwrap();
    assert!(again.stored_bytes < backup.stored_bytes / 10, "{} after {}", again.stored_bytes, backup.stored_bytes);
}

#[tokio::test]
async fn a_custom_dump_becomes_a_backup_of_the_database_alone() {
    let origin = Origin::new("import_dump");
    let served = Served::start().await;
    let dump = dump_of(&origin, &["--format=custom", "--no-owner"]);
    let job = import(&served, "tiny.dump", &dump).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    let backup = job.backup.unwrap();
    assert_eq!((backup.format, backup.attachments), (BackupFormat::Dump, None));
    assert_eq!((backup.dump_bytes, backup.odoo_version.as_deref()), (dump.len() as u64, Some("18.0")));
    assert!(backup.postgres_version.is_some());
}

#[tokio::test]
async fn a_backup_that_lacks_something_is_taken_and_says_what() {
    let served = Served::start().await;
    let bare = tiny_with(|entries| entries.retain(|(name, _)| !name.starts_with("filestore/")));
    let job = import(&served, "bare.zip", &bare).await;
    let files = job.backup.unwrap().attachments.unwrap();
    assert!(files.present == 0 && files.missing_count() > 0, "{files:?}");
    let log = log_of(&served.client, job.id).await;
    assert!(log.contains("Warn") && log.contains("files that attachments refer to are not in the zip"), "{log}");

    let silent = tiny_with(|entries| entries.retain(|(name, _)| name != "manifest.json"));
    let backup = import(&served, "silent.zip", &silent).await.backup.unwrap();
    assert_eq!(backup.odoo_version.as_deref(), Some("18.0"), "the dump tells, too");

    let changed = tiny_with(|entries| {
        let (_, content) = entries
            .iter_mut()
            .find(|(name, content)| {
                name.starts_with("filestore/") && !name.contains("checklist") && !content.is_empty()
            })
            .unwrap();
        content[0] ^= 1;
    });
    let job = import(&served, "changed.zip", &changed).await;
    assert_eq!(job.backup.unwrap().attachments.unwrap().missing_count(), 1);
    let log = log_of(&served.client, job.id).await;
    assert!(log.contains("other content than their name says"), "{log}");
}

#[tokio::test]
async fn a_zip64_is_a_zip() {
    let served = Served::start().await;
    let large = zip_with(&tiny(), SimpleFileOptions::default().large_file(true));
    assert!(large.windows(4).any(|window| window == [1, 0, 16, 0]), "its records have eight bytes for a size");
    let job = import(&served, "large.zip", &large).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
}

#[tokio::test]
async fn every_damaged_zip_has_its_own_reason() {
    use FailureCode::{Incomplete, Sql};
    let served = Served::start().await;
    let half_sql = tiny_with_sql(|sql| sql[..sql.len() / 2].to_owned());
    let odd_row = tiny_with_sql(|sql| {
        let rows = sql.find("COPY public.ir_attachment ").unwrap();
        let end = rows + sql[rows..].find('\n').unwrap() + 1;
        format!("{}garbage row that breaks copy\n{}", &sql[..end], &sql[end..])
    });
    let no_dump = tiny_with(|entries| entries.retain(|(name, _)| name != "dump.sql"));
    let in_folder = tiny_with(|entries| entries.iter_mut().for_each(|(name, _)| *name = format!("backup/{name}")));
    let mut flipped = TINY.to_vec();
    flipped[200_000] ^= 0x10;
    let mut encrypted = TINY.to_vec();
    let record = last(&encrypted, b"PK\x01\x02");
    encrypted[record + 8] |= 1;
    let stored = SimpleFileOptions::default();
    let symlink = tiny_and(|zip| zip.add_symlink("filestore/aa/link", "/etc/passwd", stored).unwrap());
    let outside = tiny_and(|zip| zip.start_file("../../etc/cron.d/x", stored).unwrap());
    let twice = replaced(&tiny_and(|zip| zip.start_file("manifest.jsox", stored).unwrap()), b"jsox", b"json");
    let bomb = zip_of(&vec![("dump.sql".to_owned(), vec![b'0'; 50_000_000])]);
    let (cut, empty) = (&TINY[..300_000], b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let hostile = tiny_with_sql(|sql| {
        sql.replacen("SET statement_timeout", "COPY (SELECT 1) TO PROGRAM 'id';\nSET statement_timeout", 1)
    });
    let meta = tiny_with_sql(|sql| sql.replacen("SET statement_timeout", "\\! id\nSET statement_timeout", 1));
    for (what, file, code, word) in [
        ("cut off", cut, Incomplete, "no whole zip"),
        ("flipped bit", &flipped, Incomplete, "is damaged"),
        ("half a dump", &half_sql, Incomplete, "cut off"),
        ("garbage row", &odd_row, Incomplete, "row 1 of the table public.ir_attachment has 1 values instead of"),
        ("no dump", &no_dump, Incomplete, "no dump.sql"),
        ("in a folder", &in_folder, Incomplete, "no dump.sql at its top"),
        ("empty zip", empty, Incomplete, "no dump.sql"),
        ("encrypted", &encrypted, Incomplete, "encrypted"),
        ("symlink", &symlink, Incomplete, "points outside"),
        ("traversal", &outside, Incomplete, "points outside"),
        ("duplicate", &twice, Incomplete, "two entries of one name"),
        ("bomb", &bomb, Incomplete, "would unpack to 50000000"),
        ("program", &hostile, Sql, "refused"),
        ("meta-command", &meta, Sql, "psql command"),
    ] {
        must_be_refused(&served, what, "bad.zip", file, code, word).await;
    }
}

#[tokio::test]
async fn every_damaged_dump_has_its_own_reason() {
    let origin = Origin::new("import_bad");
    let served = Served::start().await;
    let dump = dump_of(&origin, &["--format=custom", "--no-owner"]);
    for (what, bytes) in [("contents cut", 3000), ("data cut", dump.len() / 2), ("end cut", dump.len() - 10)] {
        must_be_refused(&served, what, "bad.dump", &dump[..bytes], FailureCode::Incomplete, "cut off or damaged").await;
    }
    let mut flipped = dump.clone();
    flipped[dump.len() - dump.len() / 3] ^= 0x10;
    must_be_refused(&served, "flipped", "bad.dump", &flipped, FailureCode::Incomplete, "cut off or damaged").await;
    let plain = dump_of(&origin, &["--format=plain"]);
    for (what, file, word) in [
        ("plain SQL", plain.clone(), "plain SQL"),
        ("gzip", packed(origin.folder.path(), &plain, "gzip"), "packed with gzip"),
        ("zip", TINY.to_vec(), "ends in .zip"),
    ] {
        let id = UploadId(Uuid::new_v4());
        served.client.create_upload(REPOSITORY, id, "a.dump", file.len() as u64).await.unwrap();
        let error = served.client.append(id, 0, None, file[..4000].to_vec()).await.unwrap_err();
        let refusal = error.refusal().unwrap();
        assert!(refusal.code == ErrorCode::Invalid && refusal.message.contains(word), "{what}: {refusal:?}");
        served.client.delete_upload(id).await.unwrap();
    }
    // What the first bytes of the first chunk could not tell is told by the whole file.
    let mut masked = b"P".to_vec();
    masked.extend_from_slice(b"LAIN");
    let id = UploadId(Uuid::new_v4());
    served.client.create_upload(REPOSITORY, id, "a.dump", 5).await.unwrap();
    served.client.append(id, 0, None, masked[..1].to_vec()).await.unwrap();
    served.client.append(id, 1, None, masked[1..].to_vec()).await.unwrap();
    let job = run(&served.client, REPOSITORY, &import_of(id)).await;
    assert!(job.failure.unwrap().message.contains("does not begin as one"));
}

#[tokio::test]
async fn only_a_whole_upload_of_this_repository_is_imported_and_only_once_at_a_time() {
    let served = Served::start_with(|config| config.jobs = 1).await;
    let client = &served.client;
    let refusal = async |repository, start: &_| {
        client.start_import(repository, start).await.unwrap_err().refusal().unwrap().clone()
    };
    let id = UploadId(Uuid::new_v4());
    client.create_upload(REPOSITORY, id, "tiny18.zip", TINY.len() as u64).await.unwrap();
    client.append(id, 0, None, TINY[..100_000].to_vec()).await.unwrap();
    let early = refusal(REPOSITORY, &import_of(id)).await;
    assert!(early.code == ErrorCode::Conflict && early.message.contains("0.1 MB of 0.5 MB"), "{early:?}");
    send(client, id, TINY).await;
    assert_eq!(refusal(OTHER_REPOSITORY, &import_of(id)).await.code, ErrorCode::NotFound);
    let unknown = import_of(UploadId(Uuid::new_v4()));
    assert_eq!(refusal(REPOSITORY, &unknown).await.code, ErrorCode::NotFound);

    // While it waits or works, the upload is its own.
    let first = import_of(id);
    client.start_import(REPOSITORY, &first).await.unwrap();
    let second = client.start_import(REPOSITORY, &import_of(id)).await;
    let deleted = client.delete_upload(id).await;
    let asked_again = client.start_import(REPOSITORY, &first).await.unwrap();
    assert_eq!(asked_again.id, first.job);
    let job = crate::setting::until(client, first.job, |job| job.state.is_final()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    for refused in [second.map(drop), deleted] {
        let code = refused.unwrap_err().refusal().unwrap().code;
        assert!(matches!(code, ErrorCode::Conflict | ErrorCode::NotFound), "{code:?}");
    }
    let done = client.start_import(REPOSITORY, &first).await.unwrap();
    assert_eq!(done.backup, job.backup, "the same job again answers that job, though the upload is gone");
    let other = backup_api::StartImport { job: JobId(Uuid::new_v4()), ..first };
    assert_eq!(refusal(REPOSITORY, &other).await.code, ErrorCode::Conflict, "the backup's identity is taken");
}

#[tokio::test]
async fn what_is_not_the_files_fault_keeps_the_upload() {
    let served = Served::start_with(|config| config.pg_bin = vec!["/nonexistent".into()]).await;
    let id = upload(&served.client, "a.dump", b"PGDMP and so on").await;
    let job = run(&served.client, REPOSITORY, &import_of(id)).await;
    let failure = job.failure.unwrap();
    assert!(failure.code == FailureCode::PgDump && failure.message.contains("postgresql-client"), "{failure:?}");
    assert!(served.client.upload(id).await.unwrap().is_complete(), "it can be imported when that is mended");
    assert!(log_of(&served.client, job.id).await.contains("can be imported again"));
}

#[tokio::test]
async fn a_cancelled_import_keeps_the_upload() {
    let served = Served::start_with(|config| config.jobs = 1).await;
    let (first, second) = (upload(&served.client, "a.zip", TINY).await, upload(&served.client, "b.zip", TINY).await);
    let (one, two) = (import_of(first), import_of(second));
    served.client.start_import(REPOSITORY, &one).await.unwrap();
    served.client.start_import(REPOSITORY, &two).await.unwrap();
    let cancelled = served.client.cancel_job(two.job).await.unwrap();
    let cancelled = if cancelled.state.is_final() {
        cancelled
    } else {
        crate::setting::until(&served.client, two.job, |job| job.state.is_final()).await
    };
    if cancelled.state == JobState::Cancelled {
        let again = run(&served.client, REPOSITORY, &import_of(second)).await;
        assert_eq!(again.state, JobState::Succeeded, "{:?}", again.failure);
    }
    crate::setting::until(&served.client, one.job, |job| job.state.is_final()).await;
}
