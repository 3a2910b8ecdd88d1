//! What can go wrong in a repository, in words for administrators.

use std::{error::Error, io};

use backup_api::{ApiError, BackupId, ErrorCode, Failure, FailureCode, RepositoryId};
use rustic_core::RusticResult;

/// Why a repository could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No repository has this identity.
    #[error("This server has no repository {0}. It is made with the first backup.")]
    NoSuchRepository(RepositoryId),
    /// No backup has this identity.
    #[error("There is no backup {0} in this repository. It may have been deleted.")]
    NoSuchBackup(BackupId),
    /// The identity was used before.
    #[error("There is a backup {0} already. Ask for a new one under another identity.")]
    BackupExists(BackupId),
    /// The disk of the repositories is full.
    #[error(
        "The disk of this server's repositories is full. Free some space, or delete backups that are not needed any more."
    )]
    NoSpace,
    /// Going on would use the space that is to stay free.
    #[error("{}", .0.message)]
    Reserve(Failure),
    /// The repository could not be read or written.
    #[error(
        "The repository could not be {doing}: {cause}. Look at the disk and at the rights of the server's data folder."
    )]
    Unavailable {
        /// `read`, `written` …
        doing: &'static str,
        /// What the system or the storage library said.
        cause: String,
    },
    /// The key of a repository is there, its folder is not.
    #[error(
        "The repository's folder {folder} is not there, but its key is: the disk of the repositories may not be mounted. Mount it and try again. Only if its backups are lost for good, move {key} away; the next backup then begins a new repository."
    )]
    FolderAbsent {
        /// Where it should be.
        folder: String,
        /// The file with its key.
        key: String,
    },
    /// What is stored is not what was stored.
    #[error("The repository is damaged: {0}. Verify it, and make a new backup.")]
    Damaged(String),
    /// The source did not deliver what it announced, or said that it failed.
    #[error("{}", .0.message)]
    Source(Failure),
    /// Stopped on request.
    #[error("Cancelled; nothing was kept.")]
    Cancelled,
    /// The range lies outside the file.
    #[error("The file has {0} bytes; the range asked for lies outside.")]
    OutOfRange(u64),
    /// A fault of the program.
    #[error("The server made a mistake: {0}. Its log may say more.")]
    Internal(String),
}

impl StorageError {
    /// The code for an API answer.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NoSuchRepository(_) | Self::NoSuchBackup(_) => ErrorCode::NotFound,
            Self::BackupExists(_) => ErrorCode::Conflict,
            Self::NoSpace | Self::Reserve(_) => ErrorCode::NoSpace,
            Self::Unavailable { .. } | Self::FolderAbsent { .. } | Self::Damaged(_) => ErrorCode::StorageUnavailable,
            Self::OutOfRange(_) => ErrorCode::Invalid,
            Self::Source(_) | Self::Cancelled | Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// The code for a job that failed with it.
    pub const fn failure_code(&self) -> FailureCode {
        match self {
            Self::NoSpace | Self::Reserve(_) => FailureCode::NoSpace,
            Self::Source(failure) => failure.code,
            Self::Cancelled => FailureCode::Cancelled,
            Self::Internal(_) => FailureCode::Internal,
            Self::NoSuchRepository(_)
            | Self::NoSuchBackup(_)
            | Self::BackupExists(_)
            | Self::Unavailable { .. }
            | Self::FolderAbsent { .. }
            | Self::Damaged(_)
            | Self::OutOfRange(_) => FailureCode::Storage,
        }
    }

    /// A failure of the system while `doing` something with the repository.
    pub(crate) fn io(doing: &'static str, error: &io::Error) -> Self {
        if is_disk_full(error) { Self::NoSpace } else { Self::Unavailable { doing, cause: error.to_string() } }
    }

    /// A failure of the storage library while `doing` something with the repository.
    fn library(doing: &'static str, error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(is_disk_full) {
                return Self::NoSpace;
            }
            cause = error.source();
        }
        let first = sentence(&error.to_string());
        let cause = error.source().map_or_else(|| first.clone(), |cause| format!("{first} ({cause})"));
        Self::Unavailable { doing, cause }
    }
}

/// Says what was done with the repository when something failed: `read`, `written` …
pub(crate) trait During<T> {
    /// Turns the failure into a [`StorageError`].
    fn during(self, doing: &'static str) -> Result<T, StorageError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, doing: &'static str) -> Result<T, StorageError> {
        self.map_err(|error| StorageError::io(doing, &error))
    }
}

impl<T> During<T> for RusticResult<T> {
    fn during(self, doing: &'static str) -> Result<T, StorageError> {
        self.map_err(|error| StorageError::library(doing, &*error))
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Source(failure) => failure,
            error => Self { code: error.failure_code(), message: error.to_string() },
        }
    }
}

/// Whether the system says that there is no room: the disk is full, or this user's part of it.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The library prints a page with advice for users of another program; its message is the paragraph after "Message:".
/// What stands before that page stays.
pub(super) fn sentence(text: &str) -> String {
    let message = text.split_once("Message:\n").map_or(text, |(_, rest)| rest);
    let first = message.split("\n\n").next().unwrap_or(message).trim().trim_end_matches('.');
    match text.split_once("`rustic_core`") {
        Some((before, _)) if !before.is_empty() => format!("{}: {first}", before.trim().trim_end_matches([' ', ':'])),
        _ => first.to_owned(),
    }
}
