//! What happens to damaged packs: they are set aside, so that no new backup is built on them.
//!
//! A backup stores nothing that the index says is there. A pack whose bytes have changed would so become a part of every
//! backup to come, unread and called good. Once it is out of the index, the next backup stores again what the source
//! still has, and the old backups that share it become whole with it. Nothing is thrown away: a pack that turns out to be
//! sound, because something else had read it wrongly, goes back with the next verification or start of the server.
//!
//! A disk that does not give a pack's bytes says nothing about them: such a pack stays where it is, and in the index.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use backup_api::{Backup, RepositoryId};
use rustic_core::{FileType, Id, IndexedFullStatus, RepairIndexOptions, Repository};
use sha2::{Digest, Sha256};

use super::{
    backend::{self, sync_folder},
    errors::{During, StorageError},
    home::Home,
    ingest::dump_name,
    maintain::open,
    snapshots,
};

/// Where damaged packs lie, in the repository's folder; stock restic does not look there.
const ASIDE: &str = "damaged";

/// Digits of a name by which the storage library's sentences tell a pack.
const SHORT: usize = 8;

/// What became of the damage.
#[derive(Debug, Default)]
pub(super) struct Healed {
    /// Packs that were set aside.
    pub(super) set_aside: usize,
    /// Packs that the disk did not give.
    pub(super) unreadable: usize,
    /// One for each of those, then one for each backup that is not whole, the newest first.
    pub(super) sentences: Vec<String>,
}

/// What a look at a pack gave.
enum Pack {
    Sound,
    /// Its bytes are not those that its name tells.
    Wrong,
    /// It is not there.
    Gone,
    /// The disk did not give its bytes.
    Unreadable(io::Error),
}

/// Sets aside what of the named packs is damaged; needs the repository for itself.
pub(super) fn heal(home: &Home, id: RepositoryId, found: &[String]) -> Result<Healed, StorageError> {
    let folder = home.folder(id);
    let (mut healed, mut unreadable) = (Healed::default(), BTreeSet::new());
    for pack in suspects(&folder, found).during("put in order")? {
        let path = pack_path(&folder, &pack);
        match look(&path, &pack) {
            Pack::Sound | Pack::Gone => {}
            Pack::Wrong => {
                set_pack_aside(&folder, &path).during("put in order")?;
                healed.set_aside += 1;
            }
            Pack::Unreadable(error) => {
                healed.sentences.push(unread(&path, &error));
                unreadable.insert(pack);
            }
        }
    }
    healed.unreadable = unreadable.len();
    if healed.set_aside > 0 || unreadable.is_empty() {
        repair_index(home, id)?;
    }
    healed.sentences.extend(lacking(home, id, &unreadable)?);
    Ok(healed)
}

/// Takes out of the index what is not in the folder, and into it what is.
fn repair_index(home: &Home, id: RepositoryId) -> Result<(), StorageError> {
    open(home, id)?.repair_index(&RepairIndexOptions::default(), false).during("put in order")
}

/// A sentence for each backup that is not whole, the newest first.
pub(super) fn lacking(home: &Home, id: RepositoryId, unreadable: &BTreeSet<Id>) -> Result<Vec<String>, StorageError> {
    let repo = open(home, id)?;
    let mut backups = snapshots::all(&repo)?;
    backups.sort_by_key(|stored| std::cmp::Reverse(stored.backup.created_at));
    let repo = repo.to_indexed().during("read")?;
    Ok(backups.iter().filter_map(|stored| lacks(&repo, stored, unreadable)).collect())
}

fn unread(path: &Path, error: &io::Error) -> String {
    format!(
        "The disk could not be read at {}: {error}. Nothing was changed there. Look at the disk and the system's log; \
         until it can be read, new backups rely on that file too. Verify again when the disk is in order. Only if the \
         file is lost for good, move it away and verify again: the next backup then stores again what the source still \
         has.",
        path.display()
    )
}

/// The packs that sentences may mean: they name them by the first digits of their names.
fn suspects(folder: &Path, sentences: &[String]) -> io::Result<Vec<Id>> {
    let words = sentences.iter().flat_map(|text| text.split(|letter: char| !letter.is_ascii_hexdigit()));
    let beginnings: BTreeSet<&str> = words.filter_map(|word| word.get(..SHORT)).collect();
    let packs = backend::list(folder, FileType::Pack)?.into_iter().map(|(pack, _)| pack);
    Ok(packs.filter(|pack| beginnings.contains(&pack.to_hex().as_str()[..SHORT])).collect())
}

fn pack_path(folder: &Path, pack: &Id) -> PathBuf {
    let hex = pack.to_hex();
    folder.join("data").join(&hex.as_str()[..2]).join(hex.as_str())
}

/// Whether a file has the content that its name tells. A pack has 32 MiB or little more, and is read
/// whole wherever it is read.
fn look(path: &Path, name: &Id) -> Pack {
    match fs::read(path) {
        Ok(content) if hex::encode(Sha256::digest(&content)) == name.to_hex().as_str() => Pack::Sound,
        Ok(_) => Pack::Wrong,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Pack::Gone,
        Err(error) => Pack::Unreadable(error),
    }
}

fn set_pack_aside(folder: &Path, path: &Path) -> io::Result<()> {
    let aside = folder.join(ASIDE);
    crate::durable::make_folder(&aside)?;
    tracing::warn!("Set aside a damaged pack: {}", path.display());
    fs::rename(path, aside.join(path.file_name().unwrap_or_default()))?;
    sync_folder(&aside)
}

/// The packs that were set aside and are sound after all.
pub(super) fn sound_aside(home: &Home, id: RepositoryId) -> Result<Vec<Id>, StorageError> {
    let aside = home.folder(id).join(ASIDE);
    let files = match fs::read_dir(&aside) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StorageError::io("read", &error)),
    };
    let mut sound = Vec::new();
    for file in files {
        let file = file.during("read")?;
        let pack = file.file_name().to_str().and_then(|name| name.parse::<Id>().ok());
        sound.extend(pack.filter(|pack| matches!(look(&file.path(), pack), Pack::Sound)));
    }
    Ok(sound)
}

/// Puts packs where they belong; needs the repository for itself.
pub(super) fn put_back(home: &Home, id: RepositoryId, packs: &[Id]) -> Result<usize, StorageError> {
    let folder = home.folder(id);
    for pack in packs {
        let (from, to) = (folder.join(ASIDE).join(pack.to_hex().as_str()), pack_path(&folder, pack));
        tracing::info!("Put back a pack that is sound after all: {}", to.display());
        fs::rename(from, &to).and_then(|()| to.parent().map_or(Ok(()), sync_folder)).during("put in order")?;
    }
    repair_index(home, id)?;
    Ok(packs.len())
}

/// What a backup lacks, in words; `None` when it is whole.
fn lacks(
    repo: &Repository<IndexedFullStatus>,
    stored: &snapshots::Stored,
    unreadable: &BTreeSet<Id>,
) -> Option<String> {
    let Backup { file_name, format, .. } = &stored.backup;
    let (mut files, mut lost, mut unread, mut is_dump) = (0_u64, 0_u64, 0_u64, false);
    let read = snapshots::root(repo, &stored.snapshot).and_then(|root| {
        snapshots::each_file(repo, &root, |path, node| {
            files += 1;
            if snapshots::stored_size(repo, &node).is_err() {
                lost += 1;
            } else if snapshots::stored_size_where(repo, &node, |pack, _| !unreadable.contains(pack)).is_err() {
                unread += 1;
            } else {
                return Ok(());
            }
            is_dump |= path == dump_name(*format);
            Ok(())
        })
    });
    let dump = if is_dump { ", the database among them" } else { "" };
    match read {
        Err(_) if !unreadable.is_empty() => {
            Some(format!("The list of the files of {file_name} cannot be read: it cannot be downloaded or restored."))
        }
        Err(_) => Some(format!("{file_name} has lost the list of its files: it cannot be downloaded or restored.")),
        Ok(()) if lost > 0 => Some(format!(
            "{file_name} lacks {lost} of its {files} files{dump}: it cannot be downloaded or restored whole."
        )),
        Ok(()) if unread > 0 => Some(format!(
            "{file_name} has {unread} of its {files} files where the disk could not be read{dump}: it cannot be downloaded \
             or restored whole as long as that is so."
        )),
        Ok(()) => None,
    }
}
