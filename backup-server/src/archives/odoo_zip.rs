//! Checks a staged Odoo zip to its last byte, and reads its files in the order that storage needs.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use backup_api::{Attachments, Progress};
use sha1::{Digest, Sha1};
use tokio_util::sync::CancellationToken;

use super::{
    ArchiveError, DumpTail, Limits, Manifest,
    directory::{Directory, Record},
    entry::{Place, Unpacked},
    names::Role,
    shape::Shape,
};
use crate::repositories::{Content, ContentFile, FILESTORE, Filestore, FilestoreFile, MANIFEST, PLAIN_DUMP};

/// Names that are reported, at most.
const REPORTED: usize = 100;
/// A manifest is a list of modules; the largest seen has 60 kB.
const LARGEST_MANIFEST: u64 = 16 << 20;
/// Unpacked bytes that are looked at together.
const PIECE: usize = 128 * 1024;

/// An Odoo zip, every byte of which was checked.
#[derive(Debug)]
pub struct OdooZip {
    /// `manifest.json`, when there is one that can be read.
    pub manifest: Option<Manifest>,
    /// The files of attachments; those whose content is not what their name says are counted as missing.
    pub attachments: Attachments,
    /// Names that do not belong into an Odoo backup and are left out: the first 100.
    pub ignored: Vec<String>,
    path: Arc<Path>,
    dump: Option<Single>,
    odoos_manifest: Option<Single>,
    /// Sorted by SHA-1 in the end.
    filestore: Vec<(FilestoreFile, Place)>,
}

/// A file that there is once.
#[derive(Clone, Copy, Debug)]
struct Single {
    place: Place,
    size: u64,
}

impl OdooZip {
    /// Reads all of the zip at `path` and checks it: end record, names, sizes, every CRC, the SHA-1 of every filestore
    /// file, and that `dump.sql` is a whole `pg_dump`. Blocks.
    ///
    /// Its directory is read three times and never held: an attachment takes 48 bytes.
    pub fn check(
        path: &Path,
        limits: Limits,
        progress: &dyn Fn(Progress),
        cancel: &CancellationToken,
    ) -> Result<Self, ArchiveError> {
        let file = File::open(path).map_err(ArchiveError::Read)?;
        let directory = Directory::find(&file)?;
        let shape = Shape::check(&file, &directory, limits, cancel)?;
        let mut found = Self {
            manifest: None,
            attachments: Attachments::default(),
            ignored: Vec::new(),
            path: path.into(),
            dump: None,
            odoos_manifest: None,
            filestore: Vec::with_capacity(shape.attachments),
        };
        let mut reading = Reading { buffer: vec![0; PIECE], done: 0, total: shape.bytes, progress, cancel };
        let mut records = directory.records(file.try_clone().map_err(ArchiveError::Read)?)?;
        while let Some(record) = records.next()? {
            let (place, _) = record.place(&file, &directory)?;
            let entry = place.read(file.try_clone().map_err(ArchiveError::Read)?).map_err(ArchiveError::Read)?;
            found.take_entry(&record, place, entry, &mut reading)?;
            reading.done += record.size;
        }
        if found.dump.is_none() {
            return Err(ArchiveError::NoDump);
        }
        found.filestore.sort_unstable_by_key(|(file, _)| file.sha1);
        Ok(found)
    }

    /// Its `dump.sql`, to be read.
    pub fn open_dump(&self) -> io::Result<Box<dyn Read + Send>> {
        self.dump.ok_or(io::ErrorKind::NotFound)?.place.open(&self.path)
    }

    /// Bytes of its `dump.sql`.
    pub fn dump_bytes(&self) -> u64 {
        self.dump.map_or(0, |dump| dump.size)
    }

    /// Its files, to be ingested; the zip must stay where it is until then.
    pub fn into_content(self) -> Content {
        let file = |(name, single): (&str, Option<Single>)| {
            let (Single { place, size }, path) = (single?, Arc::clone(&self.path));
            Some(ContentFile { path: name.to_owned(), size: Some(size), open: Box::new(move || place.open(&path)) })
        };
        let files = [(PLAIN_DUMP, self.dump), (MANIFEST, self.odoos_manifest)].into_iter().filter_map(file).collect();
        let (files_of_attachments, places): (Vec<_>, Vec<_>) = self.filestore.into_iter().unzip();
        let path = self.path;
        let filestore = Filestore {
            files: files_of_attachments,
            open: Arc::new(move |place, _| places.get(place).ok_or(io::ErrorKind::NotFound)?.open(&path)),
            may_lack_files: false,
        };
        Content { files, filestore }
    }

    fn take_entry(
        &mut self,
        record: &Record,
        place: Place,
        mut entry: Unpacked,
        reading: &mut Reading<'_>,
    ) -> Result<(), ArchiveError> {
        let (name, size) = (record.text()?, record.size);
        match Role::of(&name) {
            Role::Dump => {
                let mut tail = DumpTail::default();
                reading.read(&name, record, &mut entry, &mut |bytes| tail.see(bytes))?;
                if !tail.is_complete() {
                    return Err(ArchiveError::TruncatedDump);
                }
                self.dump = Some(Single { place, size });
            }
            Role::Manifest => {
                let mut json = Vec::new();
                let fits = size <= LARGEST_MANIFEST;
                reading.read(&name, record, &mut entry, &mut |bytes| {
                    if fits {
                        json.extend_from_slice(bytes);
                    }
                })?;
                self.manifest = Manifest::parse(&json);
                self.odoos_manifest = Some(Single { place, size });
            }
            Role::Attachment(sha1) => {
                let mut hash = Sha1::new();
                reading.read(&name, record, &mut entry, &mut |bytes| hash.update(bytes))?;
                let is_whole = <[u8; 20]>::from(hash.finalize()) == sha1;
                self.take_attachment(&name, FilestoreFile { sha1, size }, place, is_whole);
            }
            role @ (Role::Marker | Role::Foreign | Role::Hostile) => {
                reading.read(&name, record, &mut entry, &mut |_| ())?;
                if role == Role::Foreign && self.ignored.len() < REPORTED {
                    self.ignored.push(name);
                }
            }
        }
        Ok(())
    }

    fn take_attachment(&mut self, name: &str, file: FilestoreFile, place: Place, is_whole: bool) {
        self.attachments.expected += 1;
        if is_whole {
            self.attachments.present += 1;
            self.attachments.bytes += file.size;
            self.filestore.push((file, place));
        } else if self.attachments.missing.len() < REPORTED {
            let short = name.strip_prefix(FILESTORE).unwrap_or(name).trim_start_matches('/').to_owned();
            self.attachments.missing.push(short);
        }
    }
}

/// Reads entries to their ends.
struct Reading<'a> {
    buffer: Vec<u8>,
    done: u64,
    total: u64,
    progress: &'a dyn Fn(Progress),
    cancel: &'a CancellationToken,
}

impl Reading<'_> {
    fn read(
        &mut self,
        name: &str,
        record: &Record,
        entry: &mut Unpacked,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ArchiveError> {
        let damaged = |cause: String| ArchiveError::Damaged { name: name.to_owned(), cause };
        let mut crc = crc32fast::Hasher::new();
        let mut count = 0;
        loop {
            if self.cancel.is_cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            let read = entry.read(&mut self.buffer).map_err(|error| damaged(error.to_string()))?;
            count += read as u64;
            if count > record.size || (read == 0 && count < record.size) {
                return Err(damaged(format!("{count} bytes, where the zip says {}", record.size)));
            }
            if read == 0 {
                break;
            }
            let bytes = &self.buffer[..read];
            crc.update(bytes);
            see(bytes);
            (self.progress)(Progress { done_bytes: self.done + count, total_bytes: Some(self.total) });
        }
        if crc.finalize() == record.crc { Ok(()) } else { Err(damaged("its checksum is another".to_owned())) }
    }
}
