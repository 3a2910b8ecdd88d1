//! Server functions: how a subscription's backups went.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use leptos::prelude::*;

use super::History;
#[cfg(feature = "ssr")]
use super::store;
use crate::{error::AppError, subscriptions::SubscriptionId};
#[cfg(feature = "ssr")]
use crate::{server::door, users::Role};

/// The last weeks of a subscription; unknown: [`AppError::NotFound`] and HTTP 404.
#[server]
pub async fn get_history(id: SubscriptionId) -> Result<History, AppError> {
    door(Role::Viewer, async |panel, _| store::of(&panel, id).await).await
}
