//! News: what is told, written down in the transaction of what it tells about, together with the messages that carry it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Event, channels::hears, outbox, rules};
use crate::{
    error::{AppError, AppResult},
    server::{
        Panel,
        db::{Tx, millis, query},
    },
};

/// One thing that is told; stored as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// What kind of thing.
    pub event: Event,
    /// In one line.
    pub title: String,
    /// What happened and what to do next.
    pub text: String,
    /// The subscription that it is about.
    pub subscription: Option<Whose>,
    /// The backup server that it is about.
    pub server: Option<Named>,
    /// Figures for programs, by event.
    pub facts: Value,
    /// Since when it is so, for what lasts.
    pub since: Option<DateTime<Utc>>,
    /// Told before, and still so.
    pub repeated: bool,
}

/// A subscription in news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whose {
    /// Identity.
    pub id: Uuid,
    /// Customer or name.
    pub name: String,
    /// Database name.
    pub database: String,
}

/// A backup server in news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Identity.
    pub id: Uuid,
    /// Name.
    pub name: String,
}

impl News {
    /// News of a subscription, with nothing but words.
    pub fn of(event: Event, subscription: Whose, title: String, text: String) -> Self {
        Self {
            event,
            title,
            text,
            subscription: Some(subscription),
            server: None,
            facts: Value::Null,
            since: None,
            repeated: false,
        }
    }

    /// As it is stored.
    pub fn written(&self) -> AppResult<String> {
        serde_json::to_string(self).map_err(|_| AppError::Internal)
    }

    /// As it was stored.
    pub fn read(text: &str) -> AppResult<Self> {
        serde_json::from_str(text).map_err(|error| {
            tracing::error!("Stored news cannot be read: {error}");
            AppError::Internal
        })
    }
}

/// Puts news into a message for each channel that should have it; whether there is any.
pub async fn raise(panel: &Panel, tx: &mut Tx, news: &News) -> AppResult<bool> {
    let rules = rules::read_in(tx).await?;
    if !rules.events.contains(&news.event) {
        return Ok(false);
    }
    let channels = listeners(tx, news.subscription.as_ref().map(|whose| whose.id), None).await?;
    if channels.is_empty() {
        return Ok(false);
    }
    let alert = write(panel, tx, news).await?;
    let due = panel.clock.now() + chrono::TimeDelta::minutes(i64::from(rules.collect_minutes));
    for (channel, name) in channels {
        let message = outbox::collecting(panel, tx, channel, &name, due).await?;
        outbox::add(tx, message, alert).await?;
    }
    Ok(true)
}

/// Writes news down; gives their identity.
pub async fn write(panel: &Panel, tx: &mut Tx, news: &News) -> AppResult<Uuid> {
    let id = panel.id();
    query!(
        tx,
        execute,
        "INSERT INTO alerts (id, at, title, news) VALUES ($1, $2, $3, $4)",
        id,
        millis(panel.clock.now()),
        &news.title,
        news.written()?
    )?;
    Ok(id)
}

/// The channels that hear of a subscription, or of what belongs to none, and carry messages or ping so; always in the same
/// order, so that two transactions do not wait for each other.
pub async fn listeners(
    tx: &mut Tx,
    subscription: Option<Uuid>,
    pings: Option<&'static str>,
) -> AppResult<Vec<(Uuid, String)>> {
    Ok(query!(
        tx,
        fetch_all,
        concat!(
            "SELECT c.id, c.name FROM alert_channels c LEFT JOIN subscription_alerts o ON o.subscription_id = $1
             WHERE c.enabled AND c.pings IS NOT DISTINCT FROM $2 AND ",
            hears!(),
            " ORDER BY c.id"
        ),
        subscription,
        pings
    )?)
}
