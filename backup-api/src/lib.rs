//! Wire types of the backup server's `/v1` API, and (feature `client`) its typed client.
//!
//! Times are UTC. Sizes are bytes; a megabyte shown to a person is 1,000,000 bytes.

mod backups;
#[cfg(feature = "client")]
mod client;
mod errors;
mod jobs;
mod names;
mod removals;
mod restores;
mod server;
mod sources;
mod uploads;
mod verifications;

pub use backups::{
    Attachments, Backup, BackupFormat, CreateLink, DownloadLink, LinkCompression, RecoveryKit, StartBackup,
};
#[cfg(feature = "client")]
pub use client::{Client, ClientError};
pub use errors::{ApiError, ErrorCode};
pub use jobs::{Failure, FailureCode, Job, JobKind, JobState, LogLevel, LogLine, Phase, Progress};
pub use names::{BackupId, DatabaseName, InvalidDatabaseName, JobId, RepositoryId, Secret, UploadId};
pub use removals::StartRemoval;
pub use restores::{
    Check, CheckCode, CheckOutcome, CurrentDatabase, Preflight, RestoreMode, RestorePlan, RestoreStanding,
    RestoreState, Restored, StartRestore, StartUndo,
};
pub use server::{ServerInfo, Space};
pub use sources::{Problem, ProblemCode, Severity, Source, SourceReport};
pub use uploads::{ImportSource, StartImport, Upload};
pub use verifications::{StartVerification, Verification, VerificationState};
