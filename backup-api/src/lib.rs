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

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;

    /// A server may be newer than its panel: a word that is new must not keep the rest from being read.
    #[test]
    fn what_a_later_version_says_is_read_all_the_same() {
        let id = "0193a5b0-0000-7000-8000-000000000000";
        let job = format!(
            r#"{{"id": "{id}", "kind": "later", "repository": "{id}", "state": "failed", "phase": "later",
                "progress": {{"done_bytes": 1, "total_bytes": null}}, "created_at": "2026-11-30T05:00:00Z",
                "started_at": null, "finished_at": "2026-11-30T05:00:01Z", "backup": null, "restored": null,
                "failure": {{"code": "later", "message": "What happened."}}, "removed": [], "more": {{"later": true}}}}"#
        );
        let job: Job = serde_json::from_str(&job).unwrap();
        let failure = job.failure.unwrap();
        assert_eq!((job.kind, job.phase, failure.code), (JobKind::Other, Phase::Other, FailureCode::Other));
        assert_eq!(failure.message, "What happened.");
        let error: ApiError = serde_json::from_str(r#"{"code": "later", "message": "Why not."}"#).unwrap();
        assert_eq!((error.code, error.message.as_str()), (ErrorCode::Other, "Why not."));
        let check: Check =
            serde_json::from_str(r#"{"code": "later", "outcome": "stop", "message": "It stops."}"#).unwrap();
        assert_eq!((check.code, check.outcome), (CheckCode::Other, CheckOutcome::Stop));
        let problem: Problem =
            serde_json::from_str(r#"{"code": "later", "severity": "stop", "message": "It stops."}"#).unwrap();
        assert_eq!((problem.code, problem.severity), (ProblemCode::Other, Severity::Stop));
    }
}
