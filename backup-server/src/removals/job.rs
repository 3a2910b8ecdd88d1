//! The removal job: forget backups one by one, then free the space of all of them in one go.

use backup_api::{BackupId, Failure, FailureCode, Phase, RepositoryId};

use crate::{
    jobs::{JobContext, size},
    repositories::StorageError,
    server::App,
};

/// Backups to be removed.
pub(crate) struct RemovalJob {
    pub app: App,
    pub repository: RepositoryId,
    pub backups: Vec<BackupId>,
}

impl RemovalJob {
    /// Removes them. Whatever stops it, what is gone is named and its space is freed.
    pub async fn run(self, context: JobContext) -> Result<(), Failure> {
        context.enter(Phase::Removing);
        let before = self.app.repositories.bytes_used_by(self.repository).await?;
        let mut removed = 0;
        let forgotten = self.forget_all(&context, &mut removed).await;
        if removed > 0 {
            context.enter(Phase::FreeingSpace);
            self.free(&context, before).await?;
        }
        forgotten
    }

    async fn forget_all(&self, context: &JobContext, removed: &mut usize) -> Result<(), Failure> {
        for backup in &self.backups {
            if context.cancel.is_cancelled() {
                let message = format!("Cancelled on request after {removed} of {} backup(s).", self.backups.len());
                return Err(Failure { code: FailureCode::Cancelled, message });
            }
            match self.app.repositories.forget(self.repository, *backup).await {
                Ok(()) => context.info(format!("Removed the backup {backup}.")),
                Err(StorageError::NoSuchBackup(_)) => context.info(format!("The backup {backup} was gone already.")),
                Err(error) => return Err(error.into()),
            }
            context.removed(*backup);
            *removed += 1;
        }
        Ok(())
    }

    /// At once, or after the downloads that run at the moment: the job does not wait for those.
    async fn free(&self, context: &JobContext, before: u64) -> Result<(), Failure> {
        match self.app.repositories.free(self.repository).await {
            Ok(true) => {}
            Ok(false) => {
                context.info("The space is freed when the downloads that run at the moment have ended.");
                return Ok(());
            }
            // The backups are gone all the same.
            Err(error) => {
                context.warn(error.to_string());
                return Ok(());
            }
        }
        let now = self.app.repositories.bytes_used_by(self.repository).await?;
        let freed = size(before.saturating_sub(now));
        context.info(format!("Freed {freed}; the repository now takes {}.", size(now)));
        Ok(())
    }
}
