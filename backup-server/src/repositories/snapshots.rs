//! A backup's snapshot: how it is named and described, and how its files are found.

use std::path::Path;

use backup_api::{Backup, BackupId};
use rustic_core::{
    Id, IndexedFull, LsOptions, Open, Repository, SnapshotOptions,
    jiff::{Timestamp, tz::TimeZone},
    repofile::{Node, SnapshotFile},
};

use super::{
    checksums::{CHECKSUMS, Lines},
    content::NewBackup,
    errors::{During, StorageError},
};

/// A backup, and the snapshot that is it.
pub(super) struct Stored {
    pub(super) backup: Backup,
    pub(super) snapshot: SnapshotFile,
}

/// Opens the description of a snapshot that Holdfast made.
const TAG: &str = "holdfast";

/// All backups of a repository, in no order. Snapshots that someone else made are none.
pub(super) fn all<S: Open>(repo: &Repository<S>) -> Result<Vec<Stored>, StorageError> {
    let snapshots = repo.get_all_snapshots().during("read")?;
    Ok(snapshots
        .into_iter()
        .filter_map(|snapshot| {
            let backup = serde_json::from_str(snapshot.description.as_deref()?).ok()?;
            Some(Stored { backup, snapshot })
        })
        .collect())
}

/// One backup of a repository.
pub(super) fn find<S: Open>(repo: &Repository<S>, id: BackupId) -> Result<Stored, StorageError> {
    all(repo)?.into_iter().find(|stored| stored.backup.id == id).ok_or(StorageError::NoSuchBackup(id))
}

/// The snapshot of a backup to be made: label and a tag are the backup's UUID, the host is the database.
pub(super) fn begin(backup: &NewBackup) -> Result<SnapshotFile, StorageError> {
    let unnamed = |error: &dyn std::fmt::Display| StorageError::Internal(format!("no name for the snapshot: {error}"));
    let time = Timestamp::from_second(backup.created_at.timestamp()).map_err(|error| unnamed(&error))?;
    SnapshotOptions::default()
        .label(backup.id.to_string())
        .time(time.to_zoned(TimeZone::UTC))
        .host(backup.database.to_string())
        .add_tags(&format!("{TAG},{}", backup.id))
        .and_then(|options| options.to_snapshot())
        .map_err(|error| unnamed(&error))
}

/// Writes all that is known of a backup into its snapshot.
pub(super) fn describe(snapshot: &mut SnapshotFile, backup: &Backup) -> Result<(), StorageError> {
    let json = serde_json::to_string(backup)
        .map_err(|error| StorageError::Internal(format!("a backup could not be described: {error}")))?;
    snapshot.description = Some(json);
    Ok(())
}

/// Shows every file below a folder of a snapshot, sorted by path component; paths are below that folder.
pub(super) fn each_file<S: IndexedFull>(
    repo: &Repository<S>,
    root: &Node,
    mut see: impl FnMut(&str, Node) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    for item in repo.ls(root, &LsOptions::default()).during("read")? {
        let (path, node) = item.during("read")?;
        if node.is_file() {
            see(path.to_str().ok_or_else(|| StorageError::Damaged("a file's name is no text".to_owned()))?, node)?;
        }
    }
    Ok(())
}

/// The root folder of a snapshot.
pub(super) fn root<S: IndexedFull>(repo: &Repository<S>, snapshot: &SnapshotFile) -> Result<Node, StorageError> {
    repo.node_from_snapshot_and_path(snapshot, "").during("read")
}

/// Bytes of a file's pieces, each of which the index knows.
pub(super) fn stored_size<S: IndexedFull>(repo: &Repository<S>, node: &Node) -> Result<u64, StorageError> {
    stored_size_where(repo, node, |_, _| true)
}

/// Bytes of a file's pieces, each of which the index knows and `is_there` finds: in a pack, up to so many bytes of it.
pub(super) fn stored_size_where<S: IndexedFull>(
    repo: &Repository<S>,
    node: &Node,
    is_there: impl Fn(&Id, u64) -> bool,
) -> Result<u64, StorageError> {
    let size = |piece| {
        let entry = repo.get_index_entry(piece).ok()?;
        let end = u64::from(entry.location.offset) + u64::from(entry.location.length);
        is_there(&entry.pack, end).then(|| u64::from(entry.data_length()))
    };
    let sizes = node.content.iter().flatten().map(size).sum::<Option<u64>>();
    let lost = || StorageError::Damaged(format!("a piece of “{}” is lost", node.name().to_string_lossy()));
    sizes.ok_or_else(lost)
}

/// Shows each line of a snapshot's table of checksums, in the files' order; false when there is none, or it is none.
pub(super) fn each_checksum<S: IndexedFull>(
    repo: &Repository<S>,
    snapshot: &SnapshotFile,
    see: impl FnMut(&str, u32),
) -> Result<bool, StorageError> {
    let root = repo.get_tree(&snapshot.tree).during("read")?;
    let Some(node) = root.nodes.iter().find(|node| Path::new(&*node.name()) == Path::new(CHECKSUMS)) else {
        return Ok(false);
    };
    let mut lines = Lines::new(see);
    repo.dump(node, &mut lines).during("read")?;
    Ok(lines.end())
}
