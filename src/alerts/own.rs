//! What a subscription has of its own: where its alerts go, and which address is pinged.

use serde::{Deserialize, Serialize};

use super::ChannelId;
use crate::{names::names, subscriptions::SubscriptionId};

/// Where a subscription's alerts go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideMode {
    /// To the channels of the installation.
    #[default]
    Inherit,
    /// To channels of its own.
    Own,
    /// Nowhere.
    Off,
}

names!(OverrideMode {
    Inherit: "inherit", "As everywhere", "To the channels that are for all subscriptions.";
    Own: "own", "Own channels", "Only to those chosen below.";
    Off: "off", "Off", "Nobody is told.";
});

/// What a subscription has of its own, with the channels that there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Where its alerts go.
    pub mode: OverrideMode,
    /// Every channel: its name, and whether it is one of the subscription's own.
    pub channels: Vec<(ChannelId, String, bool)>,
    /// Scheme and host of the address that is pinged.
    pub ping_place: Option<String>,
}

/// What the form of a subscription's alerts sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideInput {
    /// Whose.
    pub subscription: SubscriptionId,
    /// Where its alerts go.
    #[serde(default)]
    pub mode: OverrideMode,
    /// The chosen channels.
    #[serde(default)]
    pub channels: Vec<ChannelId>,
    /// The address that is pinged; empty keeps the stored one.
    #[serde(default)]
    pub secret_ping: String,
    /// Whether the stored one is removed.
    #[serde(default)]
    pub forget_ping: bool,
}
