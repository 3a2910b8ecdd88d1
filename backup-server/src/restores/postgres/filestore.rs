//! The filestore folder of a restored database: written beside the live one, exchanged with it in one step.
//!
//! A folder is told by its inode, whatever its name is at the moment: that is how a restart knows what was done.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use backup_api::{Failure, FailureCode, RestoreMode, RestorePlan, Source};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha1::{Digest, Sha1};
use tokio_util::sync::CancellationToken;

use super::super::{Record, task::failure};
use crate::{
    repositories::{BackupReader, StorageError, attachment_name},
    sources,
};

/// Threads that write files: reading from the repository and the disk take turns.
const WRITERS: usize = 3;

/// The places of a restore's folders, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folders {
    pub live: PathBuf,
    pub scratch: PathBuf,
    pub previous: PathBuf,
    /// Used for a moment where two folders cannot be exchanged in one step.
    aside: PathBuf,
}

/// Who owns what is written, and its modes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

/// The live folder of the database that there will be, links resolved; `None` when no filestore is set.
pub(super) fn live_folder(plan: &RestorePlan) -> Option<PathBuf> {
    let Source::Postgres { filestore, .. } = &plan.target else { return None };
    let folder = sources::filestore_folder(filestore.as_ref())?;
    let folder = match &plan.mode {
        RestoreMode::Replace => folder,
        RestoreMode::Copy { database } => folder.parent()?.join(database.as_str()),
    };
    // Behind a link, the folder itself is exchanged, beside itself: the link stays as it is.
    if let Ok(resolved) = fs::canonicalize(&folder) {
        return Some(resolved);
    }
    let parent = folder.parent().and_then(|parent| fs::canonicalize(parent).ok());
    Some(match (parent, folder.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => folder,
    })
}

impl Folders {
    /// The folders of a restore; `None` when no filestore is set.
    pub fn of(plan: &RestorePlan, record: &Record) -> Option<Self> {
        let live = live_folder(plan)?;
        let beside = |name: &str| live.with_file_name(name);
        let (scratch, previous) = (beside(&record.scratch), beside(&record.previous));
        let aside = beside(&format!("{}.swap", record.scratch));
        Some(Self { live, scratch, previous, aside })
    }

    /// Puts the folder with inode `wanted` at the live place, and what was there at its place. Nothing to do when it is
    /// there. With `wanted` `None` there shall be none, and the folder with inode `other` goes to the scratch place.
    pub fn arrange(&self, wanted: Option<u64>, other: Option<u64>) -> io::Result<()> {
        self.arrange_with(wanted, other, |one, two| renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE))
    }

    fn arrange_with(
        &self,
        wanted: Option<u64>,
        other: Option<u64>,
        exchange: impl Fn(&Path, &Path) -> rustix::io::Result<()>,
    ) -> io::Result<()> {
        let Some(wanted) = wanted else {
            return if inode(&self.live).is_some() && inode(&self.live) == other {
                self.rename(&self.live, &self.scratch)
            } else {
                Ok(())
            };
        };
        if inode(&self.live) == Some(wanted) {
            return Ok(());
        }
        let places = [&self.scratch, &self.previous, &self.aside];
        let place = places.into_iter().find(|place| inode(place) == Some(wanted)).ok_or_else(|| {
            let message = format!("the folder that belongs at {} is not beside it any more", self.live.display());
            io::Error::new(io::ErrorKind::NotFound, message)
        })?;
        if inode(&self.live).is_none() {
            return self.rename(place, &self.live);
        }
        match exchange(&self.live, place) {
            Ok(()) => self.sync(),
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
                self.change_places(place)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Exchanges the live folder with another by renames, one after the other.
    fn change_places(&self, place: &Path) -> io::Result<()> {
        // A change of places that was cut off left the other one aside: then the live one's way is free.
        if place == self.aside {
            let free = [&self.scratch, &self.previous].into_iter().find(|free| !free.exists());
            self.rename(&self.live, free.ok_or(io::ErrorKind::AlreadyExists)?)?;
            return self.rename(place, &self.live);
        }
        self.rename(&self.live, &self.aside)?;
        self.rename(place, &self.live)?;
        self.rename(&self.aside, place)
    }

    /// Gives the replaced folder the name under which it is kept.
    pub fn keep(&self, replaced: Option<u64>) -> io::Result<()> {
        for place in [&self.scratch, &self.aside] {
            if replaced.is_some() && inode(place) == replaced {
                self.rename(place, &self.previous)?;
            }
        }
        Ok(())
    }

    /// Removes the folder with this inode, wherever beside the live one it is, and whatever has the scratch name.
    pub fn remove(&self, folder: Option<u64>) -> io::Result<()> {
        for place in [&self.scratch, &self.previous, &self.aside] {
            if folder.is_some() && inode(place) == folder {
                fs::remove_dir_all(place)?;
            }
        }
        Ok(())
    }

    /// Removes what a restore wrote before it had an inode to be told by.
    pub fn remove_scratch(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.scratch) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Never over something: an empty folder would silently be replaced.
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
                if to.exists() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                fs::rename(from, to)?;
            }
            renamed => renamed?,
        }
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        File::open(self.live.parent().unwrap_or(Path::new("/")))?.sync_all()
    }

    /// Makes the empty scratch folder, owned as the live one is, and gives its inode.
    pub fn make_scratch(&self) -> io::Result<u64> {
        let owner = self.owner()?;
        make_folder(&self.scratch, owner)?;
        Ok(fs::metadata(&self.scratch)?.ino())
    }

    /// Makes an empty live folder where there is none.
    pub fn make_live(&self) -> io::Result<()> {
        make_folder(&self.live, self.owner()?)
    }

    fn owner(&self) -> io::Result<Owner> {
        let live = fs::metadata(&self.live);
        let of = live.or_else(|_| fs::metadata(self.live.parent().unwrap_or(Path::new("/"))))?;
        Ok(Owner { uid: of.uid(), gid: of.gid(), mode: of.permissions().mode() & 0o7777 })
    }

    /// Writes every attachment of the backup into the scratch folder: a link to the live file where that has the same
    /// content, a new file otherwise. Blocks.
    pub fn write(
        &self,
        from: &BackupReader,
        done: &(dyn Fn(u64) + Sync),
        cancel: &CancellationToken,
    ) -> Result<(), Failure> {
        let owner = self.owner().map_err(|error| unwritable(&self.scratch, &error))?;
        let mut first: Vec<u8> =
            (0..from.attachment_count()).filter_map(|at| from.attachment(at)).map(|(sha1, _)| sha1[0]).collect();
        first.sort_unstable();
        first.dedup();
        for byte in first {
            let folder = self.scratch.join(hex::encode([byte]));
            make_folder(&folder, owner).map_err(|error| unwritable(&folder, &error))?;
        }
        let bytes = AtomicU64::new(0);
        side_by_side(from.attachment_count(), |place| {
            let Some((sha1, size)) = from.attachment(place) else { return Ok(()) };
            if cancel.is_cancelled() {
                return Err(super::super::task::cancelled());
            }
            self.write_one(from, place, sha1, size, owner)?;
            done(bytes.fetch_add(size, Ordering::Relaxed) + size);
            Ok(())
        })
    }

    fn write_one(
        &self,
        from: &BackupReader,
        place: usize,
        sha1: [u8; 20],
        size: u64,
        owner: Owner,
    ) -> Result<(), Failure> {
        let name = attachment_name(&sha1);
        let (to, live) = (self.scratch.join(&name), self.live.join(&name));
        if has_content(&live, sha1, size) && fs::hard_link(&live, &to).is_ok() {
            return Ok(());
        }
        let written = (|| {
            let file = OpenOptions::new().write(true).create_new(true).mode(owner.mode & 0o666).open(&to)?;
            let mut hashed = Hashed { file, digest: Sha1::new() };
            from.copy_attachment(place, &mut hashed)?;
            own(&to, owner, owner.mode & 0o666)?;
            Ok(<[u8; 20]>::from(hashed.digest.finalize()))
        })();
        match written {
            Ok(found) if found == sha1 => Ok(()),
            Ok(_) => Err(failure(
                FailureCode::Mismatch,
                format!(
                    "The attachment {name} in the backup is damaged: its content is not the one that its name says. \
                         Verify the repository, or restore another backup."
                ),
            )),
            Err(error) => Err(unwritable(&to, &error)),
        }
    }

    /// Brings what was written to the disk itself.
    pub fn settle(&self) -> Result<(), Failure> {
        let synced = File::open(&self.scratch).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
        synced.map_err(|error| unwritable(&self.scratch, &error))
    }
}

/// Does the work of each place in several threads. The first failure ends it for all of them.
fn side_by_side(places: usize, work: impl Fn(usize) -> Result<(), Failure> + Sync) -> Result<(), Failure> {
    let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let worker = || -> Result<(), Failure> {
        while !has_failed.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= places {
                break;
            }
            work(place).inspect_err(|_| has_failed.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err(failure(FailureCode::Internal, "Writing the filestore panicked.")))
        })
    })
}

/// Makes a folder beside the live one as a restore would, and removes it again.
pub(super) fn try_out(live: &Path) -> io::Result<()> {
    let parent = live.parent().unwrap_or(Path::new("/"));
    let of = fs::metadata(live).or_else(|_| fs::metadata(parent))?;
    let owner = Owner { uid: of.uid(), gid: of.gid(), mode: of.permissions().mode() & 0o7777 };
    let folder = tempfile::Builder::new().prefix(".holdfast-check-").tempdir_in(parent)?;
    own(folder.path(), owner, owner.mode)?;
    folder.close()
}

/// Bytes of the backup's attachments that the live folder does not have under the same name and size. Blocks.
pub(super) fn bytes_needed(live: Option<&Path>, from: &BackupReader) -> u64 {
    let has = |sha1: &[u8; 20], size: u64| {
        let file = live.and_then(|live| fs::metadata(live.join(attachment_name(sha1))).ok());
        file.is_some_and(|file| file.len() == size)
    };
    let all = (0..from.attachment_count()).filter_map(|place| from.attachment(place));
    all.filter(|(sha1, size)| !has(sha1, *size)).map(|(_, size)| size).sum()
}

/// The inode of a folder itself; `None` when there is none.
pub(super) fn inode(folder: &Path) -> Option<u64> {
    fs::symlink_metadata(folder).ok().filter(fs::Metadata::is_dir).map(|data| data.ino())
}

fn has_content(path: &Path, sha1: [u8; 20], size: u64) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|data| data.is_file() && data.len() == size);
    is_file && sha1_of(path).is_ok_and(|found| found == sha1)
}

fn sha1_of(path: &Path) -> io::Result<[u8; 20]> {
    let (mut file, mut digest, mut buffer) = (File::open(path)?, Sha1::new(), vec![0; 128 * 1024]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            read => digest.update(&buffer[..read]),
        }
    }
}

pub(super) fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

pub(super) fn make_folder(path: &Path, owner: Owner) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => own(path, owner, owner.mode),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) fn own(path: &Path, owner: Owner, mode: u32) -> io::Result<()> {
    let is = fs::symlink_metadata(path)?;
    if (is.uid(), is.gid()) != (owner.uid, owner.gid) {
        chown(path, Some(owner.uid), Some(owner.gid))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// A failure of the filestore's disk, in words.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let code = StorageError::io("written", error).failure_code();
    if code == FailureCode::NoSpace {
        let message = "The disk of the filestore is full. Free some space there and restore again.";
        return failure(FailureCode::NoSpace, message);
    }
    let message = format!(
        "{} could not be written: {error}. Give the backup server's account the right to write in the filestore's folder \
         and to give files to its owner.",
        path.display()
    );
    failure(FailureCode::Storage, message)
}

/// Writes, and knows the SHA-1 of what it wrote.
struct Hashed {
    file: File,
    digest: Sha1,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests;
