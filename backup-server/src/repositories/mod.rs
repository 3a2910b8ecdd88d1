//! One repository in restic's format for each subscription, one snapshot for each backup.
//!
//! All methods are asynchronous; what blocks runs on blocking threads. A repository is locked for reading by ingest and
//! export, and exclusively by whatever removes or repairs.

mod content;
mod errors;

use std::{ops::Range, path::Path, pin::Pin};

use backup_api::{Backup, BackupId, LinkCompression, RecoveryKit, RepositoryId};
use bytes::Bytes;
use futures::Stream;
use tokio_util::sync::CancellationToken;

pub use content::{
    CUSTOM_DUMP, Content, ContentFile, FILESTORE, Finish, MANIFEST, NewBackup, OpenContent, PLAIN_DUMP, ReportProgress,
};
pub use errors::StorageError;

/// The repositories below one data folder: `repositories/<uuid>` and their keys in `keys/<uuid>`. Cheap to clone.
#[derive(Clone)]
pub struct Repositories {}

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

/// What [`Repositories::sweep`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Repositories looked at.
    pub repositories: u64,
    /// Unfinished files and unreadable index files removed.
    pub files_removed: u64,
    /// Sentences about repositories that could not be put in order.
    pub problems: Vec<String>,
}

/// What [`Repositories::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Sentences about what is damaged; none when all is well.
    pub problems: Vec<String>,
}

impl Repositories {
    /// Opens the repositories below `data`, making the folders that are not there yet.
    pub fn open(data: &Path) -> Result<Self, StorageError> {
        unimplemented!("{}", data.display())
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
        unimplemented!()
    }

    /// The backups of a repository, the newest first; none when there is no repository yet.
    pub async fn list(&self, repository: RepositoryId) -> Result<Vec<Backup>, StorageError> {
        unimplemented!()
    }

    /// One backup.
    pub async fn get(&self, repository: RepositoryId, backup: BackupId) -> Result<Backup, StorageError> {
        unimplemented!()
    }

    /// Forgets a backup. Its space is freed by [`Self::prune`].
    pub async fn delete(&self, repository: RepositoryId, backup: BackupId) -> Result<(), StorageError> {
        unimplemented!()
    }

    /// Frees what no backup needs.
    pub async fn prune(&self, repository: RepositoryId) -> Result<(), StorageError> {
        unimplemented!()
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
        unimplemented!()
    }

    /// How to read a repository with the stock `restic` program.
    pub async fn recovery_kit(&self, repository: RepositoryId) -> Result<RecoveryKit, StorageError> {
        unimplemented!()
    }

    /// Reads all of a repository and compares its checksums.
    pub async fn verify(&self, repository: RepositoryId) -> Result<Verified, StorageError> {
        unimplemented!()
    }

    /// Puts in order what a crash left; to be called once, before anything else.
    pub async fn sweep(&self) -> Result<Swept, StorageError> {
        unimplemented!()
    }

    /// Bytes that all repositories use on disk.
    pub async fn bytes_used(&self) -> Result<u64, StorageError> {
        unimplemented!()
    }

    /// How many repositories there are.
    pub async fn count(&self) -> Result<u64, StorageError> {
        unimplemented!()
    }
}
