//! What a channel is: its kind, what it is set to, and how it fares.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::names::names;

/// Identity of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelId(pub Uuid);

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
    /// Checks that are pinged, as those of healthchecks.io.
    Ping,
}

names!(ChannelKind {
    Email: "email", "E-mail", "Through an SMTP server.";
    Webhook: "webhook", "Webhook", "Signed JSON to a program of your own.";
    Slack: "slack", "Slack", "An incoming webhook; Mattermost and others take the same.";
    Telegram: "telegram", "Telegram", "A bot that writes to a chat.";
    Ntfy: "ntfy", "ntfy", "A topic of ntfy.sh or of a server of your own.";
    Ping: "ping", "Pings", "Checks of healthchecks.io or its like, which tell by themselves when pings stay away.";
});

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

names!(Security {
    StartTls: "start_tls", "STARTTLS (usually port 587)";
    Tls: "tls", "TLS (usually port 465)";
    None: "none", "None (usually port 25)";
});

impl Security {
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
    /// Checks that are pinged.
    Ping {
        /// Scheme and host of their address.
        place: String,
        /// Whether there is one for each subscription, told of its backups; else one for all, told whether anything is
        /// wrong.
        each: bool,
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
            Self::Ping { .. } => ChannelKind::Ping,
        }
    }

    /// Where it leads, in a few words.
    pub fn place(&self) -> String {
        match self {
            Self::Email { host, recipients, .. } => format!("{} through {host}", recipients.join(", ")),
            Self::Webhook { place } | Self::Slack { place } | Self::Ntfy { place, .. } => format!("{place}/…"),
            Self::Telegram { chat, .. } => format!("chat {chat}"),
            Self::Ping { place, each: true } => format!("{place}/…, a check for each subscription"),
            Self::Ping { place, each: false } => format!("{place}/…, one check for all"),
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
