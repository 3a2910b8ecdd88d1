//! What the form of a channel sends.

use serde::{Deserialize, Serialize};

use super::{ChannelId, ChannelKind, Security};

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
