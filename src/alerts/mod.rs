//! Alerts: what is told of backups that go wrong, to whom, by which rules, and how that went.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::subscriptions::SubscriptionId;

pub mod api;
pub mod banner;
#[cfg(feature = "ssr")]
mod causes;
pub mod channel_fields;
pub mod channel_page;
#[cfg(feature = "ssr")]
mod channels;
pub mod channels_view;
#[cfg(feature = "ssr")]
mod damage;
#[cfg(feature = "ssr")]
mod deliver;
mod events;
#[cfg(feature = "ssr")]
mod forms;
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
#[cfg(feature = "ssr")]
mod rules;
pub mod rules_form;
#[cfg(feature = "ssr")]
mod settle;
#[cfg(feature = "ssr")]
pub mod worker;

pub use events::Event;

/// Identity of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelId(pub Uuid);

/// Identity of a message that was, is or will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub Uuid);

/// Where alerts can go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// E-mail through an SMTP server.
    #[default]
    Email,
    /// Signed JSON to an address.
    Webhook,
    /// An incoming webhook of Slack, or of what understands the same.
    Slack,
    /// A bot of Telegram.
    Telegram,
    /// A topic of ntfy.
    Ntfy,
}

impl ChannelKind {
    /// Every kind with its name in forms, for people, and what it is.
    pub const ALL: [(Self, &'static str, &'static str, &'static str); 5] = [
        (Self::Email, "email", "E-mail", "Through an SMTP server."),
        (Self::Webhook, "webhook", "Webhook", "Signed JSON to a program of your own."),
        (Self::Slack, "slack", "Slack", "An incoming webhook; Mattermost and others take the same."),
        (Self::Telegram, "telegram", "Telegram", "A bot that writes to a chat."),
        (Self::Ntfy, "ntfy", "ntfy", "A topic of ntfy.sh or of a server of your own."),
    ];

    /// Its name in forms.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, ..)| name)
    }

    /// Its name for people.
    pub fn label(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, _, label, _)| label)
    }
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Begins readable and must change to TLS; usually port 587.
    #[default]
    StartTls,
    /// TLS from the first byte; usually port 465.
    Tls,
    /// Readable on the way; usually port 25.
    None,
}

impl Security {
    /// Every one with its name in forms and for people.
    pub const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::StartTls, "start_tls", "STARTTLS (usually port 587)"),
        (Self::Tls, "tls", "TLS (usually port 465)"),
        (Self::None, "none", "None (usually port 25)"),
    ];

    /// The port that mail servers use for it.
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// What a channel is set to, without anything that is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Settings {
    /// E-mail.
    Email {
        /// Name or address of the mail server.
        host: String,
        /// Its port.
        port: u16,
        /// How the connection is protected.
        security: Security,
        /// Who signs in there; empty for nobody.
        user: String,
        /// The sender's address.
        from: String,
        /// Who gets it.
        recipients: Vec<String>,
    },
    /// Signed JSON.
    Webhook {
        /// Scheme and host of its address.
        place: String,
    },
    /// Slack.
    Slack {
        /// Scheme and host of its address.
        place: String,
    },
    /// Telegram.
    Telegram {
        /// Address of the Bot API.
        api: String,
        /// The chat.
        chat: String,
    },
    /// Ntfy.
    Ntfy {
        /// Scheme and host of its address.
        place: String,
        /// Whether it signs in with a token.
        has_token: bool,
    },
}

impl Settings {
    /// Of which kind they are.
    pub const fn kind(&self) -> ChannelKind {
        match self {
            Self::Email { .. } => ChannelKind::Email,
            Self::Webhook { .. } => ChannelKind::Webhook,
            Self::Slack { .. } => ChannelKind::Slack,
            Self::Telegram { .. } => ChannelKind::Telegram,
            Self::Ntfy { .. } => ChannelKind::Ntfy,
        }
    }

    /// Where it leads, in a few words.
    pub fn place(&self) -> String {
        match self {
            Self::Email { host, recipients, .. } => format!("{} through {host}", recipients.join(", ")),
            Self::Webhook { place } | Self::Slack { place } | Self::Ntfy { place, .. } => format!("{place}/…"),
            Self::Telegram { chat, .. } => format!("chat {chat}"),
        }
    }
}

/// A channel. Its secrets are never sent to a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Identity.
    pub id: ChannelId,
    /// Name, such as “Operations team”.
    pub name: String,
    /// Where it leads.
    pub settings: Settings,
    /// Whether anything is sent through it.
    pub enabled: bool,
    /// Whether it gets the alerts of all that have no channels of their own.
    pub for_all: bool,
    /// When something last arrived.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Since when nothing arrives, and why.
    pub failing: Option<(DateTime<Utc>, String)>,
}

/// All channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelList {
    /// By name.
    pub channels: Vec<Channel>,
    /// When the panel answered.
    pub as_of: DateTime<Utc>,
}

/// A channel that does not work, for the warning on every page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The channel's name.
    pub name: String,
    /// Why nothing arrives.
    pub reason: String,
}

/// What the form of a channel sends. Absent secrets keep what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelInput {
    /// `None` for a new one.
    #[serde(default)]
    pub id: Option<ChannelId>,
    /// Of which kind; of an existing one as it is.
    #[serde(default)]
    pub kind: ChannelKind,
    /// Name.
    pub name: String,
    /// Whether anything is sent through it.
    #[serde(default)]
    pub enabled: bool,
    /// Whether it gets the alerts of all that have no channels of their own.
    #[serde(default)]
    pub for_all: bool,
    /// E-mail: the mail server.
    #[serde(default)]
    pub host: String,
    /// E-mail: its port as text; empty for the usual one.
    #[serde(default)]
    pub port: String,
    /// E-mail: how the connection is protected.
    #[serde(default)]
    pub security: Security,
    /// E-mail: who signs in.
    #[serde(default)]
    pub user: String,
    /// E-mail: with which password.
    #[serde(default)]
    pub password: String,
    /// E-mail: the sender.
    #[serde(default)]
    pub from: String,
    /// E-mail: who gets it, separated by commas, spaces or lines.
    #[serde(default)]
    pub recipients: String,
    /// Webhook, Slack and ntfy: the address.
    #[serde(default)]
    pub secret_url: String,
    /// Webhook: what the signature is made with.
    #[serde(default)]
    pub signing_key: String,
    /// Telegram and ntfy: the token.
    #[serde(default)]
    pub token: String,
    /// Telegram: the chat.
    #[serde(default)]
    pub chat: String,
    /// Telegram: address of the Bot API; empty for Telegram's own.
    #[serde(default)]
    pub api: String,
}

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

/// How a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waits for others to join it.
    Collecting,
    /// Waits to be sent, or to be sent again.
    Waiting,
    /// Is being sent.
    Sending,
    /// Arrived.
    Delivered,
    /// Did not arrive and is not tried again.
    GivenUp,
    /// Nothing was left to send it for.
    Dropped,
}

impl DeliveryState {
    /// Every one with its name in storage and for people.
    pub const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Collecting, "collecting", "Collecting"),
        (Self::Waiting, "waiting", "Waiting"),
        (Self::Sending, "sending", "Sending"),
        (Self::Delivered, "delivered", "Delivered"),
        (Self::GivenUp, "given_up", "Given up"),
        (Self::Dropped, "dropped", "Dropped"),
    ];

    /// Its name for people.
    pub fn label(self) -> &'static str {
        Self::ALL.iter().find(|(state, ..)| *state == self).map_or("", |(.., label)| label)
    }

    /// By its name in storage.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name, _)| *name == text).map(|(state, ..)| *state)
    }
}

/// A message that was, is or will be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Identity; the receiver of a webhook gets it, too.
    pub id: DeliveryId,
    /// The channel's name, or whose ping it is.
    pub channel: String,
    /// What it says, in a line.
    pub title: String,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it is sent (again), while it waits.
    pub due_at: Option<DateTime<Utc>>,
    /// What was answered, or why it did not arrive.
    pub answer: String,
}

/// One page of the delivery log, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryPage {
    /// The rows of this page.
    pub deliveries: Vec<Delivery>,
    /// How many there are.
    pub matching: u64,
    /// When the panel answered.
    pub as_of: DateTime<Utc>,
}

/// Rows of a page of the delivery log.
pub const DELIVERY_ROWS: u32 = 25;

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

impl OverrideMode {
    /// Every one with its name in storage and for people, and what it does.
    pub const ALL: [(Self, &'static str, &'static str, &'static str); 3] = [
        (Self::Inherit, "inherit", "As everywhere", "To the channels that are for all subscriptions."),
        (Self::Own, "own", "Own channels", "Only to those chosen below."),
        (Self::Off, "off", "Off", "Nobody is told."),
    ];

    /// Its name in storage.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(mode, ..)| *mode == self).map_or("", |(_, name, ..)| name)
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name, ..)| *name == text).map(|(mode, ..)| *mode)
    }
}

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
