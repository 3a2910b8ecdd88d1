//! Server functions: backup lines, Create Backup, downloads and the recovery kit.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use backup_api::{BackupFormat, LinkCompression, RecoveryKit};
use leptos::prelude::*;

use super::{LineId, LinePage, LineQuery};
use crate::{error::AppError, operations::OperationId, subscriptions::SubscriptionId};

/// One page of a subscription's lines, compared with what its servers hold.
#[server]
pub async fn list_lines(subscription: SubscriptionId, query: LineQuery) -> Result<LinePage, AppError> {
    let _ = (subscription, query);
    Err(AppError::Internal)
}

/// Starts a backup (operators); goes to the subscription's page. One at a time for a subscription.
#[server]
pub async fn create_backup(
    subscription: SubscriptionId,
    #[server(default)] format: BackupFormat,
    #[server(default)] comment: String,
) -> Result<OperationId, AppError> {
    let _ = (subscription, format, comment);
    Err(AppError::Internal)
}

/// A temporary link to download a backup (operators): an absolute or root-relative URL.
#[server]
pub async fn download_link(line: LineId, #[server(default)] compression: LinkCompression) -> Result<String, AppError> {
    let _ = (line, compression);
    Err(AppError::Internal)
}

/// Changes what is written about a backup (operators).
#[server]
pub async fn set_comment(line: LineId, #[server(default)] comment: String) -> Result<(), AppError> {
    let _ = (line, comment);
    Err(AppError::Internal)
}

/// Keeps a backup from retention, or no longer (operators).
#[server]
pub async fn set_pinned(line: LineId, #[server(default)] pinned: bool) -> Result<(), AppError> {
    let _ = (line, pinned);
    Err(AppError::Internal)
}

/// Deletes a backup on its server and its line (operators); a failed or missing one only has a line.
#[server]
pub async fn delete_line(line: LineId) -> Result<(), AppError> {
    let _ = line;
    Err(AppError::Internal)
}

/// How to read the subscription's backups without Holdfast (administrators; written to the action log).
#[server(name = ShowRecoveryKit)]
pub async fn recovery_kit(subscription: SubscriptionId) -> Result<RecoveryKit, AppError> {
    let _ = subscription;
    Err(AppError::Internal)
}
