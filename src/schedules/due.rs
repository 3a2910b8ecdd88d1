//! Finds the schedules whose run should have begun, writes each run down, and moves the schedule to its next slot.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::store::DueRow;
use crate::{
    error::AppResult,
    server::{
        Panel,
        db::{Tx, millis, moment, query, write_many},
    },
    subscriptions::SubscriptionId,
};

/// Schedules of one transaction.
const BATCH: i64 = 1000;
/// Rows of one statement: SQLite takes 32,766 parameters.
const ROWS: usize = 500;

/// A schedule that is moved on.
struct Moved {
    subscription: Uuid,
    slot: i64,
    run: i64,
    due: i64,
    next_slot: Option<i64>,
    next_due: Option<i64>,
}

/// Writes down what is due at this moment; gives how many runs there are to begin.
pub async fn enqueue(panel: &Panel) -> AppResult<u64> {
    let now = panel.clock.now();
    let mut written = 0;
    loop {
        let mut tx = panel.db.begin().await?;
        let due = find(&mut tx, now).await?;
        if due.is_empty() {
            return Ok(written);
        }
        let moved: Vec<Moved> = due.iter().map(|row| move_on(row, now)).collect();
        for rows in moved.chunks(ROWS) {
            written += write_runs(&mut tx, rows).await?;
            write_next(&mut tx, rows).await?;
            merge(&mut tx, rows).await?;
        }
        tx.commit().await?;
    }
}

async fn find(tx: &mut Tx, now: DateTime<Utc>) -> AppResult<Vec<DueRow>> {
    Ok(query!(
        tx,
        fetch_all,
        "SELECT c.subscription_id, c.plan, c.zone, c.next_slot FROM schedules c
         JOIN subscriptions s ON s.id = c.subscription_id
         WHERE c.due_at <= $1 AND s.server_id IS NOT NULL ORDER BY c.due_at LIMIT $2",
        millis(now),
        BATCH
    )?)
}

fn move_on(row: &DueRow, now: DateTime<Utc>) -> Moved {
    let id = SubscriptionId(row.subscription_id);
    let stopped = Moved {
        subscription: id.0,
        slot: row.next_slot,
        run: row.next_slot,
        due: millis(now),
        next_slot: None,
        next_due: None,
    };
    let plan = match row.parsed() {
        Ok(plan) => plan,
        Err(error) => {
            tracing::error!("The schedule of subscription {} was stopped: {error}", id.0);
            return stopped;
        }
    };
    let missed = plan.last_missed(moment(row.next_slot), now, id);
    let next = plan.next(now, id);
    Moved {
        run: millis(missed),
        next_slot: next.map(|slot| millis(slot.at)),
        next_due: next.map(|slot| millis(slot.due)),
        ..stopped
    }
}

/// A run that is there already was written by another panel. One that takes the place of another that still waited, or
/// that was given up for a changed schedule, goes on counting its tries: else a schedule that comes round before the last
/// try would never be told to have failed.
async fn write_runs(tx: &mut Tx, rows: &[Moved]) -> AppResult<u64> {
    Ok(write_many!(
        tx,
        "INSERT INTO scheduled_runs (subscription_id, slot, state, due_at, attempts)
         SELECT v.column1, v.column2, 'waiting', v.column3, COALESCE((
             SELECT CASE WHEN p.state IN ('waiting', 'merged') THEN p.attempts ELSE 0 END FROM scheduled_runs p
             WHERE p.subscription_id = v.column1 AND p.slot < v.column2 ORDER BY p.slot DESC LIMIT 1
         ), 0) FROM (",
        rows,
        |row, moved| row.push_bind(moved.subscription).push_bind(moved.run).push_bind(moved.due),
        ") AS v WHERE TRUE ON CONFLICT (subscription_id, slot) DO NOTHING"
    )?)
}

async fn write_next(tx: &mut Tx, rows: &[Moved]) -> AppResult<u64> {
    Ok(write_many!(
        tx,
        "UPDATE schedules SET next_slot = v.column3, due_at = v.column4 FROM (",
        rows,
        |row, moved| row
            .push_bind(moved.subscription)
            .push_bind(moved.slot)
            .push_bind(moved.next_slot)
            .push_bind(moved.next_due),
        ") AS v WHERE schedules.subscription_id = v.column1 AND schedules.next_slot = v.column2"
    )?)
}

/// Of several runs of a subscription that wait, only the latest is left: it makes up for all of them.
async fn merge(tx: &mut Tx, rows: &[Moved]) -> AppResult<u64> {
    Ok(write_many!(
        tx,
        "UPDATE scheduled_runs SET state = 'merged' FROM (",
        rows,
        |row, moved| row.push_bind(moved.subscription).push_bind(moved.run),
        ") AS v WHERE scheduled_runs.subscription_id = v.column1 AND scheduled_runs.slot < v.column2
           AND scheduled_runs.state = 'waiting'"
    )?)
}
