//! Reads a backup as the file that a download gives: an ordinary Odoo zip, or the dump.
//!
//! A blocking thread reads and packs; the receiver takes pieces from a short queue. When the receiver is gone the
//! thread stops at the next piece.

use std::{
    io::{self, Write},
    num::NonZeroU64,
    ops::Range,
};

use backup_api::{Backup, BackupFormat, LinkCompression};
use bytes::Bytes;
use flate2::{Compression, write::DeflateEncoder};
use rustic_core::{
    DataId, IndexedFullStatus, Repository, RusticResult,
    repofile::{BlobType, Node, SnapshotFile},
};
use tokio::sync::mpsc::Sender;

use super::{
    errors::StorageError,
    layout::{Packing, ZipEntry, end_records},
    parts::{Part, dump_part, total, zip_parts},
};

type Indexed = Repository<IndexedFullStatus>;

/// Bytes of a piece on its way to the receiver.
pub(super) const PIECE: usize = 128 * 1024;
/// Pieces that wait for the receiver.
pub(super) const QUEUE: usize = 8;
/// Quick, and not far from the best.
const DEFLATE_LEVEL: u32 = 3;

/// Bytes that deflate made of an entry; `None` for one that is stored as it is.
type Deflated = Option<NonZeroU64>;

/// An export, ready to be read.
pub(super) struct Plan {
    repo: Indexed,
    backup: Backup,
    parts: Vec<Part>,
    packing: Packing,
    range: Range<u64>,
}

impl Plan {
    /// Finds the files and their places. Blocks.
    pub(super) fn new(
        repo: Indexed,
        snapshot: &SnapshotFile,
        backup: Backup,
        compression: LinkCompression,
        range: Option<Range<u64>>,
    ) -> Result<Self, StorageError> {
        let parts = match backup.format {
            BackupFormat::Dump => vec![dump_part(&repo, snapshot)?],
            BackupFormat::Zip => zip_parts(&repo, snapshot, &backup)?,
        };
        let packing = match (backup.format, compression) {
            (BackupFormat::Zip, LinkCompression::Deflated) => Packing::Deflated,
            _ => Packing::Stored,
        };
        let total = total(&parts, backup.format);
        if total != backup.size_bytes {
            return Err(StorageError::Damaged(format!(
                "backup {} has {total} bytes, not {}",
                backup.id, backup.size_bytes
            )));
        }
        let range = match (packing, range) {
            (Packing::Stored, Some(range)) if range.start > range.end || range.end > total => {
                return Err(StorageError::OutOfRange(total));
            }
            (Packing::Stored, Some(range)) => range,
            (Packing::Stored, None) => 0..total,
            (Packing::Deflated, _) => 0..u64::MAX,
        };
        Ok(Self { repo, backup, parts, packing, range })
    }

    /// Bytes of the whole file, where known.
    pub(super) fn total(&self) -> Option<u64> {
        (self.packing == Packing::Stored).then_some(self.backup.size_bytes)
    }

    /// Bytes that will be sent, where known.
    pub(super) fn length(&self) -> Option<u64> {
        (self.packing == Packing::Stored).then_some(self.range.end - self.range.start)
    }

    pub(super) fn backup(&self) -> &Backup {
        &self.backup
    }

    /// Reads everything and sends it. Blocks; stops when the receiver is gone.
    pub(super) fn run(self, to: Sender<io::Result<Bytes>>) {
        let mut outlet = Outlet { to, piece: Vec::with_capacity(PIECE), at: 0, range: self.range.clone() };
        let done = match self.backup.format {
            BackupFormat::Dump => self.parts.iter().try_for_each(|part| copy(&self.repo, part, &mut outlet)),
            BackupFormat::Zip => self.zip(&mut outlet),
        };
        let done = done.and_then(|()| outlet.flush());
        match done {
            Ok(()) => {}
            Err(_) if outlet.to.is_closed() => tracing::info!(backup.id = %self.backup.id, "A download was broken off"),
            Err(error) => {
                tracing::error!(backup.id = %self.backup.id, error = %error, "A download failed: {error}");
                // The receiver must not take what it has for the whole.
                let _ = outlet.to.blocking_send(Err(error));
            }
        }
    }

    fn zip(&self, outlet: &mut Outlet) -> io::Result<()> {
        // Of a zip whose entries are all stored, which may have a million, nothing is noted.
        let mut deflated: Vec<Deflated> = Vec::new();
        for part in &self.parts {
            if outlet.is_done() {
                return Ok(());
            }
            match self.packing {
                Packing::Stored => self.stored_entry(part, outlet)?,
                Packing::Deflated if !compresses(&self.repo, part) => {
                    self.stored_entry(part, outlet)?;
                    deflated.push(None);
                }
                Packing::Deflated => deflated.push(self.deflated_entry(part, outlet)?),
            }
        }
        self.directory(&deflated, outlet)
    }

    fn stored_entry(&self, part: &Part, outlet: &mut Outlet) -> io::Result<()> {
        let header = part.entry(&part.name.path(), None, outlet.at).local_header(self.backup.created_at);
        outlet.write_all(&header)?;
        copy(&self.repo, part, outlet)
    }

    fn deflated_entry(&self, part: &Part, outlet: &mut Outlet) -> io::Result<Deflated> {
        let name = part.name.path();
        // How many bytes it will have stands behind them.
        let mut entry = part.entry(&name, NonZeroU64::new(part.size), outlet.at);
        outlet.write_all(&entry.local_header(self.backup.created_at))?;
        let start = outlet.at;
        let mut packer = DeflateEncoder::new(&mut *outlet, Compression::new(DEFLATE_LEVEL));
        read_pieces(&self.repo, part.pieces.as_slice(), &mut packer)?;
        packer.finish()?;
        entry.packed = outlet.at - start;
        outlet.write_all(&entry.descriptor())?;
        Ok(NonZeroU64::new(entry.packed))
    }

    /// The central directory and the end. An entry's offset follows from those before it.
    fn directory(&self, deflated: &[Deflated], outlet: &mut Outlet) -> io::Result<()> {
        let (start, mut offset) = (outlet.at, 0);
        for (nth, part) in self.parts.iter().enumerate() {
            let name = part.name.path();
            let entry = part.entry(&name, deflated.get(nth).copied().flatten(), offset);
            outlet.write_all(&entry.central_header(self.backup.created_at))?;
            offset += entry.whole_length();
        }
        debug_assert_eq!(offset, start, "the directory begins where the last entry ends");
        outlet.write_all(&end_records(self.parts.len() as u64, start, outlet.at - start))
    }
}

impl Part {
    fn entry<'a>(&self, name: &'a str, deflated: Deflated, offset: u64) -> ZipEntry<'a> {
        let packing = if deflated.is_some() { Packing::Deflated } else { Packing::Stored };
        let packed = deflated.map_or(self.size, NonZeroU64::get);
        // Every part of a zip was given its checksum.
        ZipEntry { name, size: self.size, packed, crc: self.crc.unwrap_or(0), offset, packing }
    }
}

/// Whether the repository could compress it, so that the zip can.
fn compresses(repo: &Indexed, part: &Part) -> bool {
    let packed: u64 = part
        .pieces
        .as_slice()
        .iter()
        .filter_map(|piece| repo.get_index_entry(piece).ok())
        .map(|entry| u64::from(entry.location.length))
        .sum();
    packed < part.size - part.size / 20
}

fn read<T>(found: RusticResult<T>) -> io::Result<T> {
    found.map_err(|error| io::Error::other(error.display_log()))
}

/// Reads pieces. The library reads several in parallel, but would keep single ones in a cache of 32 MB.
pub(super) fn read_pieces(repo: &Indexed, pieces: &[DataId], to: &mut impl Write) -> io::Result<()> {
    if let [piece] = pieces {
        return to.write_all(&read(repo.cat_blob(BlobType::Data, piece.to_hex().as_str()))?);
    }
    let content = Some(pieces.to_vec());
    read(repo.dump(&Node { content, ..Node::default() }, to))
}

/// Sends a file's bytes; those before or behind the range are not even read.
fn copy(repo: &Indexed, part: &Part, outlet: &mut Outlet) -> io::Result<()> {
    let (start, end) = (outlet.at, outlet.at + part.size);
    let wanted = outlet.range.start.max(start)..outlet.range.end.min(end);
    if wanted.is_empty() {
        outlet.at = end;
        return Ok(());
    }
    let mut at = start;
    let mut first = None;
    let mut pieces = Vec::new();
    for piece in part.pieces.as_slice() {
        let behind = at + u64::from(read(repo.get_index_entry(piece))?.data_length());
        if at < wanted.end && behind > wanted.start {
            first.get_or_insert(at);
            pieces.push(*piece);
        }
        at = behind;
    }
    outlet.at = first.unwrap_or(start);
    read_pieces(repo, &pieces, outlet)?;
    outlet.at = outlet.at.max(end);
    Ok(())
}

/// Sends what lies in the range, in pieces.
struct Outlet {
    to: Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
    /// Where in the file the next byte belongs.
    at: u64,
    range: Range<u64>,
}

impl Outlet {
    fn is_done(&self) -> bool {
        self.at >= self.range.end
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.to.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (start, end) = (self.at, self.at + bytes.len() as u64);
        self.at = end;
        let wanted = self.range.start.max(start)..self.range.end.min(end);
        if wanted.is_empty() {
            return Ok(bytes.len());
        }
        let inside = |at: u64| usize::try_from(at - start).map_err(io::Error::other);
        let mut left = &bytes[inside(wanted.start)?..inside(wanted.end)?];
        while !left.is_empty() {
            let (now, later) = left.split_at(left.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            left = later;
            if self.piece.len() == PIECE {
                self.send()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() { Ok(()) } else { self.send() }
    }
}
