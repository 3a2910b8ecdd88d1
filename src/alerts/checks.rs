//! SQL of pings: one of a check at a time, and what a later one makes of those before it.

use std::collections::HashSet;

use uuid::Uuid;

use super::{outbox::Parcel, pings::Ping};
use crate::{
    error::AppResult,
    server::{
        Panel,
        db::{Tx, millis, query},
    },
};

/// A check that is pinged: of a channel, of a subscription itself, or the one that a channel has for a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    /// The channel that has its address, unless the subscription has it.
    pub channel: Option<Uuid>,
    /// The subscription that it watches, unless it watches all.
    pub subscription: Option<Uuid>,
}

/// Has a check pinged. What was not sent before says nothing any more.
pub async fn write(panel: &Panel, tx: &mut Tx, check: Check, name: &str, ping: Ping, text: &str) -> AppResult<()> {
    let now = millis(panel.clock.now());
    query!(
        tx,
        execute,
        "UPDATE alert_deliveries SET state = 'dropped', finished_at = $3, answer = 'A later ping took its place.'
         WHERE ping IS NOT NULL AND state = 'waiting' AND finished_at IS NULL
           AND channel_id IS NOT DISTINCT FROM $1 AND subscription_id IS NOT DISTINCT FROM $2",
        check.channel,
        check.subscription,
        now
    )?;
    query!(
        tx,
        execute,
        "INSERT INTO alert_deliveries (id, channel_id, channel_name, subscription_id, ping, ping_text, state, due_at,
             created_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $7)",
        panel.id(),
        check.channel,
        name,
        check.subscription,
        ping.as_str(),
        text,
        now
    )?;
    Ok(())
}

/// The checks that are being told something at this moment, by whichever panel.
pub async fn being_told(panel: &Panel, now: i64) -> AppResult<HashSet<Check>> {
    let rows: Vec<(Option<Uuid>, Option<Uuid>)> = query!(
        panel.db,
        fetch_all,
        "SELECT channel_id, subscription_id FROM alert_deliveries
         WHERE finished_at IS NULL AND state = 'sending' AND lease_until > $1 AND ping IS NOT NULL AND ping <> 'log'",
        now
    )?;
    Ok(rows.into_iter().map(|(channel, subscription)| Check { channel, subscription }).collect())
}

/// Whether a later ping of the same check was written down: this one would make the check look as it was.
pub async fn is_outdated(panel: &Panel, parcel: &Parcel) -> AppResult<bool> {
    let later: Option<(i64,)> = query!(
        panel.db,
        fetch_optional,
        "SELECT created_at FROM alert_deliveries
         WHERE ping IS NOT NULL AND ping <> 'log' AND created_at > $3
           AND channel_id IS NOT DISTINCT FROM $1 AND subscription_id IS NOT DISTINCT FROM $2
         LIMIT 1",
        parcel.check.channel,
        parcel.check.subscription,
        millis(parcel.created_at)
    )?;
    Ok(later.is_some())
}

/// A ping arrived: of those of its check that came before, only what was given up stays in the log.
pub async fn forget_earlier(tx: &mut Tx, parcel: &Parcel) -> AppResult<()> {
    query!(
        tx,
        execute,
        "DELETE FROM alert_deliveries
         WHERE ping IS NOT NULL AND ping <> 'log' AND state IN ('delivered', 'dropped') AND created_at < $3
           AND channel_id IS NOT DISTINCT FROM $1 AND subscription_id IS NOT DISTINCT FROM $2",
        parcel.check.channel,
        parcel.check.subscription,
        millis(parcel.created_at)
    )?;
    Ok(())
}
