//! What our reader of zips takes for granted, beside Python's `zipfile`, with which Odoo makes them, and with every byte
//! changed in turn.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Write},
    path::Path,
};

use backup_server::{
    archives::{ArchiveError, Limits, OdooZip},
    repositories::{self, Content},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio_util::sync::CancellationToken;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::support::{attachment_path, run};

const DUMP: &str = "--\n-- PostgreSQL database dump complete\n--\n\n";

type Files = BTreeMap<String, Vec<u8>>;

/// A dump, a manifest, an empty attachment and some of all sizes.
fn files() -> Files {
    let contents = (0..6).map(|power| vec![b'a' + power; 11_usize.pow(power.into())]).chain([Vec::new()]);
    let mut files: Files = contents.map(|content| (attachment_path(&content), content)).collect();
    files.insert("dump.sql".to_owned(), format!("{}{DUMP}", "1\tAzure Interior\n".repeat(20)).into_bytes());
    files.insert("manifest.json".to_owned(), br#"{"odoo_dump": "1", "major_version": "18.0"}"#.to_vec());
    files
}

/// What a backup of the zip would hold.
fn read(path: &Path) -> Result<Files, ArchiveError> {
    let zip = OdooZip::check(path, Limits::default(), &|_| (), &CancellationToken::new())?;
    let Content { files, filestore } = zip.into_content();
    let whole = |mut from: Box<dyn Read + Send>| {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    };
    let mut found: Files = files.into_iter().map(|file| (file.path, whole((file.open)().unwrap()))).collect();
    for (place, file) in filestore.files.iter().enumerate() {
        let content = whole((filestore.open)(place, &file.sha1).unwrap());
        assert_eq!(content.len() as u64, file.size);
        found.insert(repositories::attachment_path(&file.sha1), content);
    }
    Ok(found)
}

/// Every way of Python's to write one: packed or not, sizes behind the content, zip64 in every header, folders, comments,
/// what other programs put into names and extra fields, and more entries than two bytes count.
const PYTHONS_WAYS: &str = "import io, os, sys, zipfile
source, target = sys.argv[1:]
paths = sorted(os.path.relpath(os.path.join(folder, name), source) for folder, _, names in os.walk(source) for name in names)
class Pipe(io.RawIOBase):
    def __init__(self, file): self.file = file
    def writable(self): return True
    def write(self, data): return self.file.write(data)
def make(name, method=zipfile.ZIP_DEFLATED, pipe=False, zip64=False, before=None, after=None):
    with open(os.path.join(target, name), 'wb') as file:
        with zipfile.ZipFile(Pipe(file) if pipe else file, 'w', method) as z:
            if before: before(z)
            for path in paths:
                with open(os.path.join(source, path), 'rb') as f, z.open(path, 'w', force_zip64=zip64) as entry:
                    entry.write(f.read())
            if after: after(z)
def comment(z): z.comment = b'made by hand'
def folders(z):
    z.writestr('filestore/', b'')
    z.writestr('filestore/checklist/aa/aaaa', b'')
def extra(z):
    info = zipfile.ZipInfo('notes \\u00e4.txt')
    info.extra = bytes([0x55, 0x54, 5, 0, 1, 0, 0, 0, 0])
    z.writestr(info, b'notes')
def many(z):
    for number in range(66000): z.writestr('filestore/checklist/aa/%d' % number, b'')
make('deflated')
make('stored', zipfile.ZIP_STORED)
make('piped', pipe=True)
make('piped and stored', zipfile.ZIP_STORED, pipe=True)
make('zip64', zip64=True)
make('zip64 piped', zip64=True, pipe=True)
make('comment', after=comment)
make('folders', before=folders)
make('extra', after=extra)
make('many', before=many)
with open(os.path.join(target, 'deflated'), 'rb') as file: data = file.read()
with open(os.path.join(target, 'bytes behind it'), 'wb') as file: file.write(data + b'\\r\\n')";

#[test]
fn what_pythons_zipfile_makes_is_read_as_it_was_written() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = files();
    for (name, content) in &files {
        let path = source.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let [from, to] = [&source, &target].map(|folder| folder.path().to_str().unwrap());
    run("python3", &["-c", PYTHONS_WAYS, from, to], target.path(), &[]);
    let made: Vec<_> = std::fs::read_dir(target.path()).unwrap().map(|zip| zip.unwrap().path()).collect();
    assert_eq!(made.len(), 11);
    for zip in made {
        let read = read(&zip).unwrap_or_else(|error| panic!("{}: {error}", zip.display()));
        assert!(read == files, "{}: {:?}", zip.display(), read.keys());
    }
}

/// A small zip, every other entry deflated, with two files that are no attachments.
fn small() -> (Files, Vec<u8>) {
    let mut files = files();
    files.retain(|_, content| content.len() < 2000);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (number, (name, content)) in files.iter().enumerate() {
        let method = [CompressionMethod::Stored, CompressionMethod::Deflated][number % 2];
        zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(content).unwrap();
    }
    (files, zip.finish().unwrap().into_inner())
}

/// A changed zip is refused, or what is taken of it is the truth; gives whether it was taken.
fn assert_no_lie(path: &Path, zip: &[u8], truth: &Files, what: &str) -> bool {
    std::fs::write(path, zip).unwrap();
    let Ok(found) = read(path) else { return false };
    assert!(found.contains_key("dump.sql"), "{what}");
    for (name, content) in found {
        assert!(truth.get(&name) == Some(&content), "{what}: “{name}” has other content");
    }
    true
}

#[test]
fn no_changed_byte_passes_for_the_truth() {
    let (truth, zip) = small();
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(assert_no_lie(file.path(), &zip, &truth, "unchanged"));
    let (mut taken, mut tried) = (0, 0);
    for at in 0..zip.len() {
        for mask in [0x01, 0x20, 0x80, 0xff] {
            let mut changed = zip.clone();
            changed[at] ^= mask;
            taken += usize::from(assert_no_lie(file.path(), &changed, &truth, &format!("byte {at} ^ {mask:#x}")));
            tried += 1;
        }
    }
    // Times, versions, attributes and the like say nothing of the content.
    assert!(taken < tried / 3, "{taken} of {tried} were taken");
}

#[test]
fn no_cut_or_doubled_part_passes_for_the_truth() {
    let (truth, zip) = small();
    let file = tempfile::NamedTempFile::new().unwrap();
    for length in 0..zip.len() {
        assert!(!assert_no_lie(file.path(), &zip[..length], &truth, "cut"), "{length} of {} bytes", zip.len());
    }
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..2000 {
        let mut changed = zip.clone();
        let (from, to) = (random.random_range(0..zip.len()), random.random_range(0..zip.len()));
        let part = zip[from..zip.len().min(from + random.random_range(1..200))].to_vec();
        match round % 3 {
            0 => drop(changed.splice(to..to, part)),
            1 => drop(changed.drain(from..from + part.len())),
            _ => drop(changed.splice(to..zip.len().min(to + part.len()), part)),
        }
        assert_no_lie(file.path(), &changed, &truth, &format!("round {round}"));
    }
}
