//! SQL of how backups went: operations tell what was made and what failed, lines what is still there.

use std::collections::{HashMap, HashSet};

use backup_api::BackupFormat;
use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::{
    CALENDAR_WEEKS, DayRow, History, ROW_WEEKS, SizeAt,
    days::{Happened, first_day, row},
};
use crate::{
    error::{AppError, AppResult},
    operations::OperationId,
    schedules::plan,
    server::{
        Panel,
        db::{Tx, millis, moment, number, query, stored},
    },
    subscriptions::{self, SubscriptionId},
};

/// Rows of a page of the overview, and so the most subscriptions that are asked for at once.
pub const PAGE: usize = 10;

/// What an operation made, or that it did not.
#[derive(sqlx_macros::FromRow)]
struct Work {
    subscription_id: Uuid,
    backup_id: Uuid,
    state: String,
    at: i64,
    format: String,
    size_bytes: Option<i64>,
}

/// A good line.
#[derive(sqlx_macros::FromRow)]
struct Line {
    subscription_id: Uuid,
    remote_id: Uuid,
    at: i64,
    format: String,
    size_bytes: Option<i64>,
}

/// A subscription whose days are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Whose {
    /// Identity.
    pub id: SubscriptionId,
    /// The zone of its days.
    pub zone: Tz,
    /// When it was added.
    pub since: DateTime<Utc>,
}

/// What there is of one subscription.
#[derive(Default)]
struct Found {
    events: Vec<(DateTime<Utc>, Happened)>,
    sizes: Vec<SizeAt>,
}

/// The last weeks of one subscription.
pub async fn of(panel: &Panel, id: SubscriptionId) -> AppResult<History> {
    let row: Option<(String, i64)> =
        query!(panel.db, fetch_optional, "SELECT time_zone, created_at FROM subscriptions WHERE id = $1", id.0)?;
    let (zone, since) = row.ok_or_else(|| AppError::not_found(subscriptions::store::THIS))?;
    let (now, zone) = (panel.clock.now(), zone_of(&zone));
    let mut found = find(panel, &[id], CALENDAR_WEEKS, now).await?;
    let Found { events, mut sizes } = found.remove(&id.0).unwrap_or_default();
    let first = first_day(now, zone, CALENDAR_WEEKS, true);
    sizes.retain(|size| size.at.with_timezone(&zone).date_naive() >= first);
    sizes.sort_unstable_by_key(|size| size.at);
    Ok(History { days: self::row(first, now, zone, moment(since), &events), sizes, as_of: now })
}

/// The last four weeks of a page of subscriptions, in their order.
pub async fn rows(panel: &Panel, whose: &[Whose], now: DateTime<Utc>) -> AppResult<Vec<DayRow>> {
    let ids: Vec<SubscriptionId> = whose.iter().map(|whose| whose.id).collect();
    let found = find(panel, &ids, ROW_WEEKS, now).await?;
    let row = |whose: &Whose| {
        let events = found.get(&whose.id.0).map_or(&[][..], |found| &found.events);
        row(first_day(now, whose.zone, ROW_WEEKS, false), now, whose.zone, whose.since, events)
    };
    Ok(whose.iter().map(row).collect())
}

/// Writes down how big the file of the backup is that an operation made.
pub async fn remember_size(tx: &mut Tx, id: OperationId, bytes: u64) -> AppResult<()> {
    query!(tx, execute, "UPDATE operations SET size_bytes = $2 WHERE id = $1", id.0, stored(bytes))?;
    Ok(())
}

/// The zone that a subscription's days are counted in.
pub fn zone_of(name: &str) -> Tz {
    plan::zone(name).unwrap_or(Tz::UTC)
}

async fn find(
    panel: &Panel,
    ids: &[SubscriptionId],
    weeks: u32,
    now: DateTime<Utc>,
) -> AppResult<HashMap<Uuid, Found>> {
    // Two days more, for zones ahead and behind; what is too much falls out when days are made of it.
    let back = Days::new(u64::from(weeks) * 7 + 2);
    let begin = (now.date_naive() - back).and_time(NaiveTime::MIN).and_utc();
    // The moment of a work is when it began; it may have waited for that.
    let asked = millis(begin - TimeDelta::days(2));
    let id = |place: usize| ids.get(place).map(|id| id.0);
    let works = async {
        query!(
            panel.db,
            fetch_all,
            "SELECT subscription_id, backup_id, state, COALESCE(started_at, created_at) AS at, format, size_bytes
             FROM operations
             WHERE subscription_id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AND created_at >= $11
               AND kind = 'backup' AND state IN ('succeeded', 'failed', 'interrupted')",
            id(0),
            id(1),
            id(2),
            id(3),
            id(4),
            id(5),
            id(6),
            id(7),
            id(8),
            id(9),
            asked
        )
    };
    let lines = async {
        query!(
            panel.db,
            fetch_all,
            "SELECT subscription_id, remote_id, created_at AS at, format, size_bytes FROM backup_lines
             WHERE subscription_id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AND created_at >= $11
               AND result = 'good' AND trigger_kind NOT IN ('upload', 'url')",
            id(0),
            id(1),
            id(2),
            id(3),
            id(4),
            id(5),
            id(6),
            id(7),
            id(8),
            id(9),
            millis(begin)
        )
    };
    let (works, lines): (Vec<Work>, Vec<Line>) = futures::future::try_join(works, lines).await?;
    Ok(together(works, lines))
}

/// A backup is told by its line while there is one; then its operation says nothing more, not even that it failed: the
/// server held the backup all the same.
fn together(works: Vec<Work>, lines: Vec<Line>) -> HashMap<Uuid, Found> {
    let mut found: HashMap<Uuid, Found> = HashMap::new();
    let there: HashSet<Uuid> = lines.iter().map(|line| line.remote_id).collect();
    for line in lines {
        let found = found.entry(line.subscription_id).or_default();
        found.events.push((moment(line.at), Happened::Kept));
        found.sizes.extend(size(line.at, &line.format, line.size_bytes));
    }
    for work in works.into_iter().filter(|work| !there.contains(&work.backup_id)) {
        let found = found.entry(work.subscription_id).or_default();
        let good = work.state == "succeeded";
        found.events.push((moment(work.at), if good { Happened::Removed } else { Happened::Failed }));
        if good {
            found.sizes.extend(size(work.at, &work.format, work.size_bytes));
        }
    }
    found
}

fn size(at: i64, format: &str, bytes: Option<i64>) -> Option<SizeAt> {
    Some(SizeAt { at: moment(at), format: BackupFormat::parse(format)?, bytes: number(bytes?) })
}
