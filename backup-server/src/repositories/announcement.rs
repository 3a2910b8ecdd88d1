//! Announces a backup's files to the storage library: in its order, and which of them the previous backup holds.

use std::{path::PathBuf, sync::Arc};

use backup_api::BackupFormat;
use rustic_core::{
    IndexedFullStatus, ReadSourceEntry, Repository, RusticResult,
    jiff::Timestamp,
    repofile::{Metadata, Node, NodeType},
};

use super::{
    checksums::CHECKSUMS,
    content::{Content, ContentFile, NewBackup, attachment_sha1},
    errors::StorageError,
    guarded::{Announced, Pending, Promise, Waiting},
    ingest::dump_name,
    ledger::Ledger,
    snapshots::{self, Stored},
};

type Indexed = Repository<IndexedFullStatus>;

/// Sorted as the library needs it: by path component, depth first. Otherwise it makes a folder twice.
pub(super) fn in_order(content: Content, format: BackupFormat) -> Result<Vec<ContentFile>, StorageError> {
    let mut files = content.files;
    files.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    let bad = |path: &str| path == CHECKSUMS || path.split('/').any(|part| matches!(part, "" | "." | ".."));
    if let Some(file) = files.iter().find(|file| bad(&file.path)) {
        return Err(StorageError::Internal(format!("“{}” cannot be the name of a file in a backup", file.path)));
    }
    if let Some(pair) = files.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(StorageError::Internal(format!("“{}” was announced twice", pair[0].path)));
    }
    let dump = dump_name(format);
    if !files.iter().any(|file| file.path == dump && !file.may_be_missing) {
        return Err(StorageError::Internal(format!("no {dump} was announced")));
    }
    Ok(files)
}

/// The newest backup that has files of attachments: those need not be read again.
#[derive(Default)]
pub(super) struct Parent {
    pub(super) snapshot: Option<String>,
    /// SHA-1, size and CRC-32, sorted.
    attachments: Vec<([u8; 20], u64, u32)>,
}

impl Parent {
    pub(super) fn newest(repo: &Indexed, known: &[Stored]) -> Result<Self, StorageError> {
        let newest = known
            .iter()
            .filter(|stored| stored.backup.format == BackupFormat::Zip)
            .max_by_key(|stored| stored.backup.created_at);
        let Some(newest) = newest else { return Ok(Self::default()) };
        let Some(sums) = snapshots::checksums(repo, &newest.snapshot)? else { return Ok(Self::default()) };
        let root = snapshots::root(repo, &newest.snapshot)?;
        let mut attachments = Vec::new();
        snapshots::each_file(repo, &root, |path, node| {
            if let (Some(sha1), Some(crc)) = (attachment_sha1(path), sums.get(path)) {
                attachments.push((sha1, node.meta.size, crc));
            }
            Ok(())
        })?;
        attachments.sort_unstable();
        Ok(Self { snapshot: Some(newest.snapshot.id.to_hex().as_str().to_owned()), attachments })
    }

    fn crc_of(&self, file: &ContentFile) -> Option<u32> {
        let sha1 = file.sha1.filter(|sha1| attachment_sha1(&file.path) == Some(*sha1))?;
        let place = self.attachments.binary_search_by_key(&sha1, |(sha1, ..)| *sha1).ok()?;
        let (_, size, crc) = self.attachments[place];
        (file.size == Some(size)).then_some(crc)
    }
}

type Entry = ReadSourceEntry<Announced>;

/// What is announced to the library, one entry at a time, so that a million files need little memory.
pub(super) struct Announcement {
    files: std::vec::IntoIter<Waiting>,
    pub(super) promises: Arc<Vec<Promise>>,
    place: u32,
    now: Timestamp,
    format: BackupFormat,
    ledger: Arc<Ledger>,
}

impl Announcement {
    pub(super) fn new(
        files: Vec<ContentFile>,
        backup: &NewBackup,
        parent: &Parent,
        ledger: &Arc<Ledger>,
    ) -> Result<Self, StorageError> {
        let now = Timestamp::from_second(backup.created_at.timestamp())
            .map_err(|error| StorageError::Internal(format!("the backup's time is none: {error}")))?;
        let mut promises = Vec::with_capacity(files.len());
        let (mut dump, mut filestore) = (None, 0);
        let mut waiting = Vec::with_capacity(files.len());
        for file in files {
            let crc = parent.crc_of(&file);
            if file.path == dump_name(backup.format) {
                dump = file.size;
            } else if crc.is_none() {
                filestore += file.size.unwrap_or(0);
            }
            let ContentFile { path, size, sha1, open, may_be_missing } = file;
            promises.push(Promise::new(path, size, crc));
            waiting.push(Waiting { sha1, open, may_be_missing });
        }
        ledger.announce(dump, filestore);
        let (promises, ledger) = (Arc::new(promises), Arc::clone(ledger));
        Ok(Self { files: waiting.into_iter(), promises, place: 0, now, format: backup.format, ledger })
    }

    fn file(&self, file: Waiting, place: u32) -> Entry {
        let promise = &self.promises[place as usize];
        // A file whose name tells its content has no time of its own: that is how the library knows it again. All others
        // are announced as empty, which they are in no backup: two made in the same second must not pass for one.
        let (size, time) = match file.sha1 {
            Some(_) => (promise.size.unwrap_or(0), Timestamp::UNIX_EPOCH),
            None => (0, self.now),
        };
        let path = promise.path();
        let node = node(&path, size, time);
        let is_dump = path == dump_name(self.format);
        let (promises, ledger) = (Arc::clone(&self.promises), Arc::clone(&self.ledger));
        let open = match promise.crc {
            Some(_) => {
                Announced::Known(Box::new(move || Box::new(Pending::new(file, place, promises, is_dump, ledger))))
            }
            None => Announced::File(Box::new(Pending::new(file, place, promises, is_dump, ledger))),
        };
        Entry { path: PathBuf::from(&*path), node, open: Some(open) }
    }

    fn checksums(&self) -> Entry {
        let open = Some(Announced::Checksums(Arc::clone(&self.ledger), Arc::clone(&self.promises)));
        Entry { path: CHECKSUMS.into(), node: node(CHECKSUMS, 0, self.now), open }
    }
}

impl Iterator for Announcement {
    type Item = RusticResult<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let place = self.place;
        self.place += 1;
        match self.files.next() {
            Some(file) => Some(Ok(self.file(file, place))),
            None if self.format == BackupFormat::Zip && place as usize == self.promises.len() => {
                Some(Ok(self.checksums()))
            }
            None => None,
        }
    }
}

fn node(path: &str, size: u64, time: Timestamp) -> Node {
    let name = path.rsplit('/').next().unwrap_or(path);
    let meta = Metadata { mode: Some(0o644), mtime: Some(time), size, ..Metadata::default() };
    Node::new_node(name.as_ref(), NodeType::File, meta)
}
