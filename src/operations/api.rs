//! Server functions: operations with their logs, and the action log.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use backup_api::LogLine;
use leptos::prelude::*;

use super::{ActionPage, Operation, OperationFilter, OperationId, OperationPage};
use crate::{error::AppError, subscriptions::SubscriptionId};

/// One page of operations, the newest first.
#[server]
pub async fn list_operations(
    #[server(default)] filter: OperationFilter,
    subscription: Option<SubscriptionId>,
    #[server(default)] page: u32,
) -> Result<OperationPage, AppError> {
    let _ = (filter, subscription, page);
    Err(AppError::Internal)
}

/// One operation; unknown: [`AppError::NotFound`] and HTTP 404.
#[server]
pub async fn get_operation(id: OperationId) -> Result<Operation, AppError> {
    let _ = id;
    Err(AppError::Internal)
}

/// What an operation did, the oldest line first.
#[server]
pub async fn operation_log(id: OperationId) -> Result<Vec<LogLine>, AppError> {
    let _ = id;
    Err(AppError::Internal)
}

/// Asks an operation to stop (operators).
#[server]
pub async fn cancel_operation(id: OperationId) -> Result<(), AppError> {
    let _ = id;
    Err(AppError::Internal)
}

/// One page of the action log, the newest first.
#[server]
pub async fn list_actions(
    #[server(default)] search: String,
    subscription: Option<SubscriptionId>,
    #[server(default)] page: u32,
) -> Result<ActionPage, AppError> {
    let _ = (search, subscription, page);
    Err(AppError::Internal)
}
