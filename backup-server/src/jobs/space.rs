//! Whether a backup will fit on the disk, estimated before it begins.

use std::path::Path;

use backup_api::{Backup, BackupFormat, Failure, FailureCode, SourceReport};

use super::words::size;
use crate::disk;

/// A dump, compressed in the repository, takes a fraction of the database's size (measured: a sixth to a quarter).
const DUMP_FRACTION: u64 = 4;

/// Bytes that a backup will roughly need: what it adds to the repository, and the arriving file when it is staged.
/// `None` when nothing is known yet.
pub(super) fn needed(
    format: BackupFormat,
    is_staged: bool,
    report: &SourceReport,
    previous: Option<&Backup>,
) -> Option<u64> {
    let staged = if is_staged { previous.map_or(0, |backup| backup.size_bytes) } else { 0 };
    let database = report.database_bytes.or_else(|| previous.map(|backup| backup.dump_bytes));
    let dump = database.map(|bytes| bytes / DUMP_FRACTION);
    let stored_before = previous.and_then(|backup| backup.attachments.as_ref()).map_or(0, |files| files.bytes);
    let files = match format {
        BackupFormat::Zip => report.filestore_bytes.map(|bytes| bytes.saturating_sub(stored_before)),
        BackupFormat::Dump => None,
    };
    match (dump, files) {
        (None, None) => None,
        (dump, files) => Some(staged + dump.unwrap_or(0) + files.unwrap_or(0)),
    }
}

/// Compares the need with the free space of the disk; the sentence says what was found.
pub(crate) fn check(folder: &Path, needed: Option<u64>, keep_free: u64) -> Result<String, Failure> {
    let space = disk::space(folder).map_err(|error| Failure {
        code: FailureCode::Storage,
        message: format!("The disk of the data folder cannot be asked for its free space: {error}."),
    })?;
    judge(space.free_bytes, needed, keep_free)
}

fn judge(free: u64, needed: Option<u64>, keep_free: u64) -> Result<String, Failure> {
    let need = needed.map_or("an unknown amount".to_owned(), |bytes| format!("about {}", size(bytes)));
    if free >= keep_free.saturating_add(needed.unwrap_or(0)) {
        return Ok(format!("The backup needs {need}; {} are free.", size(free)));
    }
    Err(disk::no_room(&need, free, keep_free))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(database: Option<u64>, filestore: Option<u64>) -> SourceReport {
        SourceReport { database_bytes: database, filestore_bytes: filestore, ..SourceReport::default() }
    }

    #[test]
    fn the_need_is_a_quarter_of_the_database_and_all_of_the_filestore() {
        let known = report(Some(400), Some(1000));
        assert_eq!(needed(BackupFormat::Zip, false, &known, None), Some(1100));
        assert_eq!(needed(BackupFormat::Dump, false, &known, None), Some(100));
        assert_eq!(needed(BackupFormat::Zip, true, &report(None, None), None), None);
    }

    #[test]
    fn too_little_space_is_told_with_figures() {
        assert_eq!(judge(10, None, 0).unwrap(), "The backup needs an unknown amount; 0.0 MB are free.");
        assert!(judge(300_000_000, Some(100_000_000), 200_000_000).is_ok());
        let failure = judge(300_000_000, Some(100_000_001), 200_000_000).unwrap_err();
        assert_eq!(failure.code, FailureCode::NoSpace);
        assert!(failure.message.starts_with("The backup needs about 100.0 MB, but"), "{}", failure.message);
        assert!(failure.message.contains("has 300.0 MB free, of which 200.0 MB stay free"), "{}", failure.message);
    }
}
