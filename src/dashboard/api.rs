//! Server functions: the overview.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use leptos::prelude::*;

use super::Overview;
#[cfg(feature = "ssr")]
use super::store;
use crate::error::AppError;
#[cfg(feature = "ssr")]
use crate::{server::door, users::Role};

/// How everything stands, with a page (from 0) of the subscriptions' last weeks.
#[server]
pub async fn get_overview(#[server(default)] page: u32) -> Result<Overview, AppError> {
    door(Role::Viewer, async |panel, _| store::overview(&panel, page).await).await
}
