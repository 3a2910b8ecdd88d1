//! Reads single files of a backup: what a restore needs.

use std::{
    io::{self, Write},
    pin::Pin,
    sync::Arc,
};

use backup_api::{Backup, BackupFormat};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use rustic_core::{IndexedFullStatus, Repository, repofile::SnapshotFile};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedRwLockReadGuard, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    checksums::CHECKSUMS,
    content::{MANIFEST, attachment_sha1},
    errors::StorageError,
    export::{PIECE, QUEUE, read_pieces},
    ingest::dump_name,
    parts::Pieces,
    snapshots,
};

/// Bytes of a file, in order. Ends with an error when they cannot be read or are damaged, never early without one.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A backup whose files can be read. While there is one, nothing in its repository is pruned. Cheap to clone.
#[derive(Clone)]
pub struct BackupReader {
    inner: Arc<Inner>,
}

struct Inner {
    repo: Repository<IndexedFullStatus>,
    backup: Backup,
    dump: StoredFile,
    manifest: Option<StoredFile>,
    attachments: Vec<StoredAttachment>,
    _shared: OwnedRwLockReadGuard<()>,
}

/// Where a file's bytes are.
struct StoredFile {
    pieces: Pieces,
    size: u64,
}

/// A file of an attachment; there may be a million of them.
struct StoredAttachment {
    sha1: [u8; 20],
    file: StoredFile,
}

impl BackupReader {
    /// Finds the files and their places. Blocks.
    pub(super) fn new(
        repo: Repository<IndexedFullStatus>,
        snapshot: &SnapshotFile,
        backup: Backup,
        shared: OwnedRwLockReadGuard<()>,
    ) -> Result<Self, StorageError> {
        // Room for all at once: a list that grows is copied, and is there twice meanwhile.
        let present = backup.attachments.as_ref().map_or(0, |attachments| attachments.present);
        let mut attachments = Vec::with_capacity(usize::try_from(present).unwrap_or(0));
        let (mut dump, mut manifest) = (None, None);
        snapshots::each_file(&repo, &snapshots::root(&repo, snapshot)?, |name, node| {
            if name == CHECKSUMS {
                return Ok(());
            }
            let size = snapshots::stored_size(&repo, &node)?;
            let file = StoredFile { pieces: Pieces::new(node.content), size };
            match attachment_sha1(name) {
                Some(sha1) => attachments.push(StoredAttachment { sha1, file }),
                None if name == dump_name(backup.format) => dump = Some(file),
                None if name == MANIFEST => manifest = Some(file),
                // Whatever else a repository may hold is no part of a restore.
                None => {}
            }
            Ok(())
        })?;
        let dump = dump.filter(|file| file.size == backup.dump_bytes);
        let dump = dump.ok_or_else(|| {
            let name = dump_name(backup.format);
            StorageError::Damaged(format!("the backup has no {name} of {} bytes", backup.dump_bytes))
        })?;
        Ok(Self { inner: Arc::new(Inner { repo, backup, dump, manifest, attachments, _shared: shared }) })
    }

    /// The backup itself.
    pub fn backup(&self) -> &Backup {
        &self.inner.backup
    }

    /// The dump as it is stored: plain SQL, or `pg_dump`'s custom format. It ends with an error unless its SHA-256 is the
    /// one that was noted when the backup was made.
    pub fn dump(&self) -> ByteStream {
        let mut bytes = self.stream(|inner| &inner.dump);
        let expected = self.inner.backup.dump_sha256.clone();
        Box::pin(async_stream::try_stream! {
            let mut digest = Sha256::new();
            while let Some(piece) = bytes.next().await {
                let piece = piece?;
                digest.update(&piece);
                yield piece;
            }
            if hex::encode(digest.finalize()) != expected {
                Err(io::Error::other("the dump in the repository is not the one that was stored; verify the repository"))?;
            }
        })
    }

    /// Whether the dump is in `pg_dump`'s custom format.
    pub fn is_custom(&self) -> bool {
        self.inner.backup.format == BackupFormat::Dump
    }

    /// Odoo's `manifest.json`, if the backup has one.
    pub fn manifest(&self) -> Option<ByteStream> {
        self.inner.manifest.as_ref()?;
        Some(self.stream(|inner| inner.manifest.as_ref().unwrap_or(&inner.dump)))
    }

    /// How many files of attachments there are.
    pub fn attachment_count(&self) -> usize {
        self.inner.attachments.len()
    }

    /// The SHA-1, which is also the name, and the size of an attachment's file; places count from 0.
    pub fn attachment(&self, place: usize) -> Option<([u8; 20], u64)> {
        self.inner.attachments.get(place).map(|attachment| (attachment.sha1, attachment.file.size))
    }

    /// Writes an attachment's file. Blocks.
    pub fn copy_attachment(&self, place: usize, to: &mut impl Write) -> io::Result<()> {
        let attachment = self.inner.attachments.get(place).ok_or(io::ErrorKind::NotFound)?;
        read_pieces(&self.inner.repo, attachment.file.pieces.as_slice(), to)
    }

    fn stream(&self, file: impl FnOnce(&Inner) -> &StoredFile + Send + 'static) -> ByteStream {
        let (to, from) = mpsc::channel(QUEUE);
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || {
            let mut pipe = Pipe { to, piece: Vec::with_capacity(PIECE) };
            let read = read_pieces(&inner.repo, file(&inner).pieces.as_slice(), &mut pipe).and_then(|()| pipe.flush());
            if let Err(error) = read {
                // Nobody hears it when the reader has gone away, which is then the reason.
                let _ = pipe.to.blocking_send(Err(error));
            }
        });
        Box::pin(ReceiverStream::new(from))
    }
}

/// Sends what is written in pieces.
struct Pipe {
    to: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.to.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
