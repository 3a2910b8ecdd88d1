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
    content::{NewBackup, OpenContent, OpenFilestore, attachment_sha1},
    errors::StorageError,
    guarded::{Announced, Pending},
    inventory::{Inventory, Place},
    ledger::{Fate, Ledger},
    snapshots::{self, Stored},
};

type Indexed = Repository<IndexedFullStatus>;

/// What the newest backup that has files of attachments spares this one: those need not be read again.
pub(super) struct Parent {
    pub(super) snapshot: Option<String>,
    /// A fate for each attachment of the inventory.
    pub(super) fates: Vec<Fate>,
}

impl Parent {
    /// Whether a file is taken over is decided by the library, which compares its size; the checksum is that of the
    /// content that the name tells, in whichever backup.
    pub(super) fn newest(repo: &Indexed, known: &[Stored], inventory: &Inventory) -> Self {
        let newest = known
            .iter()
            .filter(|stored| stored.backup.format == BackupFormat::Zip)
            .max_by_key(|stored| stored.backup.created_at);
        let mut fates = vec![Fate::Waiting; inventory.attachment_count()];
        let Some(newest) = newest else { return Self { snapshot: None, fates } };
        let is_table = snapshots::each_checksum(repo, &newest.snapshot, |path, crc| {
            if let Some(place) = attachment_sha1(path).and_then(|sha1| inventory.attachment(&sha1)) {
                fates[place] = Fate::Known(crc);
            }
        });
        // A damaged one must not keep a new backup from being made: it then reads all files.
        let is_table = is_table.unwrap_or_else(|error| {
            tracing::warn!(backup.id = %newest.backup.id, error = %error, "The previous backup cannot be read: {error}");
            false
        });
        if !is_table {
            fates.fill(Fate::Waiting);
            return Self { snapshot: None, fates };
        }
        Self { snapshot: Some(newest.snapshot.id.to_hex().as_str().to_owned()), fates }
    }
}

type Entry = ReadSourceEntry<Announced>;

/// What is announced to the library, one entry at a time, so that a million files need little memory.
pub(super) struct Announcement {
    inventory: Arc<Inventory>,
    ledger: Arc<Ledger>,
    files: std::vec::IntoIter<OpenContent>,
    filestore: OpenFilestore,
    may_lack_files: bool,
    next: usize,
    now: Timestamp,
    format: BackupFormat,
}

impl Announcement {
    pub(super) fn new(
        inventory: &Arc<Inventory>,
        ledger: &Arc<Ledger>,
        files: Vec<OpenContent>,
        filestore: OpenFilestore,
        may_lack_files: bool,
        backup: &NewBackup,
    ) -> Result<Self, StorageError> {
        let now = Timestamp::from_second(backup.created_at.timestamp())
            .map_err(|error| StorageError::Internal(format!("the backup's time is none: {error}")))?;
        Ok(Self {
            inventory: Arc::clone(inventory),
            ledger: Arc::clone(ledger),
            files: files.into_iter(),
            filestore,
            may_lack_files,
            next: 0,
            now,
            format: backup.format,
        })
    }

    fn opener(&mut self, place: Place) -> Option<OpenContent> {
        match place {
            Place::File(_) => self.files.next(),
            Place::Attachment(file) => {
                let (open, sha1) = (Arc::clone(&self.filestore), self.inventory.sha1(place)?);
                Some(Box::new(move || open(file, &sha1)))
            }
        }
    }

    fn entry(&mut self, place: Place) -> Option<Entry> {
        let open = self.opener(place)?;
        // A file whose name tells its content has no time of its own: that is how the library knows it again. All others
        // are announced as empty, which they are in no backup: two made in the same second must not pass for one.
        let (size, time, may_be_missing) = match place {
            Place::Attachment(_) => {
                (self.inventory.size(place).unwrap_or(0), Timestamp::UNIX_EPOCH, self.may_lack_files)
            }
            Place::File(_) => (0, self.now, false),
        };
        let path = self.inventory.path(place);
        let node = node(&path, size, time);
        let (inventory, ledger) = (Arc::clone(&self.inventory), Arc::clone(&self.ledger));
        let open = if self.ledger.is_known(place) {
            Announced::Known(Box::new(move || Box::new(Pending::new(place, open, may_be_missing, inventory, ledger))))
        } else {
            Announced::File(Box::new(Pending::new(place, open, may_be_missing, inventory, ledger)))
        };
        Some(Entry { path: PathBuf::from(&*path), node, open: Some(open) })
    }

    fn checksums(&self) -> Entry {
        let open = Some(Announced::Checksums(Arc::clone(&self.inventory), Arc::clone(&self.ledger)));
        Entry { path: CHECKSUMS.into(), node: node(CHECKSUMS, 0, self.now), open }
    }
}

impl Iterator for Announcement {
    type Item = RusticResult<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let nth = self.next;
        self.next += 1;
        match self.inventory.place(nth) {
            Some(place) => self.entry(place).map(Ok),
            None if self.format == BackupFormat::Zip && nth == self.inventory.count() => Some(Ok(self.checksums())),
            None => None,
        }
    }
}

fn node(path: &str, size: u64, time: Timestamp) -> Node {
    let name = path.rsplit('/').next().unwrap_or(path);
    let meta = Metadata { mode: Some(0o644), mtime: Some(time), size, ..Metadata::default() };
    Node::new_node(name.as_ref(), NodeType::File, meta)
}
