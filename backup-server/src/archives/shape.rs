//! What is wrong with a zip before anything in it is unpacked.

use std::{fs::File, ops::Range};

use sha1::{Digest, Sha1};
use tokio_util::sync::CancellationToken;

use super::{
    ArchiveError, Limits,
    directory::{Directory, Record},
    names::Role,
};

/// Methods of packing that are read.
const STORED: u64 = 0;
const DEFLATED: u64 = 8;

/// What the directory and the local headers say.
pub(super) struct Shape {
    /// Bytes that unpacking gives.
    pub(super) bytes: u64,
    /// Entries that are files of attachments.
    pub(super) attachments: usize,
}

impl Shape {
    /// Reads the directory, and every local header. Checks limits, names, that no two entries have one name, and that none
    /// lies in another or elsewhere than the directory says.
    pub(super) fn check(
        file: &File,
        directory: &Directory,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Self, ArchiveError> {
        let count = usize::try_from(directory.entries).unwrap_or(usize::MAX);
        if directory.entries > limits.entries {
            return Err(ArchiveError::TooLarge(format!("it has {count} entries, allowed are {}", limits.entries)));
        }
        let shape = Self::read(file, directory, limits, cancel)?;
        // Only now: each takes some memory, and entries that the directory only announces take none.
        let (mut names, mut ranges) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut records = directory.records(file.try_clone().map_err(ArchiveError::Read)?)?;
        while let Some(record) = records.next()? {
            if cancel.is_cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            let (_, end) = record.place(file, directory)?;
            names.push(<[u8; 20]>::from(Sha1::digest(&record.name)));
            ranges.push(record.header..end);
        }
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(refused("it has two entries of one name"));
        }
        ranges.sort_unstable_by_key(|range: &Range<u64>| range.start);
        if ranges.windows(2).any(|pair| pair[0].end > pair[1].start) {
            return Err(refused("its entries overlap"));
        }
        Ok(shape)
    }

    /// What the directory alone says.
    fn read(
        file: &File,
        directory: &Directory,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Self, ArchiveError> {
        let packed = file.metadata().map_err(ArchiveError::Read)?.len();
        let mut shape = Self { bytes: 0, attachments: 0 };
        let mut records = directory.records(file.try_clone().map_err(ArchiveError::Read)?)?;
        while let Some(record) = records.next()? {
            if cancel.is_cancelled() {
                return Err(ArchiveError::Cancelled);
            }
            shape.bytes = shape.bytes.saturating_add(record.size);
            shape.attachments += usize::from(matches!(judge(&record)?, Role::Attachment(_)));
        }
        if shape.bytes > limits.bytes {
            let (bytes, most) = (shape.bytes, limits.bytes);
            return Err(ArchiveError::TooLarge(format!("it unpacks to {bytes} bytes, allowed are {most}")));
        }
        if shape.bytes / limits.ratio.max(1) > packed {
            return Err(ArchiveError::TooLarge(format!("{packed} bytes would unpack to {}", shape.bytes)));
        }
        Ok(shape)
    }
}

fn refused(why: &str) -> ArchiveError {
    ArchiveError::Refused(why.to_owned())
}

/// Whether an entry may be there.
fn judge(record: &Record) -> Result<Role, ArchiveError> {
    let name = record.text()?;
    let role = Role::of(&name);
    if role == Role::Hostile || record.is_symlink() {
        return Err(refused(&format!("“{}” points outside of it", name.escape_debug())));
    }
    if record.is_encrypted() {
        return Err(refused(&format!("“{name}” is encrypted")));
    }
    match record.method {
        STORED | DEFLATED => Ok(role),
        method => Err(refused(&format!("“{name}” is packed with method {method}"))),
    }
}
