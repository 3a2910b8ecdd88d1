//! Stores what a job opened: the last step of every job that makes a backup.

use std::{sync::Arc, time::Instant};

use backup_api::{Backup, BackupFormat, BackupId, DatabaseName, Failure, FailureCode, RepositoryId};

use super::{JobContext, words};
use crate::{
    repositories::{NewBackup, ReportProgress},
    server::App,
    sources::OpenedSource,
};

/// What a job is asked to make.
pub(crate) struct Wanted {
    pub id: BackupId,
    pub database: DatabaseName,
    pub format: BackupFormat,
    pub comment: String,
}

/// Makes a backup of what was opened and checked, and tells the log how it went.
pub(crate) async fn store(
    app: &App,
    repository: RepositoryId,
    context: &JobContext,
    wanted: Wanted,
    opened: OpenedSource,
    began: Instant,
) -> Result<Backup, Failure> {
    let OpenedSource { content, finish, facts, guard } = opened;
    let backup = NewBackup {
        id: wanted.id,
        created_at: app.config.clock.now(),
        database: wanted.database,
        format: wanted.format,
        attachments: facts.attachments,
        odoo_version: facts.odoo_version,
        postgres_version: facts.postgres_version,
        comment: wanted.comment,
    };
    let attachments = match backup.format {
        BackupFormat::Zip => format!(" and {} file(s) of attachments", content.filestore.files.len()),
        BackupFormat::Dump => String::new(),
    };
    context.info(format!("Storing the database{attachments} as {}.", backup.file_name()));
    let (report, cancel) = (reporter(context), context.cancel.clone());
    let stored = app.repositories.ingest(repository, backup, content, finish, report, cancel).await;
    // Programs are ended and staged files removed before anyone hears of the outcome; that may block.
    let dropped = tokio::task::spawn_blocking(move || drop(guard)).await;
    dropped.map_err(|error| Failure { code: FailureCode::Internal, message: error.to_string() })?;
    let backup = stored?;
    if let Some(attachments) = backup.attachments.as_ref().filter(|found| found.missing_count() > 0) {
        context.warn(words::missing(attachments));
    }
    context.info(words::result(&backup, began.elapsed()));
    Ok(backup)
}

/// Tells the job how far its work is.
pub(crate) fn reporter(context: &JobContext) -> ReportProgress {
    let context = context.clone();
    Arc::new(move |phase, progress| context.progress(phase, progress))
}
