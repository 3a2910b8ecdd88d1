//! Upkeep of repositories: forget, free, verify, and put in order what a crash or a bad disk left.

use std::sync::Arc;

use backup_api::{BackupId, RepositoryId};
use tokio::sync::OwnedRwLockWriteGuard;

use super::{Repositories, blocking, errors::StorageError, heal, lock::Lock, maintain};

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
    /// Sentences about what is damaged, first those about backups that are not whole; none when all is well.
    pub problems: Vec<String>,
    /// Damaged packs that were set aside, so that no new backup is built on them.
    pub set_aside: usize,
    /// Packs that the disk did not give; they stay where they are.
    pub unreadable: usize,
    /// Packs that had been set aside, are sound after all and are where they belong again.
    pub returned: usize,
}

impl Repositories {
    /// Forgets a backup, and frees what no other needs: at once, or after the downloads that run at the moment, of this
    /// backup too.
    pub async fn delete(&self, repository: RepositoryId, backup: BackupId) -> Result<(), StorageError> {
        self.forget(repository, backup).await?;
        // It is gone, whether or not its space is freed; the log says why not.
        let _ = self.free(repository).await;
        Ok(())
    }

    /// Forgets a backup without freeing anything: [`Self::free`] does that once for many.
    pub async fn forget(&self, repository: RepositoryId, backup: BackupId) -> Result<(), StorageError> {
        self.shared(repository, move |home| maintain::forget(home, repository, backup)).await
    }

    /// Frees what no backup needs, at once (true) or after the downloads that run at the moment. Nothing is freed while a
    /// backup is not whole.
    pub async fn free(&self, repository: RepositoryId) -> Result<bool, StorageError> {
        let lock = self.inner.lock_of(repository);
        self.prune_when_free(repository, &lock).await
    }

    /// Puts a repository in order and frees what no backup needs.
    pub async fn prune(&self, repository: RepositoryId) -> Result<(), StorageError> {
        self.alone(repository, move |home| maintain::prune(home, repository).map(|_| ())).await
    }

    /// Reads all of a repository and compares its checksums. What is damaged is set aside, after the downloads that run
    /// at the moment; what was set aside and is sound comes back before.
    pub async fn verify(&self, repository: RepositoryId) -> Result<Verified, StorageError> {
        // A backup that is being made has packs that no index names yet.
        let _turn = Arc::clone(&self.inner.lock_of(repository).turn).lock_owned().await;
        let returned = self.put_back(repository).await?;
        let found = self.shared(repository, move |home| maintain::verify(home, repository)).await?;
        if found.is_empty() {
            return Ok(Verified { returned, ..Verified::default() });
        }
        self.alone(repository, move |home| {
            let healed = heal::heal(home, repository, &found)?;
            let problems = healed.sentences.into_iter().chain(found).collect();
            Ok(Verified { problems, set_aside: healed.set_aside, unreadable: healed.unreadable, returned })
        })
        .await
    }

    /// Puts packs that had been set aside and are sound after all where they belong; gives how many. Reads what is set
    /// aside, and does nothing where that is nothing.
    pub async fn put_back(&self, repository: RepositoryId) -> Result<usize, StorageError> {
        let sound = self.shared(repository, move |home| heal::sound_aside(home, repository)).await?;
        if sound.is_empty() {
            return Ok(0);
        }
        self.alone(repository, move |home| heal::put_back(home, repository, &sound)).await
    }

    /// Puts in order what a crash left; to be called once, before anything else.
    pub async fn sweep(&self) -> Result<Swept, StorageError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || maintain::sweep(&inner.home)).await
    }

    /// Frees what a failed or deleted backup left: at once, or after the downloads that run at the moment. Whether it is
    /// done.
    pub(super) async fn prune_when_free(&self, repository: RepositoryId, lock: &Lock) -> Result<bool, StorageError> {
        if let Ok(alone) = Arc::clone(&lock.access).try_write_owned() {
            return self.prune_with(repository, alone).await.map(|()| true);
        }
        if lock.queue_prune() {
            let (repositories, lock) = (self.clone(), self.inner.lock_of(repository));
            tokio::spawn(async move {
                let alone = lock.exclusive().await;
                lock.prune_begins();
                // The log has it.
                let _ = repositories.prune_with(repository, alone).await;
            });
        }
        Ok(false)
    }

    async fn prune_with(&self, repository: RepositoryId, alone: OwnedRwLockWriteGuard<()>) -> Result<(), StorageError> {
        let pruned = self.alone_with(repository, alone, move |home| maintain::prune(home, repository)).await;
        pruned.map(drop).inspect_err(|error| {
            tracing::warn!(repository.id = %repository, error = %error, "Could not prune {repository}: {error}");
        })
    }
}
