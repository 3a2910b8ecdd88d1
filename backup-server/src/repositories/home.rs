//! The data folder: `repositories/<uuid>` in restic's format, and `keys/<uuid>` with what opens each of them.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use backup_api::{RepositoryId, Secret};
use bytesize::ByteSize;
use chrono::{DateTime, Utc};
use rustic_core::{
    ConfigOptions, Credentials, FileType, KeyOptions, OpenStatus, Repository, RepositoryBackends, RepositoryOptions,
    WriteBackend, repofile::MasterKey,
};
use serde::{Deserialize, Serialize};

use super::{
    backend::{LocalBackend, UNFINISHED, sync_folder},
    errors::{During, StorageError},
    gate::Gate,
    seal,
};

/// A repository that is being made is named so until it is whole.
pub(super) const UNBORN: &str = ".new-";

/// What opens a repository.
#[derive(Serialize, Deserialize)]
pub(super) struct Keys {
    /// Opens it without scrypt, which costs time and memory.
    pub(super) master: MasterKey,
    /// Opens it with stock `restic`.
    pub(super) rescue_password: Secret,
}

/// The folders below the data folder.
pub(super) struct Home {
    repositories: PathBuf,
    keys: PathBuf,
}

impl Home {
    pub(super) fn open(data: &Path) -> io::Result<Self> {
        let home = Self { repositories: data.join("repositories"), keys: data.join("keys") };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&home.repositories)?;
        builder.create(&home.keys)?;
        Ok(home)
    }

    pub(super) fn folder(&self, id: RepositoryId) -> PathBuf {
        self.repositories.join(id.to_string())
    }

    pub(super) fn repositories(&self) -> &Path {
        &self.repositories
    }

    /// Whether there is a repository. One whose key is here and whose folder is not is neither there nor empty: its disk
    /// may not be mounted.
    pub(super) fn exists(&self, id: RepositoryId) -> Result<bool, StorageError> {
        if self.folder(id).try_exists().during("read")? {
            return Ok(true);
        }
        let key = self.keys.join(id.to_string());
        if key.try_exists().during("read")? {
            let folder = self.folder(id).display().to_string();
            return Err(StorageError::FolderAbsent { folder, key: key.display().to_string() });
        }
        Ok(false)
    }

    /// The repositories there are, in no order.
    pub(super) fn all(&self) -> Result<Vec<RepositoryId>, StorageError> {
        let mut all: Vec<RepositoryId> = Vec::new();
        for folder in fs::read_dir(&self.repositories).during("read")? {
            let name = folder.during("read")?.file_name();
            all.extend(name.to_str().and_then(|name| name.parse::<RepositoryId>().ok()));
        }
        Ok(all)
    }

    /// When a repository was made: its configuration is never written again.
    pub(super) fn made_at(&self, id: RepositoryId) -> Result<DateTime<Utc>, StorageError> {
        let config = fs::metadata(self.folder(id).join("config")).during("read")?;
        Ok(config.modified().during("read")?.into())
    }

    pub(super) fn keys(&self, id: RepositoryId) -> Result<Keys, StorageError> {
        let mut path = self.keys.join(id.to_string());
        if !path.try_exists().during("opened with its key")? {
            path = self.unborn_key(id);
        }
        let json = fs::read(&path).during("opened with its key")?;
        serde_json::from_slice(&json)
            .map_err(|_| StorageError::Damaged(format!("its key file {} cannot be read", path.display())))
    }

    /// Opens a repository. Every backup opens it anew: a handle does not see what it wrote itself.
    pub(super) fn open_repository(
        &self,
        id: RepositoryId,
        gate: &Arc<Gate>,
    ) -> Result<Repository<OpenStatus>, StorageError> {
        if !self.exists(id)? {
            return Err(StorageError::NoSuchRepository(id));
        }
        let keys = self.keys(id)?;
        handle(self.folder(id), gate)?.open(&Credentials::Masterkey(keys.master)).during("opened")
    }

    /// The backend alone, for the few files that the library does not write.
    pub(super) fn backend(&self, id: RepositoryId, gate: &Arc<Gate>) -> LocalBackend {
        LocalBackend::new(self.folder(id), Arc::clone(gate))
    }

    /// Notes on disk that something is being changed, for [`super::Repositories::sweep`] after a crash.
    pub(super) fn begin(&self, id: RepositoryId, work: &str) -> Result<(), StorageError> {
        let folder = self.folder(id).join(UNFINISHED);
        fs::write(folder.join(work), []).and_then(|()| sync_folder(&folder)).during("written")
    }

    /// Takes the note back.
    pub(super) fn end(&self, id: RepositoryId, work: &str) -> Result<(), StorageError> {
        match fs::remove_file(self.folder(id).join(UNFINISHED).join(work)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StorageError::io("written", &error)),
            _ => Ok(()),
        }
    }

    /// Makes a repository, wholly or not at all. Its key is on disk before anything needs it, and gets its name after the
    /// folder has: a key without a folder means that the folder is lost.
    pub(super) fn create_repository(&self, id: RepositoryId) -> Result<(), StorageError> {
        let unborn = self.repositories.join(format!("{UNBORN}{id}"));
        match fs::remove_dir_all(&unborn) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StorageError::io("made", &error)),
            _ => {}
        }
        let keys = self.keys_for_new(id)?;
        let gate = Arc::new(Gate::default());
        handle(unborn.clone(), &gate)?
            .init(&Credentials::Masterkey(keys.master.clone()), &KeyOptions::default(), &shape())
            .during("opened")?;
        let key = seal::key_file(&keys.master, keys.rescue_password.reveal())?;
        LocalBackend::new(unborn.clone(), gate)
            .write_bytes(FileType::Key, &key.id, false, key.bytes.into())
            .during("made")?;
        fs::rename(&unborn, self.folder(id)).and_then(|()| sync_folder(&self.repositories)).during("made")?;
        self.name_key(id)
    }

    /// A key that is there already is kept: it may open a folder on a disk that is not mounted at the moment.
    fn keys_for_new(&self, id: RepositoryId) -> Result<Keys, StorageError> {
        if self.unborn_key(id).try_exists().during("made")? {
            return self.keys(id);
        }
        let keys = Keys { master: MasterKey::new(), rescue_password: Secret::new(seal::random_password()?) };
        self.write_keys(id, &keys).during("made")?;
        Ok(keys)
    }

    fn write_keys(&self, id: RepositoryId, keys: &Keys) -> io::Result<()> {
        crate::durable::write(&self.unborn_key(id), &serde_json::to_vec_pretty(keys)?)
    }

    fn unborn_key(&self, id: RepositoryId) -> PathBuf {
        self.keys.join(format!("{UNBORN}{id}"))
    }

    /// Gives the key of a repository that is there its name, if a crash came before that.
    pub(super) fn name_key(&self, id: RepositoryId) -> Result<(), StorageError> {
        match fs::rename(self.unborn_key(id), self.keys.join(id.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            renamed => renamed.and_then(|()| sync_folder(&self.keys)).during("made"),
        }
    }
}

fn handle(folder: PathBuf, gate: &Arc<Gate>) -> Result<Repository<()>, StorageError> {
    let backend = LocalBackend::new(folder, Arc::clone(gate));
    Repository::new(&RepositoryOptions::default().no_cache(true), &RepositoryBackends::new(Arc::new(backend), None))
        .during("opened")
}

/// Small chunks: a day's changes cost little, and a random read is quick. Packs stay small, so that memory does.
fn shape() -> ConfigOptions {
    ConfigOptions::default()
        .set_chunk_size(ByteSize::kib(64))
        .set_chunk_min_size(ByteSize::kib(32))
        .set_chunk_max_size(ByteSize::kib(512))
        .set_datapack_size(ByteSize::mib(16))
        .set_datapack_size_limit(ByteSize::mib(32))
        .set_extra_verify(true)
}
