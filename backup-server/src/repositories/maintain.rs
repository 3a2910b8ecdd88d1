//! Keeps repositories small and sound: forget, prune, verify, and put in order what a crash left.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use backup_api::{BackupId, RepositoryId};
use rustic_core::{CheckOptions, FileType, LimitOption, OpenStatus, PruneOptions, RepairIndexOptions, Repository};
use sha2::{Digest, Sha256};

use super::{
    Swept,
    backend::{self, UNFINISHED},
    errors::{During, StorageError, sentence},
    gate::Gate,
    heal,
    home::{Home, UNBORN},
    snapshots,
};

pub(super) fn open(home: &Home, id: RepositoryId) -> Result<Repository<OpenStatus>, StorageError> {
    home.open_repository(id, &Arc::new(Gate::default()))
}

/// Names of the notes that tell a sweep what was going on.
const FORGET: &str = "forget";
const PRUNE: &str = "prune";

/// Forgets a backup. Its space is freed by [`prune`], which takes the note back; until then it can still be read by
/// whoever found it before.
pub(super) fn forget(home: &Home, id: RepositoryId, backup: BackupId) -> Result<(), StorageError> {
    let repo = open(home, id)?;
    let stored = snapshots::find(&repo, backup)?;
    home.begin(id, FORGET)?;
    repo.delete_snapshots(&[stored.snapshot.id]).during("written")
}

/// Puts a repository in order and frees what no backup needs; needs the repository for itself.
///
/// Packs that a failed backup left are in no index, and pruning alone passes over them: the index is repaired first.
/// Returns how many unfinished or unreadable files were removed.
pub(super) fn prune(home: &Home, id: RepositoryId) -> Result<u64, StorageError> {
    let folder = home.folder(id);
    home.begin(id, PRUNE)?;
    let torn = remove_torn_indexes(home, id)?;
    open(home, id)?.repair_index(&RepairIndexOptions::default(), false).during("put in order")?;
    remove_unneeded(home, id)?;
    let mut removed = torn;
    for file in unfinished_files(&folder).during("put in order")? {
        removed += u64::from(fs::metadata(&file).is_ok_and(|file| file.len() > 0));
        fs::remove_file(file).during("put in order")?;
    }
    Ok(removed)
}

/// The library plans first, and removes nothing while a backup lacks a piece: it cannot know then what is needed.
fn remove_unneeded(home: &Home, id: RepositoryId) -> Result<(), StorageError> {
    let repo = open(home, id)?;
    let mut options = PruneOptions::default().instant_delete(true).max_unused(LimitOption::Percentage(5));
    options.max_repack = LimitOption::Percentage(20);
    let removed = repo.prune_plan(&options).and_then(|plan| repo.prune(&options, plan)).during("put in order");
    let Err(error) = removed else { return Ok(()) };
    let lacking = heal::lacking(home, id, &BTreeSet::new())?;
    let again = "Space is freed again when that backup is whole or deleted";
    let why = lacking.first().map(|first| format!("no space was freed, for {first} {again}"));
    Err(why.map_or(error, StorageError::Damaged))
}

/// Packs that are read at once while a repository is verified. Each is held whole, and the storage library reads as many
/// as there are cores. (One thread more waits for what others read, so that a single one would wait for itself.)
const READERS: usize = 3;

/// Reads everything and compares its checksums; gives sentences about what is damaged.
pub(super) fn verify(home: &Home, id: RepositoryId) -> Result<Vec<String>, StorageError> {
    let repo = open(home, id)?;
    let readers = rayon::ThreadPoolBuilder::new().num_threads(READERS).build();
    let readers = readers.map_err(|error| StorageError::Internal(format!("no threads to read with: {error}")))?;
    let found = readers.install(|| repo.check(CheckOptions::default().read_data(true))).during("verified")?;
    if found.is_ok().is_ok() {
        return Ok(Vec::new());
    }
    Ok(found.0.iter().map(|(_, found)| sentence(&found.to_string())).collect())
}

/// Puts every repository in order. One that cannot be is reported, and does not keep the others from it.
pub(super) fn sweep(home: &Home) -> Result<Swept, StorageError> {
    let mut swept = Swept::default();
    remove_unborn(home, &mut swept)?;
    for id in home.all()? {
        swept.repositories += 1;
        if let Err(error) = sweep_one(home, id, &mut swept) {
            tracing::error!(repository.id = %id, error = %error, "Could not put repository {id} in order: {error}");
            swept.problems.push(format!("Repository {id}: {error}"));
        }
    }
    Ok(swept)
}

fn remove_unborn(home: &Home, swept: &mut Swept) -> Result<(), StorageError> {
    for entry in fs::read_dir(home.repositories()).during("put in order")? {
        let entry = entry.during("put in order")?;
        if entry.file_name().to_string_lossy().starts_with(UNBORN) {
            fs::remove_dir_all(entry.path()).during("put in order")?;
            swept.files_removed += 1;
        }
    }
    Ok(())
}

/// A repository that was left in order has nothing unfinished in it and is not touched.
fn sweep_one(home: &Home, id: RepositoryId, swept: &mut Swept) -> Result<(), StorageError> {
    home.name_key(id)?;
    home.keys(id)?;
    if !unfinished_files(&home.folder(id)).during("put in order")?.is_empty() {
        tracing::info!(repository.id = %id, "Putting repository {id} in order after an interruption");
        swept.files_removed += prune(home, id)?;
    }
    Ok(())
}

fn unfinished_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder.join(UNFINISHED)) {
        Ok(files) => files.map(|file| Ok(file?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// An index file that cannot be decrypted blocks everything, its own repair too. What it said is in the packs.
fn remove_torn_indexes(home: &Home, id: RepositoryId) -> Result<u64, StorageError> {
    let mut removed = 0;
    for (index, _) in backend::list(&home.folder(id), FileType::Index).during("put in order")? {
        let name = index.to_hex();
        let path = home.folder(id).join("index").join(name.as_str());
        // One that cannot be read at the moment is not torn: only its content tells.
        let content = fs::read(&path).during("put in order")?;
        if hex::encode(Sha256::digest(&content)) != name.as_str() {
            tracing::warn!(repository.id = %id, "Removed a torn index file, {}", name.as_str());
            fs::remove_file(path).during("put in order")?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Bytes of all files below a folder.
pub(super) fn bytes_below(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        bytes += match entry.metadata() {
            Ok(_) if kind.is_dir() => bytes_below(&entry.path())?,
            Ok(metadata) => metadata.len(),
            // Pruned meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(bytes)
}
