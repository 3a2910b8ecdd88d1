//! Server functions: the list and the form of subscriptions.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use backup_api::SourceReport;
use leptos::prelude::*;

use super::{ListQuery, Subscription, SubscriptionId, SubscriptionInput, SubscriptionPage};
#[cfg(feature = "ssr")]
use super::{input, list, store};
use crate::error::AppError;
#[cfg(feature = "ssr")]
use crate::{backups::removal, server::door, users::Role};

/// One page of the list.
#[server]
pub async fn list_subscriptions(query: ListQuery) -> Result<SubscriptionPage, AppError> {
    door(Role::Viewer, async |panel, _| list::page(&panel, &query).await).await
}

/// One subscription; unknown: [`AppError::NotFound`] and HTTP 404.
#[server]
pub async fn get_subscription(id: SubscriptionId) -> Result<Subscription, AppError> {
    door(Role::Viewer, async |panel, _| store::get(&panel, id).await).await
}

/// Saves the form (administrators); goes to the subscription's page.
#[server]
pub async fn save_subscription(input: SubscriptionInput) -> Result<SubscriptionId, AppError> {
    door(Role::Administrator, async |panel, caller| {
        let id = input::save(&panel, &caller.user, input).await?;
        leptos_axum::redirect(&format!("/subscriptions/{}", id.0));
        Ok(id)
    })
    .await
}

/// Deletes a subscription (administrators); goes to the list.
///
/// `typed_name` must be its name when it has backups. With `delete_backups` they are deleted on their servers first;
/// else they stay there, and a new subscription of the same name, database and server finds them again.
#[server]
pub async fn delete_subscription(
    id: SubscriptionId,
    #[server(default)] typed_name: String,
    #[server(default)] delete_backups: bool,
) -> Result<(), AppError> {
    door(Role::Administrator, async |panel, caller| {
        removal::of_subscription(&panel, &caller.user, id, &typed_name, delete_backups).await?;
        leptos_axum::redirect("/subscriptions");
        Ok(())
    })
    .await
}

/// Tests what the form says (administrators), with the stored secrets where the form's are empty, through the chosen
/// backup server or, when none is chosen, “This machine”.
#[server]
pub async fn test_connection(input: SubscriptionInput) -> Result<SourceReport, AppError> {
    door(Role::Administrator, async |panel, _| input::test(&panel, &input).await).await
}
