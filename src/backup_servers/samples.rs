//! The space of each backup server over time: a row for every three hours in which it answered.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{ServerId, SpaceAt};
use crate::{
    error::AppResult,
    server::{
        Panel,
        db::{Tx, millis, moment, number, query, stored},
    },
};

/// What one row stands for.
const SLOT: TimeDelta = TimeDelta::hours(3);
/// After so long, one row a day is enough.
const FINE: TimeDelta = TimeDelta::days(35);
/// After so long, nobody asks any more.
const LONGEST: TimeDelta = TimeDelta::days(400);
const DAY: i64 = 86_400_000;

/// Writes down what a server said of its space, once in three hours: of several panels that ask, the first.
pub async fn record(tx: &mut Tx, id: ServerId, space: backup_api::Space, now: DateTime<Utc>) -> AppResult<()> {
    if space.total_bytes == 0 {
        return Ok(());
    }
    let slot = SLOT.num_milliseconds();
    let written = query!(
        tx,
        execute,
        "INSERT INTO space_samples (server_id, at, total_bytes, free_bytes, repositories_bytes)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (server_id, at) DO NOTHING",
        id.0,
        millis(now).div_euclid(slot) * slot,
        stored(space.total_bytes),
        stored(space.free_bytes),
        stored(space.repositories_bytes)
    )?;
    if written == 1 { thin(tx, id, now).await } else { Ok(()) }
}

/// Leaves the first row of each day of those that are old, and none of those that are very old.
async fn thin(tx: &mut Tx, id: ServerId, now: DateTime<Utc>) -> AppResult<()> {
    query!(
        tx,
        execute,
        "DELETE FROM space_samples WHERE server_id = $1
           AND (at < $2 OR (at < $3 AND EXISTS (SELECT 1 FROM space_samples other
                WHERE other.server_id = $1 AND other.at < space_samples.at
                  AND other.at / $4 = space_samples.at / $4)))",
        id.0,
        millis(now - LONGEST),
        millis(now - FINE),
        DAY
    )?;
    Ok(())
}

/// What is known of every server since a moment, the oldest first.
pub async fn since(panel: &Panel, begin: DateTime<Utc>) -> AppResult<Vec<(ServerId, SpaceAt)>> {
    let rows: Vec<(Uuid, i64, i64, i64, i64)> = query!(
        panel.db,
        fetch_all,
        "SELECT server_id, at, total_bytes, free_bytes, repositories_bytes FROM space_samples WHERE at >= $1
         ORDER BY server_id, at",
        millis(begin)
    )?;
    let samples = rows.into_iter().map(|(id, at, total, free, repositories)| {
        let (total_bytes, free_bytes, repositories_bytes) = (number(total), number(free), number(repositories));
        let space = backup_api::Space { total_bytes, free_bytes, repositories_bytes };
        (ServerId(id), SpaceAt { at: moment(at), space })
    });
    Ok(samples.collect())
}
