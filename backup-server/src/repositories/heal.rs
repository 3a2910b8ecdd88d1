//! What happens to damaged packs: they are set aside, so that no new backup is built on them.
//!
//! A backup stores nothing that the index says is there. A pack whose bytes have changed would so become a part of every
//! backup to come, unread and called good. Once it is out of the index, the next backup stores again what the source
//! still has, and the old backups that share it become whole with it. Nothing is thrown away: a pack that turns out to be
//! sound, because only reading it had failed, goes back.

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
    checksums::CHECKSUMS,
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
    /// A sentence for each backup that is not whole, the newest first.
    pub(super) lacking: Vec<String>,
}

/// Sets aside what of the named packs is damaged; needs the repository for itself.
pub(super) fn heal(home: &Home, id: RepositoryId, found: &[String]) -> Result<Healed, StorageError> {
    let folder = home.folder(id);
    let mut set_aside = BTreeSet::new();
    for pack in suspects(&folder, found).during("put in order")? {
        let path = pack_path(&folder, &pack);
        if !is_sound(&path, &pack) {
            set_pack_aside(&folder, &path).during("put in order")?;
            set_aside.insert(pack);
        }
    }
    for pack in take_sound_back(&folder).during("put in order")? {
        set_aside.remove(&pack);
    }
    // Takes out of the index what is not in the folder, and into it what is.
    open(home, id)?.repair_index(&RepairIndexOptions::default(), false).during("put in order")?;
    let repo = open(home, id)?;
    let mut backups = snapshots::all(&repo)?;
    backups.sort_by_key(|stored| std::cmp::Reverse(stored.backup.created_at));
    let repo = repo.to_indexed().during("read")?;
    let lacking = backups.iter().filter_map(|stored| lacks(&repo, stored)).collect();
    Ok(Healed { set_aside: set_aside.len(), lacking })
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

/// Whether a file has the content that its name tells.
fn is_sound(path: &Path, name: &Id) -> bool {
    fs::read(path).is_ok_and(|content| hex::encode(Sha256::digest(content)) == name.to_hex().as_str())
}

fn set_pack_aside(folder: &Path, path: &Path) -> io::Result<()> {
    let aside = folder.join(ASIDE);
    crate::durable::make_folder(&aside)?;
    tracing::warn!("Set aside a damaged pack: {}", path.display());
    fs::rename(path, aside.join(path.file_name().unwrap_or_default()))?;
    sync_folder(&aside)
}

/// Puts packs back that are sound after all.
fn take_sound_back(folder: &Path) -> io::Result<Vec<Id>> {
    let files = match fs::read_dir(folder.join(ASIDE)) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut returned = Vec::new();
    for file in files {
        let file = file?;
        let Some(pack) = file.file_name().to_str().and_then(|name| name.parse::<Id>().ok()) else { continue };
        if is_sound(&file.path(), &pack) {
            fs::rename(file.path(), pack_path(folder, &pack))?;
            returned.push(pack);
        }
    }
    Ok(returned)
}

/// What a backup lacks, in words; `None` when it is whole.
fn lacks(repo: &Repository<IndexedFullStatus>, stored: &snapshots::Stored) -> Option<String> {
    let Backup { file_name, format, .. } = &stored.backup;
    let (mut files, mut lost, mut dump_lost) = (0_u64, 0_u64, false);
    let read = snapshots::root(repo, &stored.snapshot).and_then(|root| {
        snapshots::each_file(repo, &root, |path, node| {
            files += u64::from(path != CHECKSUMS);
            if snapshots::stored_size(repo, &node).is_err() {
                lost += 1;
                dump_lost |= path == dump_name(*format);
            }
            Ok(())
        })
    });
    match read {
        Err(_) => Some(format!("{file_name} has lost the list of its files: it cannot be downloaded or restored.")),
        Ok(()) if lost == 0 => None,
        Ok(()) => {
            let dump = if dump_lost { ", the database among them" } else { "" };
            Some(format!(
                "{file_name} lacks {lost} of its {files} files{dump}: it cannot be downloaded or restored whole."
            ))
        }
    }
}
