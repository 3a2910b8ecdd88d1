//! The files of a stored backup, and where their bytes are.

use std::borrow::Cow;

use backup_api::{Backup, BackupFormat};
use rustic_core::{
    DataId, IndexedFullStatus, Repository,
    repofile::{Node, SnapshotFile},
};

use super::{
    checksums::CHECKSUMS,
    content::{attachment_path, attachment_sha1},
    errors::{During, StorageError},
    ingest::dump_name,
    layout::{LAST, rank, stored_length},
    snapshots,
};

type Indexed = Repository<IndexedFullStatus>;

/// A file of the backup. There may be a million of them.
pub(super) struct Part {
    pub(super) name: Name,
    pub(super) pieces: Pieces,
    pub(super) size: u64,
    /// What the table of checksums says.
    pub(super) crc: Option<u32>,
}

/// A path in the backup; an attachment's is told by its SHA-1, which takes a third of the memory.
pub(super) enum Name {
    Attachment([u8; 20]),
    Other(Box<str>),
}

impl Name {
    fn new(path: &str) -> Self {
        attachment_sha1(path).map_or_else(|| Self::Other(path.into()), Self::Attachment)
    }

    pub(super) fn path(&self) -> Cow<'_, str> {
        match self {
            Self::Attachment(sha1) => Cow::Owned(attachment_path(sha1)),
            Self::Other(path) => Cow::Borrowed(path),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Attachment(_) => LAST,
            Self::Other(path) => rank(path),
        }
    }
}

impl Part {
    fn new(name: &str, node: Node, repo: &Indexed) -> Result<Self, StorageError> {
        let size = snapshots::stored_size(repo, &node)?;
        Ok(Self { name: Name::new(name), pieces: Pieces::new(node.content), size, crc: None })
    }
}

/// The pieces of a file, in order. Of almost all attachments there is one, and there may be a million of them.
pub(super) enum Pieces {
    One(DataId),
    Many(Box<[DataId]>),
}

impl Pieces {
    pub(super) fn new(content: Option<Vec<DataId>>) -> Self {
        match content.unwrap_or_default() {
            pieces if pieces.len() == 1 => Self::One(pieces[0]),
            pieces => Self::Many(pieces.into()),
        }
    }

    pub(super) const fn as_slice(&self) -> &[DataId] {
        match self {
            Self::One(piece) => std::slice::from_ref(piece),
            Self::Many(pieces) => pieces,
        }
    }
}

/// The one file of a dump.
pub(super) fn dump_part(repo: &Indexed, snapshot: &SnapshotFile) -> Result<Part, StorageError> {
    let name = dump_name(BackupFormat::Dump);
    Part::new(name, repo.node_from_snapshot_and_path(snapshot, name).during("read")?, repo)
}

/// The files of a zip, in its order.
pub(super) fn zip_parts(repo: &Indexed, snapshot: &SnapshotFile, backup: &Backup) -> Result<Vec<Part>, StorageError> {
    // Room for all at once: a list that grows is copied, and is there twice meanwhile.
    let attachments = backup.attachments.as_ref().map_or(0, |attachments| attachments.present);
    let mut parts = Vec::with_capacity(usize::try_from(attachments).unwrap_or(0) + 2);
    snapshots::each_file(repo, &snapshots::root(repo, snapshot)?, |name, node| {
        if name != CHECKSUMS {
            parts.push(Part::new(name, node, repo)?);
        }
        Ok(())
    })?;
    add_checksums(&mut parts, repo, snapshot)?;
    let mut first: Vec<_> = parts.extract_if(.., |part| part.name.rank() < LAST).collect();
    first.sort_by_key(|part| part.name.rank());
    parts.splice(0..0, first);
    Ok(parts)
}

/// The table has its lines in the order of the files.
fn add_checksums(parts: &mut [Part], repo: &Indexed, snapshot: &SnapshotFile) -> Result<(), StorageError> {
    let mut unnamed = parts.iter_mut().peekable();
    let is_table = snapshots::each_checksum(repo, snapshot, |path, crc| {
        if let Some(part) = unnamed.next_if(|part| part.name.path() == path) {
            part.crc = Some(crc);
        }
    })?;
    match unnamed.next() {
        _ if !is_table => Err(StorageError::Damaged(format!("{CHECKSUMS} cannot be read"))),
        Some(part) => Err(StorageError::Damaged(format!("{CHECKSUMS} does not name “{}”", part.name.path()))),
        None => Ok(()),
    }
}

/// Bytes of the stored file that is made of them.
pub(super) fn total(parts: &[Part], format: BackupFormat) -> u64 {
    match format {
        BackupFormat::Dump => parts.iter().map(|part| part.size).sum(),
        BackupFormat::Zip => stored_length(parts.iter().map(|part| (part.name.path().len(), part.size))),
    }
}
