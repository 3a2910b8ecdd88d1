//! What a download gives.

use std::{
    collections::BTreeSet,
    io::{Cursor, Read},
};

use backup_api::LinkCompression;
use backup_server::{
    archives::{Limits, OdooZip},
    repositories::{Repositories, StorageError},
};
use futures::StreamExt;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sha1::{Digest, Sha1};
use tokio_util::sync::CancellationToken;

use crate::support::{REPOSITORY, Sample, fetch, run, store};

/// The zip holds exactly these files, in this order.
pub fn assert_zip_holds(zip: Vec<u8>, files: &[(String, Vec<u8>)]) {
    let mut zip = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    assert_eq!(zip.len(), files.len());
    for (index, (path, expected)) in files.iter().enumerate() {
        let mut entry = zip.by_index(index).unwrap();
        assert_eq!(entry.name().unwrap(), path.as_str());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert!(content == *expected, "{path} has other content");
    }
}

/// Reads every entry with Python's `zipfile`, as Odoo does, and with `unzip` and Java where they are installed.
const TEST_ZIP: &str = "import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(len(z.namelist()))";

/// Reads the zip front to back, without its directory.
const STREAM_ZIP: &str = r"import java.util.zip.*; import java.io.*;
public class Stream { public static void main(String[] a) throws Exception {
  var z = new ZipInputStream(new FileInputStream(a[0])); int n = 0;
  while (z.getNextEntry() != null) { z.readAllBytes(); n++; } System.out.println(n); } }";

/// Two bytes count no more than 65,535 entries; zip64 counts the rest.
#[tokio::test]
async fn more_attachments_than_two_bytes_count_are_exported_and_read_back_whole() {
    const MANY: u32 = 66_000;
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let sample = Sample {
        dump: b"--\n-- PostgreSQL database dump complete\n--\n\n".to_vec(),
        attachments: (0..MANY).map(|number| number.to_le_bytes().to_vec()).collect(),
    };
    let backup = store(&repositories, 1, sample.content()).await.unwrap();
    let zip = fetch(&repositories, &backup, LinkCompression::Stored, None).await;
    assert!(zip[zip.len() - 98..].starts_with(b"PK\x06\x06"), "it ends with the records of zip64");
    let path = data.path().join("many.zip");
    std::fs::write(&path, &zip).unwrap();
    assert_eq!(run("python3", &["-c", TEST_ZIP, "many.zip"], data.path(), &[]).trim(), "66002");
    let zip = OdooZip::check(&path, Limits::default(), &|_| (), &CancellationToken::new()).unwrap();
    assert_eq!((zip.attachments.present, zip.attachments.expected), (MANY.into(), MANY.into()));
    assert_eq!(zip.ignored, Vec::<String>::new());
    let names: BTreeSet<_> = zip.into_content().filestore.files.iter().map(|file| file.sha1).collect();
    let expected = sample.attachments.iter().map(|content| Sha1::digest(content).into()).collect();
    assert!(names == expected, "it holds other attachments");
}

#[tokio::test]
async fn stored_and_deflated_zips_hold_the_same_and_others_can_read_them() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let sample = Sample::small();
    let backup = store(&repositories, 1, sample.content()).await.unwrap();
    let stored = fetch(&repositories, &backup, LinkCompression::Stored, None).await;
    let deflated = fetch(&repositories, &backup, LinkCompression::Deflated, None).await;
    assert_eq!(stored.len() as u64, backup.size_bytes);
    assert!(deflated.len() + 100_000 < stored.len(), "{} bytes deflated, {} stored", deflated.len(), stored.len());
    for (name, zip) in [("stored.zip", stored), ("deflated.zip", deflated)] {
        let path = data.path().join(name);
        std::fs::write(&path, &zip).unwrap();
        assert_zip_holds(zip, &sample.files());
        assert_eq!(run("python3", &["-c", TEST_ZIP, name], data.path(), &[]).trim(), "42");
        if std::process::Command::new("unzip").arg("-v").output().is_ok() {
            run("unzip", &["-tqq", name], data.path(), &[]);
        }
        if std::process::Command::new("java").arg("-version").output().is_ok() {
            std::fs::write(data.path().join("Stream.java"), STREAM_ZIP).unwrap();
            assert_eq!(run("java", &["Stream.java", name], data.path(), &[]).trim(), "42");
        }
    }
}

#[tokio::test]
async fn any_range_gives_the_same_bytes_as_the_whole() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let backup = store(&repositories, 1, Sample::small().content()).await.unwrap();
    let whole = fetch(&repositories, &backup, LinkCompression::Stored, None).await;
    let total = backup.size_bytes;

    let mut random = StdRng::seed_from_u64(7);
    let mut ranges = vec![0..0, 0..1, total - 1..total, total..total, 0..total, 29..31];
    ranges.extend((0..60).map(|_| {
        let start = random.random_range(0..total);
        let reach = if random.random_bool(0.5) { 200 } else { total };
        start..(start + random.random_range(0..reach)).min(total)
    }));
    for range in ranges {
        let part = fetch(&repositories, &backup, LinkCompression::Stored, Some(range.clone())).await;
        let place = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert!(part == whole[place], "bytes {range:?} differ");
    }
    let mut joined = Vec::new();
    let mut at = 0;
    while at < total {
        let next = (at + random.random_range(1..total / 5)).min(total);
        joined.extend(fetch(&repositories, &backup, LinkCompression::Stored, Some(at..next)).await);
        at = next;
    }
    assert!(joined == whole, "the parts do not add up to the whole");
    for range in [total..total + 1, std::ops::Range { start: 5, end: 4 }] {
        let refused = repositories.export(REPOSITORY, backup.id, LinkCompression::Stored, Some(range)).await;
        assert!(matches!(refused.err(), Some(StorageError::OutOfRange(bytes)) if bytes == total));
    }
}

#[tokio::test]
async fn a_damaged_repository_breaks_the_download_off_with_an_error() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let backup = store(&repositories, 1, Sample::small().content()).await.unwrap();
    // The largest pack holds the dump and the attachments.
    let packs = std::fs::read_dir(data.path().join(format!("repositories/{REPOSITORY}/data"))).unwrap();
    let packs = packs.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap()).map(|pack| pack.unwrap());
    let largest = packs.max_by_key(|pack| pack.metadata().unwrap().len()).unwrap().path();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&largest, bytes).unwrap();

    let export = repositories.export(REPOSITORY, backup.id, LinkCompression::Stored, None).await.unwrap();
    let pieces: Vec<_> = export.bytes.collect().await;
    assert!(pieces.last().unwrap().is_err(), "the last thing that the receiver hears is the error");
    assert!(!repositories.verify(REPOSITORY).await.unwrap().problems.is_empty());
}

#[tokio::test]
async fn a_receiver_that_goes_away_stops_the_reading() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let backup = store(&repositories, 1, Sample::new(3, 4_000_000, 4, 100).content()).await.unwrap();
    let mut export = repositories.export(REPOSITORY, backup.id, LinkCompression::Stored, None).await.unwrap();
    export.bytes.next().await.unwrap().unwrap();
    drop(export);
    // Needs the repository for itself, so it returns only when the reading has stopped.
    repositories.prune(REPOSITORY).await.unwrap();
}

#[tokio::test]
async fn a_slow_download_outlives_its_backup_and_holds_nobody_up() {
    let data = tempfile::tempdir().unwrap();
    let repositories = Repositories::open(data.path()).unwrap();
    let sample = Sample::new(8, 5_000_000, 20, 90_000);
    let first = store(&repositories, 1, sample.content()).await.unwrap();
    let second = store(&repositories, 2, Sample::small().content()).await.unwrap();
    let used = repositories.bytes_used().await.unwrap();
    let mut export = repositories.export(REPOSITORY, first.id, LinkCompression::Stored, None).await.unwrap();
    let mut zip = export.bytes.next().await.unwrap().unwrap().to_vec();

    repositories.delete(REPOSITORY, first.id).await.unwrap();
    assert_eq!(repositories.list(REPOSITORY).await.unwrap(), std::slice::from_ref(&second));
    fetch(&repositories, &second, LinkCompression::Stored, None).await;
    while let Some(piece) = export.bytes.next().await {
        zip.extend_from_slice(&piece.unwrap());
    }
    assert_zip_holds(zip, &sample.files());
    // Waits for the pruning that waited for the download.
    repositories.prune(REPOSITORY).await.unwrap();
    assert!(repositories.bytes_used().await.unwrap() < used / 2);
}
