//! Where a repository's files lie: a local folder.
//!
//! The stock local backend neither syncs folders nor returns errors of listing: with `snapshots/` unreadable, pruning
//! would find no backup and plan to remove everything. This one returns every error, syncs files and the folders that
//! name them, and has a [`Gate`] that no snapshot passes unless its backup is whole.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

use super::{errors::StorageError, gate::Gate};

/// Unfinished files lie here, out of sight of whatever lists the repository.
pub(super) const UNFINISHED: &str = "tmp";

/// A repository's folder.
#[derive(Debug)]
pub(super) struct LocalBackend {
    root: PathBuf,
    gate: Arc<Gate>,
}

impl LocalBackend {
    pub(super) fn new(root: PathBuf, gate: Arc<Gate>) -> Self {
        Self { root, gate }
    }

    fn path(&self, tpe: FileType, id: &Id) -> PathBuf {
        let hex = id.to_hex();
        match tpe {
            FileType::Config => self.root.join("config"),
            FileType::Pack => self.root.join("data").join(&hex.as_str()[..2]).join(hex.as_str()),
            tpe => self.root.join(tpe.dirname()).join(hex.as_str()),
        }
    }

    fn write(&self, tpe: FileType, id: &Id, content: &BytesList) -> io::Result<()> {
        self.gate.claim(content.size() as u64)?;
        let unfinished = self.root.join(UNFINISHED).join(format!("{}-{}", tpe.dirname(), id.to_hex().as_str()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        let written = content.slice().iter().try_for_each(|part| file.write_all(part)).and_then(|()| file.sync_all());
        let path = self.path(tpe, id);
        let placed = written.and_then(|()| fs::rename(&unfinished, &path)).and_then(|()| sync_folder_of(&path));
        if placed.is_err() {
            // Half a file would take space that is missing already; its absence is no further harm.
            let _ = fs::remove_file(&unfinished);
        }
        placed
    }
}

/// Removes what a failed backup wrote, without writing anything: the disk may be full, and pruning has to write. What
/// cannot be removed is left to the next prune. Nothing is touched when a snapshot was written, which may need it.
pub(super) fn take_back(root: &Path, gate: &Arc<Gate>) {
    let files = gate.end();
    if files.iter().any(|(tpe, _)| *tpe == FileType::Snapshot) {
        return;
    }
    let backend = LocalBackend::new(root.to_owned(), Arc::clone(gate));
    // Indexes first: none may name a pack that is gone.
    for kind in [FileType::Index, FileType::Pack] {
        for (_, id) in files.iter().filter(|(tpe, _)| *tpe == kind) {
            match fs::remove_file(backend.path(kind, id)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!("A file of a failed backup could not be removed: {error}");
                    return;
                }
                _ => {}
            }
        }
    }
}

impl ReadBackend for LocalBackend {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn list_with_size(&self, tpe: FileType) -> RusticResult<Vec<(Id, u32)>> {
        list(&self.root, tpe).map_err(|error| failed("list", tpe, error))
    }

    fn read_full(&self, tpe: FileType, id: &Id) -> RusticResult<Bytes> {
        fs::read(self.path(tpe, id)).map(Bytes::from).map_err(|error| failed("read", tpe, error))
    }

    fn read_partial(&self, tpe: FileType, id: &Id, _: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        let mut part = vec![0; length as usize];
        File::open(self.path(tpe, id))
            .and_then(|file| file.read_exact_at(&mut part, u64::from(offset)))
            .map_err(|error| failed("read", tpe, error))?;
        Ok(part.into())
    }

    fn warmup_path(&self, tpe: FileType, id: &Id) -> String {
        self.path(tpe, id).display().to_string()
    }
}

impl WriteBackend for LocalBackend {
    fn create(&self) -> RusticResult<()> {
        make_folders(&self.root).map_err(|error| failed("create", FileType::Config, error))
    }

    fn write_bytes(&self, tpe: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        if tpe == FileType::Snapshot && !self.gate.lets_snapshots_pass()? {
            return Ok(());
        }
        let written = self.gate.note(tpe, *id).and_then(|_writing| self.write(tpe, id, &content));
        written.map_err(|error| {
            self.gate.fail(StorageError::io("written", &error));
            failed("write", tpe, error)
        })
    }

    fn remove(&self, tpe: FileType, id: &Id, _: bool) -> RusticResult<()> {
        let path = self.path(tpe, id);
        fs::remove_file(&path).and_then(|()| sync_folder_of(&path)).map_err(|error| failed("remove", tpe, error))
    }
}

fn failed(doing: &str, tpe: FileType, error: io::Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, format!("could not {doing} a file of “{}”", tpe.dirname()), error)
}

/// The files of one type. A name that is none of the repository's is passed over; any error is returned.
pub(super) fn list(root: &Path, tpe: FileType) -> io::Result<Vec<(Id, u32)>> {
    match tpe {
        FileType::Config => match fs::metadata(root.join("config")) {
            Ok(config) => Ok(vec![(Id::default(), size(config.len())?)]),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        },
        FileType::Pack => {
            let mut packs = Vec::new();
            for folder in fs::read_dir(root.join("data"))? {
                let folder = folder?;
                if folder.file_type()?.is_dir() {
                    list_folder(&folder.path(), &mut packs)?;
                }
            }
            Ok(packs)
        }
        tpe => {
            let mut files = Vec::new();
            list_folder(&root.join(tpe.dirname()), &mut files)?;
            Ok(files)
        }
    }
}

fn list_folder(folder: &Path, files: &mut Vec<(Id, u32)>) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        let file = file?;
        let Some(id) = file.file_name().to_str().filter(|name| name.len() == 64).and_then(|name| name.parse().ok())
        else {
            continue;
        };
        files.push((id, size(file.metadata()?.len())?));
    }
    Ok(())
}

fn size(bytes: u64) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| io::Error::other(format!("a file of {bytes} bytes is none of a repository's")))
}

/// Makes a repository's folders, readable by this user only.
fn make_folders(root: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    for folder in ["snapshots", "index", "keys", "locks", UNFINISHED] {
        builder.create(root.join(folder))?;
    }
    for first in 0..=255_u8 {
        builder.create(root.join("data").join(format!("{first:02x}")))?;
    }
    sync_folder(&root.join("data"))?;
    sync_folder(root)
}

/// Makes a folder's names last.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}
