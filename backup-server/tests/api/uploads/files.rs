//! Good and damaged files, made of the one fixture.

use std::{
    fs,
    io::{Cursor, Read, Write},
    path::Path,
};

use testbed::Cluster;
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::setting::TINY;
use crate::setting::Origin;

/// The entries of the fixture.
pub type Entries = Vec<(String, Vec<u8>)>;

/// The fixture's entries.
pub fn tiny() -> Entries {
    let mut zip = ZipArchive::new(Cursor::new(TINY)).unwrap();
    let mut entries = Entries::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        entries.push((entry.name().unwrap().into_owned(), content));
    }
    entries
}

/// The fixture with its entries changed, packed again.
pub fn tiny_with(change: impl FnOnce(&mut Entries)) -> Vec<u8> {
    let mut entries = tiny();
    change(&mut entries);
    zip_of(&entries)
}

/// The fixture with its `dump.sql` changed.
pub fn tiny_with_sql(change: impl FnOnce(String) -> String) -> Vec<u8> {
    tiny_with(|entries| {
        let sql = &mut entries.iter_mut().find(|(name, _)| name == "dump.sql").unwrap().1;
        *sql = change(String::from_utf8(std::mem::take(sql)).unwrap()).into_bytes();
    })
}

/// A zip of these.
pub fn zip_of(entries: &Entries) -> Vec<u8> {
    zip_with(entries, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
}

/// A zip of these, made in another way.
pub fn zip_with(entries: &Entries, options: SimpleFileOptions) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A zip with one more entry, made in a way of its own.
pub fn tiny_and(more: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut zip = ZipWriter::new_append(Cursor::new(TINY.to_vec())).unwrap();
    more(&mut zip);
    zip.finish().unwrap().into_inner()
}

/// Replaces each occurrence, which has the same length.
pub fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from) {
        bytes[at + found..at + found + to.len()].copy_from_slice(to);
        at += found + to.len();
    }
    bytes
}

/// Where something stands for the last time.
pub fn last(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).rposition(|window| window == what).unwrap()
}

/// What `pg_dump` makes of the fixture's database, with these arguments.
pub fn dump_of(origin: &Origin, arguments: &[&str]) -> Vec<u8> {
    let path = origin.folder.path().join("made.dump");
    let mut command = Cluster::shared().clients().command("pg_dump", "odoo");
    let done = command.args(arguments).arg("--file").arg(&path).arg(&origin.database.name).status().unwrap();
    assert!(done.success());
    fs::read(&path).unwrap()
}

/// What a compressing program makes of something.
pub fn packed(folder: &Path, content: &[u8], program: &str) -> Vec<u8> {
    let path = folder.join("plain.sql");
    fs::write(&path, content).unwrap();
    let output = std::process::Command::new(program).arg("-c").arg(&path).output().unwrap();
    assert!(output.status.success());
    output.stdout
}
