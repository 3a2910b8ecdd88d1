//! SQL of channels, and their secrets.

use backup_api::Secret;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Channel, ChannelId, Settings, Trouble};
use crate::{
    error::{AppError, AppResult},
    server::{
        Panel,
        db::{Tx, millis, moment, query},
    },
};

/// Where secrets of channels are sealed for.
const SECRETS: &str = "alert_channels.secrets";
const THIS: &str = "This channel";

/// Whether a channel `c` hears of a subscription that has `subscription_alerts o`, or of what belongs to none.
macro_rules! hears {
    () => {
        "((COALESCE(o.mode, 'inherit') = 'inherit' AND c.for_all)
          OR (o.mode = 'own' AND EXISTS (SELECT 1 FROM subscription_alert_channels x
                                         WHERE x.subscription_id = o.subscription_id AND x.channel_id = c.id)))"
    };
}
pub(super) use hears;

/// The secrets of a channel; empty where its kind has none.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Of a mail server.
    #[serde(default)]
    pub password: String,
    /// An address that is as good as a password.
    #[serde(default)]
    pub url: String,
    /// What signatures are made with.
    #[serde(default)]
    pub key: String,
    /// Of a bot, or for a topic.
    #[serde(default)]
    pub token: String,
}

impl Sealed {
    /// Each of them.
    pub fn all(&self) -> Vec<String> {
        [&self.password, &self.url, &self.key, &self.token]
            .into_iter()
            .filter(|text| !text.is_empty())
            .cloned()
            .collect()
    }

    fn seal(&self, panel: &Panel, id: ChannelId) -> AppResult<Vec<u8>> {
        let text = serde_json::to_string(self).map_err(|_| AppError::Internal)?;
        Ok(panel.secrets.seal(SECRETS, id.0, &Secret::new(text)))
    }

    fn open(panel: &Panel, id: Uuid, sealed: &[u8]) -> AppResult<Self> {
        let text = panel.secrets.open_sealed(SECRETS, id, sealed)?;
        serde_json::from_str(text.reveal()).map_err(|_| AppError::Internal)
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(…)")
    }
}

#[derive(sqlx_macros::FromRow)]
struct Row {
    id: Uuid,
    name: String,
    settings: String,
    enabled: bool,
    for_all: bool,
    failing_since: Option<i64>,
    last_error: Option<String>,
    delivered_at: Option<i64>,
}

macro_rules! columns {
    () => {
        "SELECT id, name, settings, enabled, for_all, failing_since, last_error, delivered_at FROM alert_channels "
    };
}

/// All channels by name.
pub async fn list(panel: &Panel) -> AppResult<Vec<Channel>> {
    let rows: Vec<Row> = query!(panel.db, fetch_all, concat!(columns!(), "ORDER BY name_key"))?;
    rows.into_iter().map(Row::into_channel).collect()
}

/// A channel.
pub async fn find(panel: &Panel, id: ChannelId) -> AppResult<Channel> {
    let row: Option<Row> = query!(panel.db, fetch_optional, concat!(columns!(), "WHERE id = $1"), id.0)?;
    row.ok_or_else(|| AppError::not_found(THIS))?.into_channel()
}

/// Channels through which nothing arrives.
pub async fn troubles(panel: &Panel) -> AppResult<Vec<Trouble>> {
    let rows: Vec<(String, Option<String>)> = query!(
        panel.db,
        fetch_all,
        "SELECT name, last_error FROM alert_channels WHERE enabled AND failing_since IS NOT NULL ORDER BY name_key"
    )?;
    Ok(rows.into_iter().map(|(name, reason)| Trouble { name, reason: reason.unwrap_or_default() }).collect())
}

/// What it takes to send through a channel; `None` when it is not there any more.
pub async fn opened(panel: &Panel, id: Uuid) -> AppResult<Option<(Channel, Sealed)>> {
    let row: Option<Row> = query!(panel.db, fetch_optional, concat!(columns!(), "WHERE id = $1"), id)?;
    let Some(row) = row else { return Ok(None) };
    let (secrets,): (Vec<u8>,) = query!(panel.db, fetch_one, "SELECT secrets FROM alert_channels WHERE id = $1", id)?;
    Ok(Some((row.into_channel()?, Sealed::open(panel, id, &secrets)?)))
}

/// What the form changes.
#[derive(Debug)]
pub struct Values {
    /// Name.
    pub name: String,
    /// Where it leads.
    pub settings: Settings,
    /// Its secrets.
    pub sealed: Sealed,
    /// Whether anything is sent through it.
    pub enabled: bool,
    /// Whether it gets the alerts of all that have no channels of their own.
    pub for_all: bool,
}

/// Adds a channel or changes it. What failed before says nothing about it as it is now.
pub async fn save(panel: &Panel, tx: &mut Tx, id: ChannelId, values: &Values) -> AppResult<()> {
    query!(
        tx,
        execute,
        "INSERT INTO alert_channels (id, name, name_key, settings, secrets, enabled, for_all, created_at, pings)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET name = $2, name_key = $3, settings = $4, secrets = $5, enabled = $6,
             for_all = $7, pings = $9, pinged = NULL, pinged_at = NULL, failing_since = NULL, last_error = NULL",
        id.0,
        &values.name,
        values.name.to_lowercase(),
        serde_json::to_string(&values.settings).map_err(|_| AppError::Internal)?,
        values.sealed.seal(panel, id)?,
        values.enabled,
        values.for_all,
        millis(panel.clock.now()),
        match values.settings {
            Settings::Ping { each: true, .. } => Some("each"),
            Settings::Ping { each: false, .. } => Some("all"),
            _ => None,
        }
    )?;
    Ok(())
}

/// Removes a channel; gives its name.
pub async fn delete(tx: &mut Tx, id: ChannelId) -> AppResult<String> {
    let row: Option<(String,)> =
        query!(tx, fetch_optional, "DELETE FROM alert_channels WHERE id = $1 RETURNING name", id.0)?;
    row.map(|(name,)| name).ok_or_else(|| AppError::not_found(THIS))
}

/// Writes down whether something arrived through a channel; `failure` says why not.
pub async fn tried(panel: &Panel, tx: &mut Tx, id: Uuid, failure: Option<&str>) -> AppResult<()> {
    query!(
        tx,
        execute,
        "UPDATE alert_channels SET last_error = $2,
             failing_since = CASE WHEN $2 IS NULL THEN NULL ELSE COALESCE(failing_since, $3) END,
             delivered_at = CASE WHEN $2 IS NULL THEN $3 ELSE delivered_at END
         WHERE id = $1",
        id,
        failure,
        millis(panel.clock.now())
    )?;
    Ok(())
}

impl Row {
    fn into_channel(self) -> AppResult<Channel> {
        let settings = serde_json::from_str(&self.settings).map_err(|error| {
            tracing::error!("The settings of channel {} cannot be read: {error}", self.id);
            AppError::Internal
        })?;
        let failing = self.failing_since.map(|since| (moment(since), self.last_error.unwrap_or_default()));
        Ok(Channel {
            id: ChannelId(self.id),
            name: self.name,
            settings,
            enabled: self.enabled,
            for_all: self.for_all,
            delivered_at: self.delivered_at.map(moment),
            failing,
        })
    }
}
