//! Arriving Odoo zips: the real one, and all the ways in which one can be bad.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Write},
    path::Path,
};

use backup_api::{Failure, FailureCode, LinkCompression};
use backup_server::{
    archives::{ArchiveError, Limits, OdooZip},
    repositories::{self, Repositories},
};
use tokio_util::sync::CancellationToken;
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::support::{attachment_path, fetch, store};

/// Made by Odoo 18.
const TINY: &[u8] = include_bytes!("../../../testbed/fixtures/tiny18.zip");

fn check_with(zip: &[u8], limits: Limits) -> Result<OdooZip, ArchiveError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), zip).unwrap();
    OdooZip::check(file.path(), limits, &|_| (), &CancellationToken::new())
}

fn check(zip: &[u8]) -> Result<OdooZip, ArchiveError> {
    check_with(zip, Limits::default())
}

/// The entries of the real zip, markers left out.
fn tiny() -> BTreeMap<String, Vec<u8>> {
    let mut zip = ZipArchive::new(Cursor::new(TINY)).unwrap();
    let mut entries = BTreeMap::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if !name.starts_with("filestore/checklist/") {
            entries.insert(name, content);
        }
    }
    entries
}

fn zip_of<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in entries {
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn zip_of_tiny(change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) -> Vec<u8> {
    let mut entries = tiny();
    change(&mut entries);
    zip_of(entries.iter().map(|(name, content)| (name.as_str(), content.as_slice())))
}

/// A whole dump, as short as can be.
const DUMP: &[u8] = b"--\n-- PostgreSQL database dump complete\n--\n\n";

#[tokio::test]
async fn a_real_zip_comes_out_as_it_went_in() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("tiny18.zip");
    std::fs::write(&path, TINY).unwrap();
    let zip = OdooZip::check(&path, Limits::default(), &|_| (), &CancellationToken::new()).unwrap();
    let manifest = zip.manifest.clone().unwrap();
    assert_eq!(manifest.major_version.as_deref(), Some("18.0"));
    assert!(manifest.modules.contains_key("base"), "{manifest:?}");
    assert_eq!(zip.ignored, [] as [&str; 0]);
    let mut expected: Vec<_> = tiny().into_iter().collect();
    assert_eq!(zip.attachments.present, expected.len() as u64 - 2);
    assert_eq!(zip.attachments.missing_count(), 0);

    let repositories = Repositories::open(data.path()).unwrap();
    let first = store(&repositories, 1, zip.into_content()).await.unwrap();
    expected.sort_by_key(|(name, _)| (name != "dump.sql", name != "manifest.json", name.clone()));
    crate::export::assert_zip_holds(fetch(&repositories, &first, LinkCompression::Stored, None).await, &expected);

    // What we give is what we take.
    let given = fetch(&repositories, &first, LinkCompression::Deflated, None).await;
    std::fs::write(&path, given).unwrap();
    let zip = OdooZip::check(&path, Limits::default(), &|_| (), &CancellationToken::new()).unwrap();
    let second = store(&repositories, 2, zip.into_content()).await.unwrap();
    assert_eq!(second.dump_sha256, first.dump_sha256);
    assert!(second.stored_bytes < first.stored_bytes / 10, "{} bytes were added", second.stored_bytes);
}

#[test]
fn a_zip_cut_anywhere_is_refused() {
    for bytes in [0, 1, 100, TINY.len() / 2, TINY.len() - 30, TINY.len() - 1] {
        let error = check(&TINY[..bytes]).unwrap_err();
        assert!(matches!(error, ArchiveError::NotAZip(_)), "{bytes} bytes: {error}");
        assert_eq!(Failure::from(error).code, FailureCode::Incomplete);
    }
    let page = check(b"<html><div class=\"alert alert-danger\">Database backup error: Access Denied</div>");
    assert!(matches!(page, Err(ArchiveError::NotAZip(_))));
}

#[test]
fn a_flipped_byte_anywhere_in_an_entry_is_found() {
    let mut archive = ZipArchive::new(Cursor::new(TINY)).unwrap();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).unwrap();
        let (start, size) = (entry.header_start() + 30 + entry.name_raw().len() as u64, entry.compressed_size());
        let name = entry.name().unwrap().into_owned();
        drop(entry);
        if size < 20 {
            continue;
        }
        let mut zip = TINY.to_vec();
        zip[usize::try_from(start + size / 2).unwrap()] ^= 0x10;
        let error = check(&zip).unwrap_err();
        assert!(matches!(&error, ArchiveError::Damaged { name: found, .. } if *found == name), "{name}: {error}");
    }
}

#[test]
fn a_zip_without_a_whole_dump_is_refused() {
    let none = check(&zip_of_tiny(|entries| drop(entries.remove("dump.sql"))));
    assert!(matches!(none, Err(ArchiveError::NoDump)), "{none:?}");
    for cut in [0, 1000, 1_000_000] {
        let zip = zip_of_tiny(|entries| entries.get_mut("dump.sql").unwrap().truncate(cut));
        let error = check(&zip).unwrap_err();
        assert!(matches!(error, ArchiveError::TruncatedDump), "{error}");
        assert_eq!(Failure::from(error).code, FailureCode::PgDump);
    }
}

#[test]
fn a_zip_without_manifest_or_filestore_is_taken() {
    let bare = check(&zip_of([("dump.sql", DUMP)])).unwrap();
    assert_eq!((bare.manifest.clone(), bare.attachments.expected), (None, 0));
    let odd = check(&zip_of([("dump.sql", DUMP), ("manifest.json", b"[1, 2".as_slice())])).unwrap();
    assert_eq!(odd.manifest, None);
}

#[test]
fn an_attachment_with_other_content_is_counted_as_missing() {
    let (good, bad) = (attachment_path(b"good"), attachment_path(b"bad"));
    let zip = zip_of([("dump.sql", DUMP), (&good, b"good".as_slice()), (&bad, b"b a d".as_slice())]);
    let found = check(&zip).unwrap();
    assert_eq!((found.attachments.expected, found.attachments.present, found.attachments.bytes), (2, 1, 4));
    assert_eq!(found.attachments.missing, [bad.trim_start_matches("filestore/")]);
    let content = found.into_content();
    assert_eq!(content.files.into_iter().map(|file| file.path).collect::<Vec<_>>(), ["dump.sql"]);
    let names: Vec<_> = content.filestore.files.iter().map(|file| repositories::attachment_path(&file.sha1)).collect();
    assert_eq!(names, [good]);
}

#[test]
fn foreign_names_are_left_out_and_hostile_ones_refuse_the_zip() {
    let zip =
        zip_of([("dump.sql", DUMP), ("notes.txt", b"".as_slice()), ("filestore/checklist/aa/aa", b"".as_slice())]);
    assert_eq!(check(&zip).unwrap().ignored, ["notes.txt"]);
    for name in ["../dump.sql", "/etc/cron.d/x", "filestore/../../x", "a\\..\\b"] {
        let error = check(&zip_of([("dump.sql", DUMP), (name, b"x".as_slice())])).unwrap_err();
        assert!(matches!(error, ArchiveError::Refused(_)), "{name}: {error}");
    }
}

#[test]
fn symlinks_duplicates_encryption_and_overlaps_refuse_the_zip() {
    let options = SimpleFileOptions::default();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("dump.sql", options).unwrap();
    zip.write_all(DUMP).unwrap();
    zip.add_symlink(attachment_path(b""), "/etc/passwd", options).unwrap();
    let symlink = zip.finish().unwrap().into_inner();

    // One letter of a name, in both headers, makes two of one name.
    let twice = zip_of([("dump.sql", DUMP), ("dump.sqm", DUMP)]);
    let twice = replace(&twice, b"dump.sqm", b"dump.sql");
    // The second directory record points to the first entry.
    let mut overlap = zip_of([("dump.sql", DUMP), ("notes.tx", DUMP)]);
    let last = find_last(&overlap, b"PK\x01\x02");
    overlap[last + 42..last + 46].fill(0);
    let mut encrypted = zip_of([("dump.sql", DUMP)]);
    let record = find_last(&encrypted, b"PK\x01\x02");
    encrypted[6] |= 1;
    encrypted[record + 8] |= 1;

    for (what, zip) in [("symlink", symlink), ("twice", twice), ("overlap", overlap), ("encrypted", encrypted)] {
        let error = check(&zip).unwrap_err();
        assert!(matches!(error, ArchiveError::Refused(_) | ArchiveError::NotAZip(_)), "{what}: {error:?}");
    }
}

#[test]
fn an_entry_elsewhere_than_the_directory_says_refuses_the_zip() {
    let inner = zip_of([("notes.txt", b"".as_slice())]);
    let header = &inner[..find_last(&inner, b"PK\x01\x02")];
    let dump = [header, DUMP].concat();
    let mut zip = zip_of([("dump.sql", dump.as_slice()), ("notes.txt", b"".as_slice())]);
    assert!(check(&zip).is_ok());
    // The second directory record points into the first entry, where such a header stands.
    let last = find_last(&zip, b"PK\x01\x02");
    zip[last + 42..last + 46].copy_from_slice(&38_u32.to_le_bytes());
    let error = check(&zip).unwrap_err();
    assert!(error.to_string().contains("its entries overlap"), "{error}");
    // Its local header has another name than the directory.
    let mut zip = zip_of([("dump.sql", DUMP), ("notes.txt", b"".as_slice())]);
    zip[31] = b'm';
    let error = check(&zip).unwrap_err();
    assert!(error.to_string().contains("“dump.sql” is not where it says"), "{error}");
    // Something before the first entry, as in a program that unpacks itself.
    let error = check(&[b"#!/bin/sh\n", TINY].concat()).unwrap_err();
    assert!(error.to_string().contains("something stands before it"), "{error}");
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

fn find_last(bytes: &[u8], what: &[u8]) -> usize {
    (0..=bytes.len() - what.len()).rev().find(|at| bytes[*at..].starts_with(what)).unwrap()
}

#[test]
fn limits_are_kept() {
    let limits = Limits::default();
    for limits in [Limits { entries: 3, ..limits }, Limits { bytes: 100_000, ..limits }, Limits { ratio: 2, ..limits }]
    {
        let error = check_with(TINY, limits).unwrap_err();
        assert!(matches!(error, ArchiveError::TooLarge(_)), "{error}");
    }
    let mut bomb = ZipWriter::new(Cursor::new(Vec::new()));
    bomb.start_file("dump.sql", SimpleFileOptions::default()).unwrap();
    std::io::copy(&mut std::io::repeat(b'0').take(50_000_000), &mut bomb).unwrap();
    let error = check(&bomb.finish().unwrap().into_inner()).unwrap_err();
    assert!(matches!(error, ArchiveError::TooLarge(_)), "{error}");
}

#[test]
fn an_entry_larger_than_announced_is_damaged() {
    // Its size in the directory is made smaller; the CRC is still that of the whole.
    let mut zip = zip_of([("dump.sql", DUMP)]);
    let record = find_last(&zip, b"PK\x01\x02");
    zip[record + 24] -= 5;
    let error = check(&zip).unwrap_err();
    assert!(matches!(error, ArchiveError::Damaged { .. }), "{error:?}");
}

#[test]
fn cancelling_stops_the_check() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed/fixtures/tiny18.zip");
    let stopped = OdooZip::check(&path, Limits::default(), &|_| (), &cancel);
    assert!(matches!(stopped, Err(ArchiveError::Cancelled)), "{stopped:?}");
}
