//! Long-running work on a backup server.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Backup, BackupId, JobId, RepositoryId, Restored};

/// The state of one long-running work. `GET /v1/jobs/{id}/events` streams it as SSE, one `job` event per change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Job {
    /// Its identity.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The repository that it works on.
    pub repository: RepositoryId,
    /// Where it stands.
    pub state: JobState,
    /// What it does at the moment, or did last.
    pub phase: Phase,
    /// How far that phase is.
    pub progress: Progress,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it began to run.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
    /// The backup that it made; for a restore the safety backup, also when the restore then failed.
    pub backup: Option<Backup>,
    /// What a restore did.
    #[serde(default)]
    pub restored: Option<Restored>,
    /// The backups that a removal removed, also when it then failed.
    #[serde(default)]
    pub removed: Vec<BackupId>,
}

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum JobKind {
    /// Make a backup.
    Backup,
    /// Restore a backup.
    Restore,
    /// Bring back the database that a restore replaced.
    Undo,
    /// Read all of a repository and compare its checksums.
    Verify,
    /// Check a file that was uploaded or is at a URL, and make a backup of it.
    Import,
    /// Remove backups and free their space.
    Remove,
    /// What only a later version of the API says.
    #[serde(other)]
    Other,
}

/// Where a [`Job`] stands. The last four are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum JobState {
    /// Waits for its turn.
    Queued,
    /// At work.
    Running,
    /// Done and verified.
    Succeeded,
    /// Ended with a [`Failure`]; nothing was kept or changed, unless that says otherwise.
    Failed,
    /// Stopped on request; nothing was kept.
    Cancelled,
    /// The process that did it ended; nothing was kept.
    Interrupted,
}

impl JobState {
    /// Whether it will not change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Interrupted)
    }

    /// Its name in storage and in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::Interrupted]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// What a running [`Job`] does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for its turn.
    #[default]
    Waiting,
    /// Testing the source and the free space.
    Checking,
    /// Odoo builds its file and has sent nothing yet.
    WaitingForOdoo,
    /// The file arrives from Odoo.
    Receiving,
    /// The file is fetched from its URL.
    Fetching,
    /// The whole file is read and checked before anything of it is kept.
    CheckingFile,
    /// The database is read and stored.
    Database,
    /// The filestore is read and stored.
    Filestore,
    /// What was stored is compared with what was announced.
    Verifying,
    /// The present database is backed up before it is replaced.
    SafetyBackup,
    /// The database is written beside the present one.
    RestoringDatabase,
    /// The files of attachments are written beside the present ones.
    RestoringFilestore,
    /// The backup is sent to Odoo.
    SendingToOdoo,
    /// Odoo restores what it received and says nothing until it is done.
    OdooRestores,
    /// The restored database is neutralized.
    Neutralizing,
    /// The restored database is compared with the backup.
    Comparing,
    /// The restored database takes the place of the present one.
    Swapping,
    /// The replaced database takes its place again.
    Undoing,
    /// What is not needed any more is removed.
    CleaningUp,
    /// Backups are removed.
    Removing,
    /// What only removed backups used is freed.
    FreeingSpace,
    /// What only a later version of the API says.
    #[serde(other)]
    Other,
}

impl Phase {
    /// The phase in a few words.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting for its turn",
            Self::Checking => "Checking source and space",
            Self::WaitingForOdoo => "Waiting for Odoo",
            Self::Receiving => "Receiving from Odoo",
            Self::Fetching => "Fetching the file",
            Self::CheckingFile => "Checking the file",
            Self::Database => "Database",
            Self::Filestore => "Filestore",
            Self::Verifying => "Verifying",
            Self::SafetyBackup => "Safety backup",
            Self::RestoringDatabase => "Restoring the database",
            Self::RestoringFilestore => "Restoring the filestore",
            Self::SendingToOdoo => "Sending to Odoo",
            Self::OdooRestores => "Odoo restores",
            Self::Neutralizing => "Neutralizing",
            Self::Comparing => "Comparing with the backup",
            Self::Swapping => "Swapping",
            Self::Undoing => "Bringing back",
            Self::CleaningUp => "Cleaning up",
            Self::Removing => "Removing backups",
            Self::FreeingSpace => "Freeing space",
            Self::Other => "Working",
        }
    }
}

/// How far a phase is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Bytes done in this phase.
    pub done_bytes: u64,
    /// Bytes of this phase in all, where known.
    pub total_bytes: Option<u64>,
}

/// Why a job did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failure {
    /// For programs.
    pub code: FailureCode,
    /// What happened and what to do next.
    pub message: String,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum FailureCode {
    /// The source, or on the panel's side the backup server, does not answer: it may later.
    Unreachable,
    /// The source has a [`crate::Problem`] that stops a backup.
    Source,
    /// Odoo answered with an error.
    OdooError,
    /// What arrived is not a whole backup: cut off, empty, a web page, or damaged.
    Incomplete,
    /// A URL could not be fetched.
    Fetch,
    /// `pg_dump` could not be run, failed or was killed.
    PgDump,
    /// Nothing arrived for the set time.
    Stalled,
    /// Too little disk space.
    NoSpace,
    /// The repository could not be written or read.
    Storage,
    /// A check before the restore stops it.
    Preflight,
    /// The backup's SQL was refused by PostgreSQL, or holds what no backup of Odoo holds.
    Sql,
    /// What was restored is not what the backup holds, or what a repository holds is damaged.
    Mismatch,
    /// The restored database is not neutralized as it should be.
    Neutralize,
    /// The database is in use and could not be taken over.
    InUse,
    /// Stopped on request.
    Cancelled,
    /// The server's process ended meanwhile.
    Interrupted,
    /// A fault of the server.
    Internal,
    /// What only a later version of the API says.
    #[serde(other)]
    Other,
}

/// A line of a job's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLine {
    /// When.
    pub at: DateTime<Utc>,
    /// How important.
    pub level: LogLevel,
    /// A sentence.
    pub message: String,
}

/// Importance of a [`LogLine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LogLevel {
    /// What happens.
    Info,
    /// Deserves a look.
    Warn,
    /// Why it failed.
    Error,
}
