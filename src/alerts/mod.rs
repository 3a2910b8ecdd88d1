//! Alerts: what is told of backups that go wrong, to whom, by which rules, and how that went.

use serde::{Deserialize, Serialize};

pub mod api;
pub mod banner;
#[cfg(feature = "ssr")]
mod causes;
mod channel;
pub mod channel_fields;
mod channel_input;
pub mod channel_page;
#[cfg(feature = "ssr")]
mod channels;
pub mod channels_view;
#[cfg(feature = "ssr")]
mod checks;
#[cfg(feature = "ssr")]
mod damage;
#[cfg(feature = "ssr")]
mod deliver;
mod delivery;
mod events;
#[cfg(feature = "ssr")]
mod forms;
#[cfg(feature = "ssr")]
mod heartbeat;
#[cfg(feature = "ssr")]
mod http;
#[cfg(feature = "ssr")]
mod input;
#[cfg(feature = "ssr")]
pub mod judge;
pub mod list_page;
pub mod log_view;
#[cfg(feature = "ssr")]
mod look;
#[cfg(feature = "ssr")]
mod mail;
#[cfg(feature = "ssr")]
pub(crate) mod news;
#[cfg(feature = "ssr")]
pub(crate) mod operations;
#[cfg(feature = "ssr")]
mod outbox;
pub mod override_form;
#[cfg(feature = "ssr")]
mod overrides;
mod own;
#[cfg(feature = "ssr")]
mod pings;
#[cfg(feature = "ssr")]
mod places;
#[cfg(feature = "ssr")]
mod rules;
pub mod rules_form;
#[cfg(feature = "ssr")]
mod settle;
#[cfg(feature = "ssr")]
mod smtp;
#[cfg(feature = "ssr")]
mod template;
#[cfg(feature = "ssr")]
pub mod worker;

pub use channel::{Channel, ChannelId, ChannelKind, ChannelList, Security, Settings, Trouble};
pub use channel_input::ChannelInput;
pub use delivery::{DELIVERY_ROWS, Delivery, DeliveryId, DeliveryPage, DeliveryState};
pub use events::Event;
pub use own::{Override, OverrideInput, OverrideMode};
#[cfg(feature = "ssr")]
pub(crate) use places::Places;

/// What is told, how often, and from which figure on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// What is told at all.
    pub events: Vec<Event>,
    /// After how many hours something that is still wrong is told again; 0 for never.
    pub repeat_hours: u32,
    /// For how many minutes a message waits for others, so that they become one.
    pub collect_minutes: u32,
    /// For how many hours a Warning must last before it is told: a backup that is made once a day is a little late each
    /// day.
    pub patience_hours: u32,
    /// Storage with a smaller share of free space than this is low, in percent.
    pub low_space_percent: u32,
    /// A backup below this share of its predecessors' median is suspicious, in percent.
    pub small_percent: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            events: Event::CHOSEN.to_vec(),
            repeat_hours: 24,
            collect_minutes: 1,
            patience_hours: 3,
            low_space_percent: 10,
            small_percent: 50,
        }
    }
}

/// What the form of the rules sends: figures as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesInput {
    /// What is told.
    #[serde(default)]
    pub events: Vec<Event>,
    /// Hours; see [`Rules`].
    #[serde(default)]
    pub repeat_hours: String,
    /// Minutes.
    #[serde(default)]
    pub collect_minutes: String,
    /// Hours.
    #[serde(default)]
    pub patience_hours: String,
    /// Percent.
    #[serde(default)]
    pub low_space_percent: String,
    /// Percent.
    #[serde(default)]
    pub small_percent: String,
}
