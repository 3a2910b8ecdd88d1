//! Server functions: channels, rules, the delivery log, and what a subscription has of its own.
#![expect(missing_docs, reason = "the macro makes a struct of the arguments, whose fields cannot carry comments")]

use leptos::prelude::*;

use super::{
    Channel, ChannelId, ChannelInput, ChannelList, Delivery, DeliveryId, DeliveryPage, Override, OverrideInput, Rules,
    RulesInput, Trouble,
};
#[cfg(feature = "ssr")]
use super::{channels, input, outbox, overrides, pings, rules};
use crate::{error::AppError, subscriptions::SubscriptionId};
#[cfg(feature = "ssr")]
use crate::{server::door, users::Role};

/// All channels.
#[server]
pub async fn list_channels() -> Result<ChannelList, AppError> {
    door(Role::Viewer, async |panel, _| {
        Ok(ChannelList { channels: channels::list(&panel).await?, as_of: panel.clock.now() })
    })
    .await
}

/// One channel; unknown: [`AppError::NotFound`] and HTTP 404.
#[server]
pub async fn get_channel(id: ChannelId) -> Result<Channel, AppError> {
    door(Role::Viewer, async |panel, _| channels::find(&panel, id).await).await
}

/// Channels through which nothing arrives.
#[server]
pub async fn channel_troubles() -> Result<Vec<Trouble>, AppError> {
    door(Role::Viewer, async |panel, _| channels::troubles(&panel).await).await
}

/// Saves the form of a channel (administrators); goes to `/alerts`.
#[server]
pub async fn save_channel(input: ChannelInput) -> Result<ChannelId, AppError> {
    door(Role::Administrator, async |panel, caller| {
        let id = input::save(&panel, &caller.user, &input).await?;
        leptos_axum::redirect("/alerts");
        Ok(id)
    })
    .await
}

/// Deletes a channel with what it has not sent yet (administrators); goes to `/alerts`.
#[server]
pub async fn delete_channel(id: ChannelId) -> Result<(), AppError> {
    door(Role::Administrator, async |panel, caller| {
        input::delete(&panel, &caller.user, id).await?;
        leptos_axum::redirect("/alerts");
        Ok(())
    })
    .await
}

/// Sends a message through a channel now (administrators); goes to `/alerts`, which says what came of it.
#[server]
pub async fn test_channel(id: ChannelId) -> Result<Delivery, AppError> {
    door(Role::Administrator, async |panel, caller| {
        let delivery = input::test(&panel, &caller.user, id).await?;
        leptos_axum::redirect(&format!("/alerts?tested={}", delivery.id.0));
        Ok(delivery)
    })
    .await
}

/// Tries the address out that a subscription has pinged (administrators); goes to `/alerts`, which says what came of it.
#[server]
pub async fn test_ping(subscription: SubscriptionId) -> Result<Delivery, AppError> {
    door(Role::Administrator, async |panel, caller| {
        let delivery = pings::test_own(&panel, &caller.user, subscription).await?;
        leptos_axum::redirect(&format!("/alerts?tested={}", delivery.id.0));
        Ok(delivery)
    })
    .await
}

/// The rules.
#[server]
pub async fn get_rules() -> Result<Rules, AppError> {
    door(Role::Viewer, async |panel, _| rules::read(&panel).await).await
}

/// Saves the rules (administrators); goes to them.
#[server]
pub async fn save_rules(#[server(default)] input: RulesInput) -> Result<(), AppError> {
    door(Role::Administrator, async |panel, caller| {
        rules::save(&panel, &caller.user, &input).await?;
        leptos_axum::redirect("/alerts?tab=rules");
        Ok(())
    })
    .await
}

/// One page of the delivery log, the newest first.
#[server]
pub async fn list_deliveries(#[server(default)] page: u32) -> Result<DeliveryPage, AppError> {
    door(Role::Viewer, async |panel, _| outbox::page(&panel, page).await).await
}

/// One message.
#[server]
pub async fn get_delivery(id: DeliveryId) -> Result<Delivery, AppError> {
    door(Role::Viewer, async |panel, _| outbox::find(&panel, id).await).await
}

/// Has a message that was given up, or waits for its next try, sent now (operators).
#[server]
pub async fn send_again(id: DeliveryId) -> Result<(), AppError> {
    door(Role::Operator, async |panel, caller| {
        input::again(&panel, &caller.user, id).await?;
        leptos_axum::redirect("/alerts?tab=log");
        Ok(())
    })
    .await
}

/// What a subscription has of its own.
#[server]
pub async fn get_override(subscription: SubscriptionId) -> Result<Override, AppError> {
    door(Role::Viewer, async |panel, _| overrides::of(&panel, subscription).await).await
}

/// Saves what a subscription has of its own (administrators); goes to its settings.
#[server]
pub async fn save_override(input: OverrideInput) -> Result<(), AppError> {
    door(Role::Administrator, async |panel, caller| {
        let id = input.subscription;
        overrides::save(&panel, &caller.user, &input).await?;
        leptos_axum::redirect(&format!("/subscriptions/{}?tab=general", id.0));
        Ok(())
    })
    .await
}
