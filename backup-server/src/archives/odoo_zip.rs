//! Checks a staged Odoo zip to its last byte, and reads its files in the order that storage needs.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use backup_api::{Attachments, Progress};
use flate2::read::DeflateDecoder;
use sha1::{Digest, Sha1};
use tokio_util::sync::CancellationToken;
use zip::{CompressionMethod, ZipArchive, read::ZipFile, result::ZipError};

use super::{ArchiveError, DumpTail, Limits, Manifest, end_record::announced_entries, names::Role};
use crate::repositories::{Content, ContentFile, FILESTORE, Filestore, FilestoreFile, MANIFEST, PLAIN_DUMP};

/// Names that are reported, at most.
const REPORTED: usize = 100;
/// A manifest is a list of modules; the largest seen has 60 kB.
const LARGEST_MANIFEST: u64 = 16 << 20;
/// A zip's local header up to the name.
const LOCAL_HEADER: usize = 30;

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
    dump: Option<Place>,
    odoos_manifest: Option<Place>,
    /// Sorted by SHA-1 in the end.
    filestore: Vec<([u8; 20], Place)>,
}

/// Where an entry's bytes lie.
#[derive(Clone, Copy, Debug)]
struct Place {
    header: u64,
    packed: u64,
    size: u64,
    deflated: bool,
}

type Zip = ZipArchive<BufReader<File>>;

impl OdooZip {
    /// Reads all of the zip at `path` and checks it: end record, names, sizes, every CRC, the SHA-1 of every filestore
    /// file, and that `dump.sql` is a whole `pg_dump`. Blocks.
    pub fn check(
        path: &Path,
        limits: Limits,
        progress: &dyn Fn(Progress),
        cancel: &CancellationToken,
    ) -> Result<Self, ArchiveError> {
        let file = File::open(path).map_err(ArchiveError::Read)?;
        let bytes = file.metadata().map_err(ArchiveError::Read)?.len();
        // The directory is held in memory: what is too much of it is not read at all.
        let announced = announced_entries(&file).map_err(ArchiveError::Read)?.unwrap_or(0);
        check_entries(announced, limits)?;
        let mut zip =
            ZipArchive::new(BufReader::new(file)).map_err(|error| ArchiveError::NotAZip(error.to_string()))?;
        let total = check_shape(&mut zip, bytes, limits)?;
        let mut found = Self {
            manifest: None,
            attachments: Attachments::default(),
            ignored: Vec::new(),
            path: path.into(),
            dump: None,
            odoos_manifest: None,
            filestore: Vec::new(),
        };
        let mut done = 0;
        for index in 0..zip.len() {
            let entry = zip.by_index(index).map_err(unreadable)?;
            let mut reading = Reading { done, total, progress, cancel };
            done += entry.size();
            found.take_entry(entry, &mut reading)?;
        }
        if found.dump.is_none() {
            return Err(ArchiveError::NoDump);
        }
        found.filestore.sort_unstable_by_key(|(sha1, _)| *sha1);
        Ok(found)
    }

    /// Its `dump.sql`, to be read.
    pub fn open_dump(&self) -> io::Result<Box<dyn Read + Send>> {
        self.dump.ok_or(io::ErrorKind::NotFound)?.open(&self.path)
    }

    /// Bytes of its `dump.sql`.
    pub fn dump_bytes(&self) -> u64 {
        self.dump.map_or(0, |place| place.size)
    }

    /// Its files, to be ingested; the zip must stay where it is until then.
    pub fn into_content(self) -> Content {
        let file = |(name, place): (&str, Option<Place>)| {
            let (place, path) = (place?, Arc::clone(&self.path));
            Some(ContentFile {
                path: name.to_owned(),
                size: Some(place.size),
                open: Box::new(move || place.open(&path)),
            })
        };
        let files = [(PLAIN_DUMP, self.dump), (MANIFEST, self.odoos_manifest)].into_iter().filter_map(file).collect();
        let (files_of_attachments, places): (Vec<_>, Vec<_>) =
            self.filestore.into_iter().map(|(sha1, place)| (FilestoreFile { sha1, size: place.size }, place)).unzip();
        let path = self.path;
        let filestore = Filestore {
            files: files_of_attachments,
            open: Arc::new(move |place, _| places.get(place).ok_or(io::ErrorKind::NotFound)?.open(&path)),
            may_lack_files: false,
        };
        Content { files, filestore }
    }

    fn take_entry<R: Read>(
        &mut self,
        mut entry: ZipFile<'_, R>,
        reading: &mut Reading<'_>,
    ) -> Result<(), ArchiveError> {
        let name = entry.name().map_err(|_| refused("a name in it is no text"))?.into_owned();
        let role = Role::of(&name);
        if role == Role::Hostile || entry.is_symlink() {
            return Err(refused(&format!("“{}” points outside of it", name.escape_debug())));
        }
        if entry.encrypted() {
            return Err(refused(&format!("“{name}” is encrypted")));
        }
        let deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            method => return Err(refused(&format!("“{name}” is packed with {method}"))),
        };
        let place =
            Place { header: entry.header_start(), packed: entry.compressed_size(), size: entry.size(), deflated };
        match role {
            Role::Dump => {
                let mut tail = DumpTail::default();
                reading.read(&name, &mut entry, &mut |bytes| tail.see(bytes))?;
                if !tail.is_complete() {
                    return Err(ArchiveError::TruncatedDump);
                }
                self.dump = Some(place);
            }
            Role::Manifest => {
                let mut json = Vec::new();
                let fits = place.size <= LARGEST_MANIFEST;
                reading.read(&name, &mut entry, &mut |bytes| {
                    if fits {
                        json.extend_from_slice(bytes);
                    }
                })?;
                self.manifest = Manifest::parse(&json);
                self.odoos_manifest = Some(place);
            }
            Role::Attachment(sha1) => {
                let mut hash = Sha1::new();
                reading.read(&name, &mut entry, &mut |bytes| hash.update(bytes))?;
                self.take_attachment(&name, sha1, place, <[u8; 20]>::from(hash.finalize()) == sha1);
            }
            Role::Marker | Role::Foreign | Role::Hostile => {
                reading.read(&name, &mut entry, &mut |_| ())?;
                if role == Role::Foreign && self.ignored.len() < REPORTED {
                    self.ignored.push(name);
                }
            }
        }
        Ok(())
    }

    fn take_attachment(&mut self, name: &str, sha1: [u8; 20], place: Place, is_whole: bool) {
        self.attachments.expected += 1;
        if is_whole {
            self.attachments.present += 1;
            self.attachments.bytes += place.size;
            self.filestore.push((sha1, place));
        } else if self.attachments.missing.len() < REPORTED {
            let short = name.strip_prefix(FILESTORE).unwrap_or(name).trim_start_matches('/').to_owned();
            self.attachments.missing.push(short);
        }
    }
}

fn refused(why: &str) -> ArchiveError {
    ArchiveError::Refused(why.to_owned())
}

fn unreadable(error: ZipError) -> ArchiveError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => refused("an entry in it is encrypted"),
        error => ArchiveError::NotAZip(error.to_string()),
    }
}

fn check_entries(entries: u64, limits: Limits) -> Result<(), ArchiveError> {
    if entries > limits.entries {
        return Err(ArchiveError::TooLarge(format!("it has {entries} entries, allowed are {}", limits.entries)));
    }
    Ok(())
}

/// What can be seen without unpacking. Returns the bytes that unpacking gives.
fn check_shape(zip: &mut Zip, bytes: u64, limits: Limits) -> Result<u64, ArchiveError> {
    check_entries(zip.len() as u64, limits)?;
    let mut sizes = (0..zip.len()).map(|index| zip.by_index_data(index).map(|entry| entry.size()));
    let total = sizes
        .try_fold(0_u64, |sum, size| size.map(|size| sum.saturating_add(size)))
        .map_err(|error| ArchiveError::NotAZip(error.to_string()))?;
    if total > limits.bytes {
        return Err(ArchiveError::TooLarge(format!("it unpacks to {total} bytes, allowed are {}", limits.bytes)));
    }
    if total / limits.ratio.max(1) > bytes {
        return Err(ArchiveError::TooLarge(format!("{bytes} bytes would unpack to {total}")));
    }
    if zip.has_duplicate_names() {
        return Err(refused("it has two entries of one name"));
    }
    match zip.has_overlapping_entries() {
        Ok(false) if zip.offset() == 0 => Ok(total),
        Ok(false) => Err(refused("something stands before it")),
        Ok(true) => Err(refused("its entries overlap")),
        Err(error) => Err(ArchiveError::NotAZip(error.to_string())),
    }
}

/// Reads entries to their ends.
struct Reading<'a> {
    done: u64,
    total: u64,
    progress: &'a dyn Fn(Progress),
    cancel: &'a CancellationToken,
}

impl Reading<'_> {
    fn read(
        &mut self,
        name: &str,
        entry: &mut ZipFile<'_, impl Read>,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ArchiveError> {
        let damaged = |cause: String| ArchiveError::Damaged { name: name.to_owned(), cause };
        let announced = entry.size();
        let mut buffer = vec![0; 128 * 1024];
        let mut count = 0;
        loop {
            if self.cancel.is_cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            let read = entry.read(&mut buffer).map_err(|error| damaged(error.to_string()))?;
            count += read as u64;
            if count > announced || (read == 0 && count < announced) {
                return Err(damaged(format!("{count} bytes, where the zip says {announced}")));
            }
            if read == 0 {
                return Ok(());
            }
            see(&buffer[..read]);
            (self.progress)(Progress { done_bytes: self.done + count, total_bytes: Some(self.total) });
        }
    }
}

impl Place {
    fn open(self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(path)?;
        let mut header = [0; LOCAL_HEADER];
        file.read_exact_at(&mut header, self.header)?;
        let length = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
        file.seek(SeekFrom::Start(self.header + LOCAL_HEADER as u64 + length(26) + length(28)))?;
        let packed = BufReader::with_capacity(64 * 1024, file.take(self.packed));
        Ok(if self.deflated { Box::new(DeflateDecoder::new(packed).take(self.size)) } else { Box::new(packed) })
    }
}
