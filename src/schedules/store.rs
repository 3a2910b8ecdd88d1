//! SQL of schedules: what the form saves, the default for new subscriptions, and the next slot of each.

use chrono_tz::Tz;
use uuid::Uuid;

use super::{
    Schedule,
    plan::{self, Plan, Slot},
};
use crate::{
    error::{AppError, AppResult},
    server::{
        Panel,
        db::{Tx, millis, query},
    },
    subscriptions::SubscriptionId,
};

/// The schedule of a subscription; one that never had any is off.
pub async fn of(panel: &Panel, id: SubscriptionId) -> AppResult<Schedule> {
    let row: Option<(String,)> =
        query!(panel.db, fetch_optional, "SELECT plan FROM schedules WHERE subscription_id = $1", id.0)?;
    row.map_or_else(|| Ok(off()), |(plan,)| read(&plan))
}

fn off() -> Schedule {
    Schedule { enabled: false, ..Schedule::default() }
}

/// Saves a schedule that was checked. The next slot is counted anew only when something of it changed: saving a form at
/// five past two must not skip a run that begins at ten past.
pub async fn save(panel: &Panel, tx: &mut Tx, id: SubscriptionId, schedule: &Schedule, zone: Tz) -> AppResult<()> {
    let plan = Plan::parse(schedule, zone)?;
    let text = write(schedule)?;
    let before: Option<(String, String)> =
        query!(tx, fetch_optional, "SELECT plan, zone FROM schedules WHERE subscription_id = $1", id.0)?;
    if before.is_some_and(|(plan, of)| plan == text && of == zone.name()) {
        return Ok(());
    }
    let next = if schedule.enabled { plan.next(panel.clock.now(), id) } else { None };
    query!(
        tx,
        execute,
        "INSERT INTO schedules (subscription_id, plan, zone, next_slot, due_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (subscription_id) DO UPDATE SET plan = $2, zone = $3, next_slot = $4, due_at = $5",
        id.0,
        text,
        zone.name(),
        next.map(|slot: Slot| millis(slot.at)),
        next.map(|slot| millis(slot.due))
    )?;
    // What waited did so for the schedule as it was.
    query!(
        tx,
        execute,
        "UPDATE scheduled_runs SET state = 'merged' WHERE subscription_id = $1 AND state = 'waiting'",
        id.0
    )?;
    Ok(())
}

/// The schedule and time zone of new subscriptions.
pub async fn default(panel: &Panel) -> AppResult<(Schedule, String)> {
    let row: Option<(String, String)> =
        query!(panel.db, fetch_optional, "SELECT plan, zone FROM schedule_default WHERE id = 1")?;
    match row {
        Some((plan, zone)) => Ok((read(&plan)?, zone)),
        None => Ok((Schedule::default(), Tz::UTC.name().to_owned())),
    }
}

/// Makes a schedule that of new subscriptions.
pub async fn save_default(tx: &mut Tx, schedule: &Schedule, zone: Tz) -> AppResult<()> {
    query!(
        tx,
        execute,
        "INSERT INTO schedule_default (id, plan, zone) VALUES (1, $1, $2)
         ON CONFLICT (id) DO UPDATE SET plan = $1, zone = $2",
        write(schedule)?,
        zone.name()
    )?;
    Ok(())
}

/// A schedule as it is stored.
pub fn write(schedule: &Schedule) -> AppResult<String> {
    serde_json::to_string(schedule).map_err(|_| AppError::Internal)
}

/// A stored schedule.
pub fn read(plan: &str) -> AppResult<Schedule> {
    serde_json::from_str(plan).map_err(|error| {
        tracing::error!("A stored schedule cannot be read: {error}");
        AppError::Internal
    })
}

/// A schedule whose run should have begun.
#[derive(Clone, Debug, sqlx_macros::FromRow)]
pub struct DueRow {
    /// The subscription.
    pub subscription_id: Uuid,
    /// Its schedule.
    pub plan: String,
    /// In this time zone.
    pub zone: String,
    /// Its slot.
    pub next_slot: i64,
}

impl DueRow {
    /// The schedule, ready to be asked.
    pub fn parsed(&self) -> AppResult<Plan> {
        Plan::parse(&read(&self.plan)?, plan::zone(&self.zone)?)
    }
}
