//! Server functions: looking before a restore, restoring, and undoing a restore.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use leptos::prelude::*;

use super::{RestoreOptions, RestorePreview};
#[cfg(feature = "ssr")]
use super::{preview, start};
use crate::{backups::LineId, error::AppError, operations::OperationId};
#[cfg(feature = "ssr")]
use crate::{server::door, users::Role};

/// What a restore of this line would meet (operators); touches nothing. A server that does not answer is
/// [`AppError::ServerUnreachable`].
#[server]
pub async fn preflight(line: LineId, #[server(default)] options: RestoreOptions) -> Result<RestorePreview, AppError> {
    door(Role::Operator, async |panel, _| preview::preview(&panel, line, &options).await).await
}

/// Starts a restore (operators); goes to `/operations/{id}`. One operation at a time for a subscription.
///
/// `typed_name` is the name of the database that there will be: the subscription's or, for a copy, `options.into`.
/// Errors name the fields `typed_name`, `into` and `neutralize`.
#[server]
pub async fn restore(
    line: LineId,
    #[server(default)] options: RestoreOptions,
    #[server(default)] typed_name: String,
) -> Result<OperationId, AppError> {
    door(Role::Operator, async |panel, caller| {
        let id = start::restore(&panel, &caller.user, line, &options, &typed_name).await?;
        leptos_axum::redirect(&format!("/operations/{}", id.0));
        Ok(id)
    })
    .await
}

/// Brings back the database that a restore replaced (operators), while that is offered; goes to `/operations/{id}`.
///
/// `operation` is the restore; `typed_name` the name of its database.
#[server]
pub async fn undo_restore(
    operation: OperationId,
    #[server(default)] typed_name: String,
) -> Result<OperationId, AppError> {
    door(Role::Operator, async |panel, caller| {
        let id = start::undo(&panel, &caller.user, operation, &typed_name).await?;
        leptos_axum::redirect(&format!("/operations/{}", id.0));
        Ok(id)
    })
    .await
}
