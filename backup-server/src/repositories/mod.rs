//! One repository in restic's format for each subscription, one snapshot for each backup.
//!
//! All methods are asynchronous; what blocks runs on blocking threads. A repository is locked for reading by ingest and
//! export, and exclusively by whatever prunes or repairs.

mod announcement;
mod backend;
mod checksums;
mod content;
mod errors;
mod export;
mod gate;
mod guarded;
mod heal;
mod home;
mod ingest;
mod inventory;
mod kit;
mod layout;
mod ledger;
mod lock;
mod maintain;
mod parts;
mod reader;
mod seal;
mod snapshots;
#[cfg(test)]
mod tests;
mod upkeep;

use std::{
    collections::HashMap,
    ops::Range,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use backup_api::{Backup, BackupId, LinkCompression, RecoveryKit, RepositoryId};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::Stream;
use tokio::sync::{OwnedRwLockWriteGuard, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::disk;
use errors::During as _;
use export::Plan;
use gate::Gate;
use home::Home;
use ingest::Ingest;
use lock::Lock;

pub use content::{
    CUSTOM_DUMP, Content, ContentFile, FILESTORE, Filestore, FilestoreFile, Finish, MANIFEST, NewBackup, OpenContent,
    OpenFilestore, PLAIN_DUMP, ReportProgress, attachment_name, attachment_path, attachment_sha1,
};
pub use errors::StorageError;
pub(crate) use errors::is_disk_full;
pub use reader::{BackupReader, ByteStream};
pub use upkeep::{Swept, Verified};

/// The repositories below one data folder: `repositories/<uuid>` and their keys in `keys/<uuid>`. Cheap to clone.
#[derive(Clone)]
pub struct Repositories {
    inner: Arc<Inner>,
}

/// Name of the note that tells a sweep what was going on.
const INGEST: &str = "ingest";

/// A file on its way out.
pub struct Export {
    /// The bytes, in order. Ends with an error when the repository cannot be read; never ends early without one.
    pub bytes: Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>,
    /// Bytes that the stream will give, where known beforehand: always, except for a deflated zip.
    pub length: Option<u64>,
    /// Bytes of the whole file, where known beforehand.
    pub total: Option<u64>,
    /// The backup that it is made of.
    pub backup: Backup,
}

impl Repositories {
    /// Opens the repositories below `data`, making the folders that are not there yet.
    pub fn open(data: &Path) -> Result<Self, StorageError> {
        Self::keeping_free(data, 0)
    }

    /// The same; so many bytes of the disk stay free while a backup is stored, or it fails.
    pub fn keeping_free(data: &Path, keep_free: u64) -> Result<Self, StorageError> {
        let home = Home::open(data).during("opened")?;
        Ok(Self { inner: Arc::new(Inner { home, keep_free, locks: Mutex::default() }) })
    }

    /// Stores a backup, whole or not at all. The repository is made when it is the first.
    pub async fn ingest(
        &self,
        repository: RepositoryId,
        backup: NewBackup,
        content: Content,
        finish: Finish,
        progress: ReportProgress,
        cancel: CancellationToken,
    ) -> Result<Backup, StorageError> {
        let folder = self.inner.home.folder(repository);
        let free = move || disk::space(&folder).map(|space| space.free_bytes);
        let gate = Arc::new(Gate::closed().keeping(self.inner.keep_free, disk::SPACE_STEP, Box::new(free)));
        self.ingest_through(Ingest { repository, backup, content, finish, progress, cancel, gate }).await
    }

    async fn ingest_through(&self, ingest: Ingest) -> Result<Backup, StorageError> {
        let repository = ingest.repository;
        let lock = self.inner.lock_of(repository);
        // Two backups at once would store twice what they have in common.
        let turn = Arc::clone(&lock.turn).lock_owned().await;
        self.make_if_absent(repository, &lock).await?;
        let shared = Arc::clone(&lock.access).read_owned().await;
        let inner = Arc::clone(&self.inner);
        let made = blocking(move || {
            inner.changes(repository);
            let gate = Arc::clone(&ingest.gate);
            let made = inner.home.begin(repository, INGEST).and_then(|()| ingest.run(&inner.home));
            if made.is_err() {
                backend::take_back(&inner.home.folder(repository), &gate);
            } else if let Err(error) = inner.home.end(repository, INGEST) {
                tracing::warn!(repository.id = %repository, "A note was left in {repository}: {error}");
            }
            inner.changes(repository);
            drop(shared);
            made
        })
        .await;
        if made.is_err() {
            // What made the backup fail is told; why nothing could be freed, the log says.
            let _ = self.prune_when_free(repository, &lock).await;
        }
        drop(turn);
        made
    }

    async fn make_if_absent(&self, repository: RepositoryId, lock: &Lock) -> Result<(), StorageError> {
        if self.inner.home.exists(repository)? {
            return Ok(());
        }
        let alone = lock.exclusive().await;
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let made = inner.home.create_repository(repository);
            drop(alone);
            made
        })
        .await
    }

    /// The backups of a repository, the newest first; none when there is no repository yet.
    pub async fn list(&self, repository: RepositoryId) -> Result<Vec<Backup>, StorageError> {
        if !self.inner.home.exists(repository)? {
            return Ok(Vec::new());
        }
        let mut backups: Vec<_> = self
            .shared(repository, move |home| snapshots::all(&home.open_repository(repository, &Arc::default())?))
            .await?
            .into_iter()
            .map(|stored| stored.backup)
            .collect();
        backups.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(b.id.cmp(&a.id)));
        Ok(backups)
    }

    /// One backup.
    pub async fn get(&self, repository: RepositoryId, backup: BackupId) -> Result<Backup, StorageError> {
        self.shared(repository, move |home| {
            snapshots::find(&home.open_repository(repository, &Arc::default())?, backup)
        })
        .await
        .map(|stored| stored.backup)
    }

    /// Reads a backup as the file that a download gives. `range` counts in bytes of that file, its end excluded; it is
    /// ignored for a deflated zip, whose length is not known.
    pub async fn export(
        &self,
        repository: RepositoryId,
        backup: BackupId,
        compression: LinkCompression,
        range: Option<Range<u64>>,
    ) -> Result<Export, StorageError> {
        let lock = self.inner.lock_of(repository);
        let shared = Arc::clone(&lock.access).read_owned().await;
        let inner = Arc::clone(&self.inner);
        let plan = blocking(move || {
            let repo = inner.home.open_repository(repository, &Arc::default())?;
            let stored = snapshots::find(&repo, backup)?;
            let repo = repo.to_indexed().during("read")?;
            Plan::new(repo, &stored.snapshot, stored.backup, compression, range)
        })
        .await?;
        let (length, total, backup) = (plan.length(), plan.total(), plan.backup().clone());
        let (to, from) = mpsc::channel(export::QUEUE);
        tokio::task::spawn_blocking(move || {
            plan.run(to);
            drop(shared);
        });
        Ok(Export { bytes: Box::pin(ReceiverStream::new(from)), length, total, backup })
    }

    /// Opens a backup to read single files of it.
    pub async fn open_backup(&self, repository: RepositoryId, backup: BackupId) -> Result<BackupReader, StorageError> {
        let shared = Arc::clone(&self.inner.lock_of(repository).access).read_owned().await;
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let repo = inner.home.open_repository(repository, &Arc::default())?;
            let stored = snapshots::find(&repo, backup)?;
            let repo = repo.to_indexed().during("read")?;
            BackupReader::new(repo, &stored.snapshot, stored.backup, shared)
        })
        .await
    }

    /// How to read a repository with the stock `restic` program.
    pub async fn recovery_kit(&self, repository: RepositoryId) -> Result<RecoveryKit, StorageError> {
        self.shared(repository, move |home| {
            if !home.exists(repository)? {
                return Err(StorageError::NoSuchRepository(repository));
            }
            Ok(kit::recovery_kit(repository, &home.folder(repository), home.keys(repository)?.rescue_password))
        })
        .await
    }

    /// Bytes that all repositories use on disk.
    pub async fn bytes_used(&self) -> Result<u64, StorageError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.home.all()?.into_iter().try_fold(0, |sum, id| Ok(sum + inner.bytes_used_by(id)?))).await
    }

    /// Bytes that one repository uses on disk.
    pub async fn bytes_used_by(&self, repository: RepositoryId) -> Result<u64, StorageError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.bytes_used_by(repository)).await
    }

    /// The repositories there are, in no order, and when each was made.
    pub async fn all(&self) -> Result<Vec<(RepositoryId, DateTime<Utc>)>, StorageError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.home.all()?.into_iter().map(|id| Ok((id, inner.home.made_at(id)?))).collect()).await
    }

    /// How many repositories there are.
    pub async fn count(&self) -> Result<u64, StorageError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.home.all().map(|all| all.len() as u64)).await
    }

    /// Works on a repository while others may read and write it.
    async fn shared<T: Send + 'static>(
        &self,
        repository: RepositoryId,
        work: impl FnOnce(&Home) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let shared = Arc::clone(&self.inner.lock_of(repository).access).read_owned().await;
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let done = work(&inner.home);
            drop(shared);
            done
        })
        .await
    }

    /// Works on a repository while nobody else does.
    async fn alone<T: Send + 'static>(
        &self,
        repository: RepositoryId,
        work: impl FnOnce(&Home) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let alone = self.inner.lock_of(repository).exclusive().await;
        self.alone_with(repository, alone, work).await
    }

    async fn alone_with<T: Send + 'static>(
        &self,
        repository: RepositoryId,
        alone: OwnedRwLockWriteGuard<()>,
        work: impl FnOnce(&Home) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            inner.changes(repository);
            let done = work(&inner.home);
            inner.changes(repository);
            drop(alone);
            done
        })
        .await
    }
}

struct Inner {
    home: Home,
    keep_free: u64,
    locks: Mutex<HashMap<RepositoryId, Arc<Lock>>>,
}

impl Inner {
    fn lock_of(&self, repository: RepositoryId) -> Arc<Lock> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(repository).or_default())
    }

    fn bytes_used_by(&self, repository: RepositoryId) -> Result<u64, StorageError> {
        self.lock_of(repository).bytes_used(|| maintain::bytes_below(&self.home.folder(repository))).during("read")
    }

    fn changes(&self, repository: RepositoryId) {
        self.lock_of(repository).changes();
    }
}

/// Runs what blocks on a thread where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StorageError::Internal(format!("work on a repository ended abruptly: {error}"))))
}
