//! Server functions: operations with their logs, and the action log.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use backup_api::LogLine;
use leptos::prelude::*;

use super::{ActionPage, Operation, OperationFilter, OperationId, OperationPage};
#[cfg(feature = "ssr")]
use super::{actions, cancel, log, store};
use crate::{error::AppError, subscriptions::SubscriptionId};
#[cfg(feature = "ssr")]
use crate::{server::door, users::Role};

/// One page of operations, the newest first.
#[server]
pub async fn list_operations(
    #[server(default)] filter: OperationFilter,
    subscription: Option<SubscriptionId>,
    #[server(default)] page: u32,
) -> Result<OperationPage, AppError> {
    door(Role::Viewer, async |panel, _| {
        let (mut operations, matching) = store::list(&panel, filter, subscription, page).await?;
        for operation in &mut operations {
            panel.live.refresh(operation);
        }
        Ok(OperationPage { operations, matching, as_of: panel.clock.now() })
    })
    .await
}

/// One operation; unknown: [`AppError::NotFound`] and HTTP 404.
#[server]
pub async fn get_operation(id: OperationId) -> Result<Operation, AppError> {
    door(Role::Viewer, async |panel, _| {
        let mut operation = store::find(&panel, id).await?.operation;
        panel.live.refresh(&mut operation);
        Ok(operation)
    })
    .await
}

/// What an operation did, the oldest line first.
#[server]
pub async fn operation_log(id: OperationId) -> Result<Vec<LogLine>, AppError> {
    door(Role::Viewer, async |panel, _| log::read(&panel, id).await).await
}

/// Asks an operation to stop (operators).
#[server]
pub async fn cancel_operation(id: OperationId) -> Result<(), AppError> {
    door(Role::Operator, async |panel, caller| cancel::ask(&panel, &caller.user, id).await).await
}

/// One page of the action log, the newest first.
#[server]
pub async fn list_actions(
    #[server(default)] search: String,
    subscription: Option<SubscriptionId>,
    #[server(default)] page: u32,
) -> Result<ActionPage, AppError> {
    door(Role::Viewer, async |panel, _| actions::list(&panel, &search, subscription, page).await).await
}
