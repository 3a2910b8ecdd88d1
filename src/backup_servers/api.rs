//! Server functions: the list and the form of backup servers.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use backup_api::ServerInfo;
use leptos::prelude::*;

use super::{BackupServer, ServerId, ServerInput, ServerList};
use crate::error::AppError;

/// All backup servers.
#[server]
pub async fn list_servers() -> Result<ServerList, AppError> {
    Err(AppError::Internal)
}

/// One backup server; unknown: [`AppError::NotFound`] and HTTP 404.
#[server]
pub async fn get_server(id: ServerId) -> Result<BackupServer, AppError> {
    let _ = id;
    Err(AppError::Internal)
}

/// Tests and saves the form (administrators); goes to `/backup-servers`.
#[server]
pub async fn save_server(input: ServerInput) -> Result<ServerId, AppError> {
    let _ = input;
    Err(AppError::Internal)
}

/// Deletes a server (administrators); refused while subscriptions or backups refer to it. Goes to `/backup-servers`.
#[server]
pub async fn delete_server(id: ServerId) -> Result<(), AppError> {
    let _ = id;
    Err(AppError::Internal)
}

/// Asks the server that the form describes for its state (administrators).
#[server]
pub async fn test_server(input: ServerInput) -> Result<ServerInfo, AppError> {
    let _ = input;
    Err(AppError::Internal)
}
