//! Storing, listing, forgetting.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use backup_api::{Attachments, BackupFormat, BackupId, LinkCompression, RepositoryId};
use backup_server::repositories::{Content, Repositories, StorageError, attachment_name};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{REPOSITORY, Sample, attachment_path, fetch, file, new_backup, store, store_with};

#[tokio::test]
async fn a_backup_is_listed_with_all_that_was_counted() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), []);
    assert_eq!(repositories.count().await.unwrap(), 0);
    let sample = Sample::small();

    let first = store(&repositories, 1, sample.content()).await.unwrap();
    assert_eq!(first.file_name, "acme_2026-09-21_14-13-21.zip");
    assert_eq!(first.dump_bytes, sample.dump.len() as u64);
    assert_eq!(first.dump_sha256, hex::encode(Sha256::digest(&sample.dump)));
    let attachments = first.attachments.clone().unwrap();
    assert_eq!(attachments.present, 40);
    assert_eq!(attachments.bytes, sample.attachments.iter().map(|content| content.len() as u64).sum::<u64>());
    assert!(first.stored_bytes > attachments.bytes && first.stored_bytes < first.size_bytes + 100_000);

    let dump = vec![file("database.dump", sample.dump.clone())];
    let second =
        store_with(&repositories, 2, BackupFormat::Dump, Content::without_filestore(dump), || Ok(())).await.unwrap();
    assert_eq!((second.size_bytes, second.attachments.clone()), (sample.dump.len() as u64, None));

    // Another process would see the same.
    let repositories = Repositories::open(data.path()).unwrap();
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), [second.clone(), first.clone()]);
    assert_eq!(repositories.get(REPOSITORY, first.id).await.unwrap(), first);
    assert_eq!(fetch(&repositories, &second, LinkCompression::Stored, None).await, sample.dump);
    assert_eq!(repositories.count().await.unwrap(), 1);
    assert!(repositories.bytes_used().await.unwrap() > first.stored_bytes);
}

#[tokio::test]
async fn an_unknown_or_used_identity_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let other = RepositoryId(Uuid::from_u128(9));
    store(&repositories, 1, Sample::new(2, 1000, 1, 10).content()).await.unwrap();
    let again = store(&repositories, 1, Sample::new(2, 1000, 1, 10).content()).await;
    assert!(matches!(again, Err(StorageError::BackupExists(_))), "{again:?}");
    let missing = repositories.get(REPOSITORY, BackupId(Uuid::from_u128(9))).await;
    assert!(matches!(missing, Err(StorageError::NoSuchBackup(_))), "{missing:?}");
    let missing = repositories.recovery_kit(other).await;
    assert!(matches!(missing, Err(StorageError::NoSuchRepository(_))), "{missing:?}");
    assert_eq!(repositories.list(REPOSITORY).await.unwrap().len(), 1);
}

#[tokio::test]
async fn two_backups_of_the_same_second_are_both_read() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let mut sample = Sample::small();
    let first = store(&repositories, 1, sample.content()).await.unwrap();
    // As long as before, so that only its content tells it from the first.
    sample.dump.reverse();
    let mut backup = new_backup(2, BackupFormat::Zip);
    backup.created_at = first.created_at;
    let (finish, quiet) = (Box::new(|| Ok(())), Arc::new(|_, _| {}));
    let mut content = sample.content();
    content.files.iter_mut().filter(|file| file.path == "dump.sql").for_each(|file| file.size = Some(first.dump_bytes));
    let second =
        repositories.ingest(REPOSITORY, backup, content, finish, quiet, CancellationToken::new()).await.unwrap();
    assert_eq!(second.dump_sha256, hex::encode(Sha256::digest(&sample.dump)));
}

#[tokio::test]
async fn the_second_backup_reads_only_the_dump_and_what_is_new() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let mut sample = Sample::small();
    store(&repositories, 1, sample.content()).await.unwrap();

    sample.dump.extend_from_slice(b"one more row\n");
    sample.attachments.push(b"a new attachment".to_vec());
    let opened = Arc::new(AtomicU64::new(0));
    let mut content = sample.content();
    for file in &mut content.files {
        let open = std::mem::replace(&mut file.open, Box::new(|| Err(io::Error::other("opened twice"))));
        let opened = Arc::clone(&opened);
        file.open = Box::new(move || {
            opened.fetch_add(1, Ordering::SeqCst);
            open()
        });
    }
    let (open, counting) = (Arc::clone(&content.filestore.open), Arc::clone(&opened));
    content.filestore.open = Arc::new(move |place, sha1| {
        counting.fetch_add(1, Ordering::SeqCst);
        open(place, sha1)
    });
    let second = store(&repositories, 2, content).await.unwrap();
    assert_eq!(opened.load(Ordering::SeqCst), 3, "dump.sql, manifest.json and the new file");
    assert_eq!(second.attachments.as_ref().unwrap().present, 41);
    assert!(second.stored_bytes < 300_000, "{} bytes were added", second.stored_bytes);

    let zip = fetch(&repositories, &second, LinkCompression::Stored, None).await;
    crate::export::assert_zip_holds(zip, &sample.files());
}

#[tokio::test]
async fn a_file_that_vanished_or_is_damaged_is_reported_and_the_backup_kept() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let sample = Sample::small();
    let mut content = sample.content();
    let vanished = attachment_path(&sample.attachments[3]);
    let damaged = attachment_path(&sample.attachments[4]);
    let open = Arc::clone(&content.filestore.open);
    let (lost, bad) = (vanished.clone(), damaged.clone());
    content.filestore.open = Arc::new(move |place, sha1| match attachment_name(sha1) {
        name if lost.ends_with(&name) => Err(io::ErrorKind::NotFound.into()),
        name if bad.ends_with(&name) => {
            let mut other = Vec::new();
            open(place, sha1)?.read_to_end(&mut other)?;
            other.fill(7);
            Ok(Box::new(io::Cursor::new(other)))
        }
        _ => open(place, sha1),
    });
    let mut backup = crate::support::new_backup(1, BackupFormat::Zip);
    let known = "00/gone-before".to_owned();
    backup.attachments = Some(Attachments { expected: 41, missing: vec![known.clone()], ..Attachments::default() });
    let (quiet, token) = (Arc::new(|_, _| {}), tokio_util::sync::CancellationToken::new());
    let made = repositories.ingest(REPOSITORY, backup, content, Box::new(|| Ok(())), quiet, token).await.unwrap();

    let mut missing = vec![known, vanished["filestore/".len()..].to_owned(), damaged["filestore/".len()..].to_owned()];
    missing.sort();
    let attachments = made.attachments.clone().unwrap();
    assert_eq!((attachments.expected, attachments.present, attachments.missing), (41, 38, missing));
    let zip = fetch(&repositories, &made, LinkCompression::Stored, None).await;
    let mut files = sample.files();
    files.retain(|(path, _)| *path != vanished && *path != damaged);
    crate::export::assert_zip_holds(zip, &files);
}

#[tokio::test]
async fn when_no_file_at_all_can_be_read_there_is_no_backup() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let sample = Sample::small();
    let ingest = |number, content| {
        let mut backup = new_backup(number, BackupFormat::Zip);
        backup.attachments = Some(Attachments { expected: 40, ..Attachments::default() });
        let (quiet, token) = (Arc::new(|_, _| {}), CancellationToken::new());
        repositories.ingest(REPOSITORY, backup, content, Box::new(|| Ok(())), quiet, token)
    };
    let closed = || {
        let mut content = sample.content();
        content.filestore.open = Arc::new(|_, _| Err(io::ErrorKind::PermissionDenied.into()));
        content
    };
    let StorageError::Source(failure) = ingest(1, closed()).await.unwrap_err() else { panic!("another failure") };
    assert_eq!(failure.code, backup_api::FailureCode::Source);
    assert!(failure.message.starts_with("None of the 40 files") && failure.message.contains("permission denied"));
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), []);
    assert!(repositories.bytes_used().await.unwrap() < 20_000);

    let whole = ingest(2, sample.content()).await.unwrap();
    let again = ingest(3, closed()).await.unwrap();
    assert_eq!(again.attachments, whole.attachments, "what the one before holds need not be read");
}

#[tokio::test]
async fn deleting_a_backup_frees_its_space_and_leaves_the_others_whole() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let (one, two) = (Sample::new(5, 300_000, 20, 80_000), Sample::new(6, 300_000, 20, 80_000));
    let first = store(&repositories, 1, one.content()).await.unwrap();
    let before = repositories.bytes_used().await.unwrap();
    let second = store(&repositories, 2, two.content()).await.unwrap();
    repositories.delete(REPOSITORY, first.id).await.unwrap();
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), std::slice::from_ref(&second));
    let after = repositories.bytes_used().await.unwrap();
    assert!(after < before + before / 3, "{after} bytes after deleting, {before} with one backup");
    assert_eq!(repositories.verify(REPOSITORY).await.unwrap().problems, [] as [&str; 0]);
    let zip = fetch(&repositories, &second, LinkCompression::Stored, None).await;
    crate::export::assert_zip_holds(zip, &two.files());
}
