//! What needs a look behind the public door: a disk that fills up, and a zip too large to be made in a test.

use std::{
    fs::File,
    io::Cursor,
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use backup_api::{BackupFormat, BackupId, DatabaseName, ErrorCode, FailureCode, RepositoryId};
use chrono::DateTime;
use rand::{RngCore, SeedableRng, rngs::StdRng};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::disk::SPACE_STEP;

use super::{
    Content, ContentFile, NewBackup, Repositories, StorageError,
    gate::Gate,
    ingest::Ingest,
    layout::{Packing, ZipEntry, end_records, local_length, stored_length},
};

const REPOSITORY: RepositoryId = RepositoryId(Uuid::from_u128(1));

fn ingest(number: u128, bytes: usize, gate: Gate) -> Ingest {
    let mut dump = vec![0; bytes];
    StdRng::seed_from_u64(4).fill_bytes(&mut dump);
    let file = ContentFile {
        path: "database.dump".to_owned(),
        size: None,
        open: Box::new(move || Ok(Box::new(Cursor::new(dump)))),
    };
    Ingest {
        repository: REPOSITORY,
        backup: NewBackup {
            id: BackupId(Uuid::from_u128(number)),
            created_at: DateTime::UNIX_EPOCH,
            database: DatabaseName::parse("acme").unwrap(),
            format: BackupFormat::Dump,
            attachments: None,
            odoo_version: None,
            postgres_version: None,
            comment: String::new(),
        },
        content: Content::without_filestore(vec![file]),
        finish: Box::new(|| Ok(())),
        progress: Arc::new(|_, _| ()),
        cancel: CancellationToken::new(),
        gate: Arc::new(gate),
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_at_any_moment_makes_no_backup_and_leaves_nothing() {
    const BYTES: usize = 1_500_000;
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let whole = repositories.ingest_through(ingest(1, BYTES, Gate::closed())).await.unwrap();
    repositories.delete(REPOSITORY, whole.id).await.unwrap();
    let empty = repositories.bytes_used().await.unwrap();
    // Full at the first file, in between, and when only the snapshot is left to be written.
    let needed = whole.stored_bytes;
    for room in [0, 1000, needed / 2, needed - 4000, needed - 1, needed] {
        let failed = repositories.ingest_through(ingest(2, BYTES, Gate::closed_with_room(room))).await;
        let error = failed.map(|backup| backup.stored_bytes).unwrap_err();
        assert!(matches!(error, StorageError::NoSpace), "with room for {room} of {needed} bytes: {error:?}");
        assert_eq!((error.code(), error.failure_code()), (ErrorCode::NoSpace, FailureCode::NoSpace));
        assert_eq!(repositories.list(REPOSITORY).await.unwrap(), []);
        assert_eq!(repositories.verify(REPOSITORY).await.unwrap().problems, [] as [&str; 0]);
    }
    let left = repositories.bytes_used().await.unwrap();
    assert!(left < empty + 2000, "{left} bytes are left, {empty} before");
    repositories.ingest_through(ingest(3, BYTES, Gate::closed())).await.unwrap();
}

#[tokio::test]
async fn what_must_stay_free_is_looked_at_while_storing() {
    const BYTES: usize = 20_000_000;
    const KEPT: u64 = 1_000_000_000;
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    // Somebody else takes a hundred megabytes between two looks.
    let keeping = |step, free: u64| {
        let asked = Arc::clone(&asked);
        asked.store(0, Ordering::SeqCst);
        let ask = move || Ok(free - 100_000_000 * asked.fetch_add(1, Ordering::SeqCst));
        Gate::closed().keeping(KEPT, step, Box::new(ask))
    };
    for (looks, free) in [(1, KEPT - 1), (2, KEPT + 100_000_000)] {
        let failed = repositories.ingest_through(ingest(1, BYTES, keeping(1_000_000, free))).await.unwrap_err();
        assert_eq!((failed.code(), failed.failure_code()), (ErrorCode::NoSpace, FailureCode::NoSpace));
        let said = failed.to_string();
        assert!(said.starts_with("The backup needs more than ") && said.contains("of which 1.0 GB stay"), "{said}");
        assert!(asked.load(Ordering::SeqCst) >= looks);
        assert_eq!(repositories.list(REPOSITORY).await.unwrap(), []);
        assert!(repositories.bytes_used().await.unwrap() < 20_000, "it took its bytes back");
    }
    let whole = repositories.ingest_through(ingest(1, BYTES, keeping(SPACE_STEP, 2 * KEPT))).await.unwrap();
    assert!(whole.stored_bytes > BYTES as u64);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "a look is not for each file");
}

fn length(entries: &[(&str, u64)]) -> u64 {
    stored_length(entries.iter().map(|(name, size)| (name.len(), *size)))
}

/// A zip whose entries are holes, so that a large one costs no disk.
fn zip_with_holes(path: &Path, entries: &[(&str, u64)]) {
    let made = DateTime::UNIX_EPOCH;
    let file = File::create(path).unwrap();
    let mut at = 0;
    let mut directory = Vec::new();
    for (name, size) in entries {
        let (size, packing) = (*size, Packing::Stored);
        // What checks a hole's CRC-32 would read it; only the short entries are read.
        let crc = crc32fast::hash(&vec![0; usize::try_from(size.min(1000)).unwrap()]);
        let entry = ZipEntry { name, size, packed: size, crc, offset: at, packing };
        file.write_all_at(&entry.local_header(made), at).unwrap();
        at += local_length(name.len(), size) + size;
        directory.extend(entry.central_header(made));
    }
    directory.extend(end_records(entries.len() as u64, at, directory.len() as u64));
    file.write_all_at(&directory, at).unwrap();
    assert_eq!(file.metadata().unwrap().len(), length(entries));
}

#[test]
fn python_reads_zip64() {
    const READ: &str = "import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
print(len(z.namelist()), z.getinfo('dump.sql').file_size, len(z.read('last')))";
    let many: Vec<String> = (0..70_000).map(|number| format!("filestore/{number}")).collect();
    let mut many: Vec<(&str, u64)> = many.iter().map(|name| (name.as_str(), 0)).collect();
    many.extend([("dump.sql", 3), ("last", 1000)]);
    let large = [("dump.sql", 5_000_000_000), ("manifest.json", 9), ("last", 1000)];
    let folder = tempfile::tempdir().unwrap();
    for (entries, expected) in [(large.as_slice(), "3 5000000000 1000"), (&many, "70002 3 1000")] {
        let path = folder.path().join("large.zip");
        zip_with_holes(&path, entries);
        let said = Command::new("python3").args(["-c", READ]).arg(&path).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), expected, "{}", String::from_utf8_lossy(&said.stderr));
    }
}

/// The records of a zip alone, as an export writes them around the entries' bytes.
fn records(entries: &[(&str, u64)]) -> (u64, Vec<u8>) {
    let made = DateTime::UNIX_EPOCH;
    let (mut offset, mut directory) = (0, Vec::new());
    for (name, size) in entries {
        let (size, packing) = (*size, Packing::Stored);
        let entry = ZipEntry { name, size, packed: size, crc: 0, offset, packing };
        let local = entry.local_header(made);
        assert_eq!(local.len() as u64, local_length(name.len(), size));
        directory.extend(entry.central_header(made));
        offset += local.len() as u64 + size;
    }
    let bytes = directory.len() as u64;
    directory.extend(end_records(entries.len() as u64, offset, bytes));
    (offset, directory)
}

#[test]
fn the_length_is_exact_where_zip64_records_begin_and_beyond() {
    const LIMIT: u64 = u32::MAX as u64;
    let around: Vec<u64> = (LIMIT - 150..LIMIT + 3).collect();
    for first in [0, 1, 5 * LIMIT].into_iter().chain(around) {
        for second in [0, 7, LIMIT - 1, LIMIT] {
            let entries = [("dump.sql", first), ("manifest.json", 100), ("filestore/aa/x", second)];
            let (offset, tail) = records(&entries);
            assert_eq!(length(&entries), offset + tail.len() as u64, "{first} and {second} bytes");
        }
    }
    for count in [65_534, 65_535, 65_536] {
        let entries = vec![("a", 1); count];
        let (offset, tail) = records(&entries);
        assert_eq!(length(&entries), offset + tail.len() as u64, "{count} entries");
    }
}
