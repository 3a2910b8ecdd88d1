//! No backup unless it is whole.

use std::{
    io::{self, Read},
    sync::Arc,
};

use backup_api::{BackupFormat, Failure, FailureCode};
use backup_server::repositories::{Content, Repositories, StorageError};
use tokio_util::sync::CancellationToken;

use crate::{
    restic::restic,
    support::{REPOSITORY, Sample, new_backup, store, store_with},
};

/// After any failure: no backup, nothing left over, stock restic is content, and the next backup works.
async fn assert_nothing_was_kept(data: &std::path::Path, repositories: &Repositories) {
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), []);
    let used = repositories.bytes_used().await.unwrap();
    assert!(used < 20_000, "{used} bytes were left over");
    assert!(restic(repositories, data, &["check", "--read-data"]).await.contains("no errors were found"));
    store(repositories, 99, Sample::small().content()).await.unwrap();
    assert!(restic(repositories, data, &["check", "--read-data"]).await.contains("no errors were found"));
}

/// Gives some bytes, then fails.
struct Broken(io::Take<io::Repeat>);

impl Read for Broken {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            read => Ok(read),
        }
    }
}

fn replace(content: &mut Content, path: &str, with: impl Read + Send + 'static) {
    let file = content.files.iter_mut().find(|file| file.path == path).unwrap();
    file.open = Box::new(move || Ok(Box::new(with)));
}

#[tokio::test]
async fn a_dump_that_breaks_off_makes_no_backup() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    for bytes in [0, 100, 3_000_000] {
        let mut content = Sample::small().content();
        replace(&mut content, "dump.sql", Broken(io::repeat(b'x').take(bytes)));
        let failed = store(&repositories, 1, content).await.unwrap_err();
        let StorageError::Source(failure) = &failed else { panic!("{failed:?}") };
        assert_eq!(failure.code, FailureCode::Incomplete);
        assert!(failure.message.contains("dump.sql"), "{}", failure.message);
        assert_eq!(repositories.list(REPOSITORY).await.unwrap(), []);
    }
    assert_nothing_was_kept(data.path(), &repositories).await;
}

#[tokio::test]
async fn a_bad_verdict_of_the_source_makes_no_backup() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let verdict = Failure { code: FailureCode::PgDump, message: "pg_dump was killed (signal 9).".to_owned() };
    for broken in [false, true] {
        let mut content = Sample::small().content();
        if broken {
            replace(&mut content, "dump.sql", Broken(io::repeat(b'x').take(70_000)));
        }
        let said = verdict.clone();
        let failed = store_with(&repositories, 1, BackupFormat::Zip, content, || Err(said)).await.unwrap_err();
        assert_eq!(Failure::from(failed), verdict, "the source knows best why");
    }
    assert_nothing_was_kept(data.path(), &repositories).await;
}

#[tokio::test]
async fn a_file_shorter_or_longer_than_announced_makes_no_backup() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    for bytes in [3, 3000] {
        let mut content = Sample::small().content();
        replace(&mut content, "manifest.json", io::repeat(b' ').take(bytes));
        let failed = store(&repositories, 1, content).await.unwrap_err();
        assert!(failed.to_string().contains("manifest.json"), "{failed}");
    }
    assert_nothing_was_kept(data.path(), &repositories).await;
}

#[tokio::test]
async fn cancelling_makes_no_backup() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let cancel = CancellationToken::new();
    let mut content = Sample::small().content();
    // An endless dump, cancelled as soon as it is seen to advance.
    replace(&mut content, "dump.sql", io::repeat(b'x'));
    let seen = cancel.clone();
    let progress = Arc::new(move |_, _| seen.cancel());
    let backup = new_backup(1, BackupFormat::Zip);
    let failed = repositories.ingest(REPOSITORY, backup, content, Box::new(|| Ok(())), progress, cancel).await;
    assert!(matches!(failed, Err(StorageError::Cancelled)), "{failed:?}");
    assert_nothing_was_kept(data.path(), &repositories).await;
}

#[tokio::test]
async fn an_unreadable_folder_is_an_error_and_not_an_empty_repository() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let backup = store(&repositories, 1, Sample::small().content()).await.unwrap();
    let snapshots = data.path().join(format!("repositories/{REPOSITORY}/snapshots"));
    let away = data.path().join("away");
    std::fs::rename(&snapshots, &away).unwrap();
    for failed in [
        repositories.list(REPOSITORY).await.map(|_| ()),
        repositories.prune(REPOSITORY).await,
        repositories.delete(REPOSITORY, backup.id).await,
    ] {
        assert!(matches!(failed, Err(StorageError::Unavailable { .. })), "{failed:?}");
    }
    std::fs::rename(&away, &snapshots).unwrap();
    assert_eq!(repositories.verify(REPOSITORY).await.unwrap().problems, [] as [&str; 0]);
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), [backup]);
}

/// A disk of its own, where mounting is allowed.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=30m", "tmpfs"]).arg(folder.path());
        mount.output().ok().filter(|output| output.status.success()).map(|_| Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).output();
    }
}

/// The unit tests see every moment of it on a pretended disk; this one is real, but needs the right to mount.
#[tokio::test]
async fn a_full_disk_makes_no_backup_and_has_its_space_back_afterwards() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("left out: no right to mount a tmpfs here");
        return;
    };
    let repositories = Repositories::open(disk.0.path()).unwrap();
    let first = store(&repositories, 1, Sample::small().content()).await.unwrap();
    for turn in 0..3 {
        let failed = store(&repositories, 2, Sample::new(9, 1000, 60, 2_000_000).content()).await.unwrap_err();
        assert!(matches!(failed, StorageError::NoSpace), "{turn}: {failed:?}");
        let used = repositories.bytes_used().await.unwrap();
        assert!(used < first.stored_bytes + 100_000, "{turn}: {used} bytes are used");
    }
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), [first]);
    let check = restic(&repositories, disk.0.path(), &["check", "--read-data"]).await;
    assert!(check.contains("no errors were found"), "{check}");
    store(&repositories, 3, Sample::new(10, 1000, 20, 100_000).content()).await.unwrap();
}
