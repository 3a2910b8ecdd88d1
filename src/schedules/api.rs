//! Server functions: what the form of a subscription needs besides it, and what a plan would do.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use leptos::prelude::*;

use super::{FormFacts, PlanPreview};
#[cfg(feature = "ssr")]
use super::{preview, store};
use crate::{error::AppError, subscriptions::SubscriptionInput};
#[cfg(feature = "ssr")]
use crate::{server::door, users::Role};

/// The schedule of new subscriptions, and every time zone.
#[server(name = GetFormFacts)]
pub async fn form_facts() -> Result<FormFacts, AppError> {
    door(Role::Viewer, async |panel, _| {
        let (schedule, zone) = store::default(&panel).await?;
        let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name().to_owned()).collect();
        Ok(FormFacts { schedule, zone, zones })
    })
    .await
}

/// The next runs of the schedule that a form says, and what becomes of the backups by its numbers.
#[server]
pub async fn preview_plan(input: SubscriptionInput) -> Result<PlanPreview, AppError> {
    door(Role::Viewer, async |panel, _| preview::of(&panel, &input).await).await
}
