//! Server functions: what is being uploaded, and imports.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use backup_api::UploadId;
use leptos::prelude::*;

use super::ImportSetting;
#[cfg(feature = "ssr")]
use super::{begin, imports, imports::Wishes, wizard_address};
use crate::{error::AppError, operations::OperationId, subscriptions::SubscriptionId};
#[cfg(feature = "ssr")]
use crate::{server::door, users::Role};

/// Where a subscription's files go, and this person's unfinished uploads for it (operators).
#[server]
pub async fn get_import_setting(subscription: SubscriptionId) -> Result<ImportSetting, AppError> {
    door(Role::Operator, async |panel, caller| begin::setting(&panel, &caller.user, subscription).await).await
}

/// Imports an upload of which all has arrived (operators, their own); goes to the wizard's next page. One operation at
/// a time for a subscription.
#[server]
pub async fn import_upload(
    subscription: SubscriptionId,
    upload: UploadId,
    #[server(default)] comment: String,
    #[server(default)] then_restore: bool,
) -> Result<OperationId, AppError> {
    door(Role::Operator, async |panel, caller| {
        let wishes = Wishes { comment, then_restore };
        let id = imports::of_upload(&panel, &caller.user, subscription, upload, &wishes).await?;
        leptos_axum::redirect(&wizard_address(subscription, &[("operation", &id.0.to_string())]));
        Ok(id)
    })
    .await
}

/// Has the backup server fetch a file and imports it (operators); goes to the wizard's next page. One operation at a
/// time for a subscription. Errors name the fields `url` and `file_name`.
#[server]
pub async fn import_url(
    subscription: SubscriptionId,
    #[server(default)] url: String,
    #[server(default)] file_name: String,
    #[server(default)] comment: String,
    #[server(default)] then_restore: bool,
) -> Result<OperationId, AppError> {
    door(Role::Operator, async |panel, caller| {
        let wishes = Wishes { comment, then_restore };
        let id = imports::of_url(&panel, &caller.user, subscription, &url, &file_name, &wishes).await?;
        leptos_axum::redirect(&wizard_address(subscription, &[("operation", &id.0.to_string())]));
        Ok(id)
    })
    .await
}
