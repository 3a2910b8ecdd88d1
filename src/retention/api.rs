//! Server functions of retention.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use leptos::prelude::*;

#[cfg(feature = "ssr")]
use super::apply;
use crate::{error::AppError, operations::OperationId, subscriptions::SubscriptionId};
#[cfg(feature = "ssr")]
use crate::{server::door, users::Role};

/// Removes the backups that the rule does not keep (operators); goes to `/operations/{id}`.
#[server]
pub async fn apply_retention(subscription: SubscriptionId) -> Result<OperationId, AppError> {
    door(Role::Operator, async |panel, caller| {
        let operation = apply::on_request(&panel, &caller.user, subscription).await?;
        leptos_axum::redirect(&format!("/operations/{}", operation.0));
        Ok(operation)
    })
    .await
}
