//! SQL of the outbox: messages that collect news, wait, are sent by one panel at a time, and stay as the delivery log.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    DELIVERY_ROWS, Delivery, DeliveryId, DeliveryPage, DeliveryState,
    checks::{self, Check},
    news::News,
    pings::Ping,
};
use crate::{
    error::{AppError, AppResult},
    server::{
        Panel,
        db::{Tx, millis, moment, number, query},
    },
};

/// How long a ping may be sent; what comes after it waits so long.
const PING_LIMIT: Duration = Duration::from_secs(20);
/// A panel that sends a message is believed to be there for so much longer than that may take: the clocks of two machines
/// differ, and what came of it is written down last.
const MARGIN: Duration = Duration::from_mins(1);
/// Messages of one channel that are looked at: more than are sent at once, for some may not be sent yet.
const LOOKED_AT: i64 = 32;
/// How long the log goes back.
const MEMORY: TimeDelta = TimeDelta::days(90);
const THIS: &str = "This message";

/// How long sending a message, or a ping, may take.
pub fn limit(panel: &Panel, is_ping: bool) -> Duration {
    if is_ping { PING_LIMIT.min(panel.config.delivery_limit) } else { panel.config.delivery_limit }
}

/// Until when a panel that begins to send now is believed to be there.
fn leased(panel: &Panel, is_ping: bool) -> i64 {
    millis(panel.clock.now() + limit(panel, is_ping) + MARGIN)
}

/// The message of a channel that collects news; a new one is sent when it is `due`.
pub async fn collecting(
    panel: &Panel,
    tx: &mut Tx,
    channel: Uuid,
    name: &str,
    due: DateTime<Utc>,
) -> AppResult<DeliveryId> {
    let (id,): (Uuid,) = query!(
        tx,
        fetch_one,
        "INSERT INTO alert_deliveries (id, channel_id, channel_name, state, due_at, created_at)
         VALUES ($1, $2, $3, 'collecting', $4, $5)
         ON CONFLICT (channel_id) WHERE state = 'collecting' DO UPDATE SET channel_name = excluded.channel_name
         RETURNING id",
        panel.id(),
        channel,
        name,
        millis(due),
        millis(panel.clock.now())
    )?;
    Ok(DeliveryId(id))
}

/// Puts news into a message.
pub async fn add(tx: &mut Tx, message: DeliveryId, alert: Uuid) -> AppResult<()> {
    query!(tx, execute, "INSERT INTO alert_delivery_items (delivery_id, alert_id) VALUES ($1, $2)", message.0, alert)?;
    Ok(())
}

/// A message that is sent at once and once: somebody tries a channel or a check out.
pub async fn sending(
    panel: &Panel,
    tx: &mut Tx,
    check: Check,
    name: &str,
    ping: Option<(Ping, &str)>,
) -> AppResult<DeliveryId> {
    let (id, now) = (panel.id(), panel.clock.now());
    query!(
        tx,
        execute,
        "INSERT INTO alert_deliveries (id, channel_id, subscription_id, channel_name, ping, ping_text, state, due_at,
             attempts, owner, lease_until, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'sending', $7, 1, $8, $9, $7)",
        id,
        check.channel,
        check.subscription,
        name,
        ping.map(|(ping, _)| ping.as_str()),
        ping.map(|(_, text)| text),
        millis(now),
        panel.instance,
        leased(panel, ping.is_some())
    )?;
    Ok(DeliveryId(id))
}

/// A message that is due.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Identity.
    pub id: DeliveryId,
    /// Through which channel; `None` for the address that a subscription has itself.
    pub channel: Option<Uuid>,
}

/// Messages that are due, also those whose panel is gone; of each channel the first ones. Without pings whose check is just
/// being told something.
pub async fn due(panel: &Panel) -> AppResult<Vec<Due>> {
    let now = millis(panel.clock.now());
    let rows: Vec<(Uuid, Option<Uuid>, Option<Uuid>, bool)> = query!(
        panel.db,
        fetch_all,
        "SELECT id, channel_id, subscription_id, is_ping FROM (
             SELECT id, channel_id, subscription_id, ping IS NOT NULL AS is_ping, due_at,
                    ROW_NUMBER() OVER (PARTITION BY channel_id ORDER BY due_at, id) AS place
             FROM alert_deliveries
             WHERE finished_at IS NULL AND ((state IN ('collecting', 'waiting') AND due_at <= $1)
                 OR (state = 'sending' AND lease_until <= $1))) AS q
         WHERE place <= $2 ORDER BY due_at, id",
        now,
        LOOKED_AT
    )?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let told = checks::being_told(panel, now).await?;
    let free = rows.into_iter().filter(|(_, channel, subscription, is_ping)| {
        !is_ping || !told.contains(&Check { channel: *channel, subscription: *subscription })
    });
    Ok(free.map(|(id, channel, ..)| Due { id: DeliveryId(id), channel }).collect())
}

/// A message that this panel sends.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Identity.
    pub id: DeliveryId,
    /// Through which channel; of a ping, to which check.
    pub check: Check,
    /// Of a ping: what it says.
    pub ping: Option<(Ping, String)>,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Recipients that have it already.
    pub reached: Vec<String>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// What it tells, the oldest first.
    pub news: Vec<(Uuid, DateTime<Utc>, News)>,
}

impl Parcel {
    /// What is sent at once and once.
    pub const fn at_once(id: DeliveryId, check: Check, now: DateTime<Utc>) -> Self {
        Self { id, check, ping: None, attempt: 1, reached: Vec::new(), created_at: now, news: Vec::new() }
    }
}

#[derive(sqlx_macros::FromRow)]
struct ParcelRow {
    channel_id: Option<Uuid>,
    subscription_id: Option<Uuid>,
    ping: Option<String>,
    ping_text: Option<String>,
    attempts: i64,
    reached: String,
    created_at: i64,
}

/// Takes a message to send it; `None` when it is not due or another panel has it. A check is told one thing at a time: what
/// was begun first must not arrive last.
pub async fn take(panel: &Panel, id: DeliveryId) -> AppResult<Option<Parcel>> {
    let mut tx = panel.db.begin().await?;
    let row: Option<ParcelRow> = query!(
        tx,
        fetch_optional,
        "UPDATE alert_deliveries SET state = 'sending', attempts = attempts + 1, owner = $2,
             lease_until = CASE WHEN ping IS NULL THEN $3 ELSE $5 END
         WHERE id = $1 AND ((state IN ('collecting', 'waiting') AND due_at <= $4)
             OR (state = 'sending' AND lease_until <= $4))
           AND (ping IS NULL OR NOT EXISTS (
               SELECT 1 FROM alert_deliveries o
               WHERE o.finished_at IS NULL AND o.state = 'sending' AND o.lease_until > $4 AND o.id <> $1
                 AND o.ping IS NOT NULL AND o.ping <> 'log'
                 AND o.channel_id IS NOT DISTINCT FROM alert_deliveries.channel_id
                 AND o.subscription_id IS NOT DISTINCT FROM alert_deliveries.subscription_id))
         RETURNING channel_id, subscription_id, ping, ping_text, attempts, reached, created_at",
        id.0,
        panel.instance,
        leased(panel, false),
        millis(panel.clock.now()),
        leased(panel, true)
    )?;
    let Some(row) = row else { return Ok(None) };
    let news = news_of(&mut tx, id).await?;
    tx.commit().await?;
    let ping = row.ping.as_deref().and_then(Ping::parse);
    Ok(Some(Parcel {
        id,
        check: Check { channel: row.channel_id, subscription: row.subscription_id },
        ping: ping.map(|ping| (ping, row.ping_text.unwrap_or_default())),
        attempt: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        reached: serde_json::from_str(&row.reached).unwrap_or_default(),
        created_at: moment(row.created_at),
        news,
    }))
}

/// What a message tells, the oldest first.
pub async fn news_of(tx: &mut Tx, id: DeliveryId) -> AppResult<Vec<(Uuid, DateTime<Utc>, News)>> {
    let rows: Vec<(Uuid, i64, String)> = query!(
        tx,
        fetch_all,
        "SELECT a.id, a.at, a.news FROM alert_delivery_items i JOIN alerts a ON a.id = i.alert_id
         WHERE i.delivery_id = $1 ORDER BY a.at, a.id",
        id.0
    )?;
    rows.into_iter().map(|(id, at, news)| Ok((id, moment(at), News::read(&news)?))).collect()
}

/// Writes down who has a message by now; whether it still is this panel's to send.
pub async fn reach(panel: &Panel, id: DeliveryId, reached: &[String]) -> AppResult<bool> {
    let mut tx = panel.db.begin().await?;
    let touched = query!(
        tx,
        execute,
        "UPDATE alert_deliveries SET reached = $3 WHERE id = $1 AND owner = $2 AND state = 'sending'",
        id.0,
        panel.instance,
        serde_json::to_string(reached).unwrap_or_default()
    )?;
    tx.commit().await?;
    Ok(touched == 1)
}

/// How a try ended, as it is stored.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    /// The state that the message is in now: delivered, given up, dropped or waiting.
    pub state: &'static str,
    /// When it is tried again.
    pub due_at: Option<DateTime<Utc>>,
    /// Recipients that have it.
    pub reached: &'a [String],
    /// What was answered.
    pub answer: &'a str,
}

/// Writes down how this panel's try ended; whether it still was this panel's.
pub async fn end(panel: &Panel, tx: &mut Tx, id: DeliveryId, ended: &Ended<'_>) -> AppResult<bool> {
    let now = panel.clock.now();
    let finished = ended.due_at.is_none().then(|| millis(now));
    let touched = query!(
        tx,
        execute,
        "UPDATE alert_deliveries SET state = $3, due_at = $4, finished_at = $5, reached = $6, answer = $7, owner = NULL,
             lease_until = NULL
         WHERE id = $1 AND owner = $2 AND state = 'sending'",
        id.0,
        panel.instance,
        ended.state,
        millis(ended.due_at.unwrap_or(now)),
        finished,
        serde_json::to_string(ended.reached).unwrap_or_default(),
        ended.answer
    )?;
    Ok(touched == 1)
}

/// Has a message that was given up, or waits for its next try, sent now; gives its channel's name.
pub async fn again(panel: &Panel, tx: &mut Tx, id: DeliveryId) -> AppResult<String> {
    let row: Option<(String,)> = query!(
        tx,
        fetch_optional,
        "UPDATE alert_deliveries SET state = 'waiting', due_at = $2, finished_at = NULL, attempts = 0
         WHERE id = $1 AND state IN ('given_up', 'waiting') RETURNING channel_name",
        id.0,
        millis(panel.clock.now())
    )?;
    let refused = "This message is not waiting for another try: it arrived, or is being sent.";
    row.map(|(name,)| name).ok_or_else(|| AppError::Conflict(refused.to_owned()))
}

/// Drops what a channel has not sent yet, for it is deleted; also pings that were given up, for their check is not known
/// any more.
pub async fn drop_unsent(panel: &Panel, tx: &mut Tx, channel: Uuid) -> AppResult<()> {
    query!(
        tx,
        execute,
        "UPDATE alert_deliveries SET state = 'dropped', finished_at = $2, answer = 'The channel was deleted.'
         WHERE channel_id = $1 AND (finished_at IS NULL OR (ping IS NOT NULL AND state = 'given_up'))",
        channel,
        millis(panel.clock.now())
    )?;
    Ok(())
}

/// Forgets what was told long ago.
pub async fn forget_old(panel: Panel) -> AppResult<()> {
    let before = millis(panel.clock.now() - MEMORY);
    let mut tx = panel.db.begin().await?;
    query!(tx, execute, "DELETE FROM alert_deliveries WHERE finished_at <= $1", before)?;
    query!(
        tx,
        execute,
        "DELETE FROM alerts WHERE at <= $1
           AND NOT EXISTS (SELECT 1 FROM alert_delivery_items i WHERE i.alert_id = alerts.id)",
        before
    )?;
    tx.commit().await?;
    Ok(())
}

#[derive(sqlx_macros::FromRow)]
struct Row {
    id: Uuid,
    channel_name: String,
    ping: Option<String>,
    ping_text: Option<String>,
    state: String,
    due_at: i64,
    attempts: i64,
    created_at: i64,
    answer: String,
    told: i64,
    title: Option<String>,
}

macro_rules! columns {
    () => {
        "SELECT d.id, d.channel_name, d.ping, d.ping_text, d.state, d.due_at, d.attempts, d.created_at, d.answer,
            (SELECT COUNT(*) FROM alert_delivery_items i WHERE i.delivery_id = d.id) AS told,
            (SELECT a.title FROM alert_delivery_items i JOIN alerts a ON a.id = i.alert_id WHERE i.delivery_id = d.id
             ORDER BY a.at, a.id LIMIT 1) AS title
         FROM alert_deliveries d "
    };
}

/// One page of the log, the newest first.
pub async fn page(panel: &Panel, page: u32) -> AppResult<DeliveryPage> {
    let (matching,): (i64,) = query!(panel.db, fetch_one, "SELECT COUNT(*) FROM alert_deliveries")?;
    let rows: Vec<Row> = query!(
        panel.db,
        fetch_all,
        concat!(columns!(), "ORDER BY d.created_at DESC, d.id DESC LIMIT $1 OFFSET $2"),
        i64::from(DELIVERY_ROWS),
        i64::from(page) * i64::from(DELIVERY_ROWS)
    )?;
    let deliveries = rows.into_iter().map(Row::into_delivery).collect::<AppResult<_>>()?;
    Ok(DeliveryPage { deliveries, matching: number(matching), as_of: panel.clock.now() })
}

/// One message.
pub async fn find(panel: &Panel, id: DeliveryId) -> AppResult<Delivery> {
    let row: Option<Row> = query!(panel.db, fetch_optional, concat!(columns!(), "WHERE d.id = $1"), id.0)?;
    row.ok_or_else(|| AppError::not_found(THIS))?.into_delivery()
}

impl Row {
    fn into_delivery(self) -> AppResult<Delivery> {
        let state = DeliveryState::parse(&self.state).ok_or_else(|| {
            tracing::error!("The message {} holds a word that this version does not know", self.id);
            AppError::Internal
        })?;
        let first = self.title.or(self.ping_text).unwrap_or_default();
        let title = match (self.told, self.ping) {
            (_, Some(ping)) => format!("{ping}: {first}"),
            (..=1, None) => first,
            (told, None) => format!("{first}, and {} more", told - 1),
        };
        let waits = matches!(state, DeliveryState::Collecting | DeliveryState::Waiting);
        Ok(Delivery {
            id: DeliveryId(self.id),
            channel: self.channel_name,
            title,
            state,
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            created_at: moment(self.created_at),
            due_at: waits.then(|| moment(self.due_at)),
            answer: self.answer,
        })
    }
}
