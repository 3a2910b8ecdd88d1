//! What the backup server is asked to do for an operation. Asking twice does it once: the job has the operation's id.

use backup_api::{
    BackupId, Client, ClientError, DatabaseName, Job, JobId, RepositoryId, StartBackup, StartImport, StartRemoval,
    StartRestore, StartUndo, StartVerification,
};

use super::{OperationKind, store::Stored};
use crate::{
    error::{AppError, AppResult},
    restores::start::plan,
    retention,
    server::Panel,
    subscriptions,
    uploads::imports,
};

/// A job to be started.
#[derive(Debug)]
pub enum Order {
    /// Make a backup.
    Backup(RepositoryId, StartBackup),
    /// Restore a backup.
    Restore(RepositoryId, BackupId, Box<StartRestore>),
    /// Undo a restore.
    Undo(JobId, StartUndo),
    /// Read all of a repository and compare its checksums.
    Verify(RepositoryId, StartVerification),
    /// Make a backup of a file from elsewhere.
    Import(RepositoryId, StartImport),
    /// Remove backups.
    Remove(RepositoryId, StartRemoval),
}

impl Order {
    /// The job of an operation, with the subscription's present connection.
    pub async fn of(panel: &Panel, stored: &Stored) -> AppResult<Self> {
        let job = JobId(stored.operation.id.0);
        if stored.operation.kind == OperationKind::Verify {
            return Ok(Self::Verify(stored.repository, StartVerification { job }));
        }
        if stored.operation.kind == OperationKind::Retention {
            let subscription = stored.operation.subscription;
            let subscription = subscription.ok_or_else(|| AppError::not_found(subscriptions::store::THIS))?;
            let backups = retention::store::give(panel, stored.operation.id, subscription).await?;
            if backups.is_empty() {
                return Err(AppError::Conflict("There is nothing to remove any more.".to_owned()));
            }
            return Ok(Self::Remove(stored.repository, StartRemoval { job, backups }));
        }
        let parse =
            |name: &str| DatabaseName::parse(name).map_err(|error| AppError::field("database", error.to_string()));
        if stored.operation.kind == OperationKind::Import {
            let (repository, start) = imports::order(panel, stored, parse(&stored.database)?).await?;
            return Ok(Self::Import(repository, start));
        }
        let id = stored.operation.subscription;
        let id = id.ok_or_else(|| AppError::not_found(subscriptions::store::THIS))?;
        let row = subscriptions::store::find(panel, id).await?;
        let target = row.connection.source(panel, row.id, parse(&stored.database)?)?;
        let restore = stored.operation.restore.as_ref().zip(stored.restore.as_ref());
        match (stored.operation.kind, restore) {
            (OperationKind::Backup, _) => {
                let (format, comment) = (stored.format, stored.comment.clone());
                let start = StartBackup { job, backup: stored.backup, source: target, format, comment };
                Ok(Self::Backup(stored.repository, start))
            }
            (OperationKind::Restore, Some((facts, kept))) => {
                let copy = facts.is_copy.then(|| parse(&facts.database)).transpose()?;
                let safety = facts.safety_backup.then_some(stored.backup);
                let plan = plan(target, copy, facts.neutralize, safety, facts.undo_hours);
                Ok(Self::Restore(stored.repository, kept.backup, Box::new(StartRestore { job, plan })))
            }
            (OperationKind::Undo, Some((facts, _))) => {
                Ok(Self::Undo(JobId(facts.restore.0), StartUndo { job, target }))
            }
            (kind, _) => {
                tracing::error!(operation.id = %job, "Operation {job} of kind {} cannot be started", kind.as_str());
                Err(AppError::Refused("This kind of operation cannot be started by this version.".to_owned()))
            }
        }
    }

    /// Gives it to a server.
    pub async fn give(&self, client: &Client) -> Result<Job, ClientError> {
        match self {
            Self::Backup(repository, start) => client.start_backup(*repository, start).await,
            Self::Restore(repository, backup, start) => client.start_restore(*repository, *backup, start).await,
            Self::Undo(restore, start) => client.start_undo(*restore, start).await,
            Self::Verify(repository, start) => client.start_verification(*repository, start).await,
            Self::Import(repository, start) => client.start_import(*repository, start).await,
            Self::Remove(repository, start) => client.start_removal(*repository, start).await,
        }
    }
}
