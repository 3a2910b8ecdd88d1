//! The states of all subscriptions at a moment, computed by the database.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{BackupState, StateCounts, SubscriptionId};
use crate::{
    error::AppResult,
    server::{
        Panel,
        db::{millis, moment, number, query},
    },
};

/// The state's place in [`BackupState::ALL`] as SQL about `subscriptions s`, given the parameters that hold the two
/// [`borders`]; the same rule as [`Standing::state`](super::Standing::state).
macro_rules! state {
    ($day:literal, $days:literal) => {
        concat!(
            "CASE WHEN s.server_id IS NULL THEN 3 WHEN s.latest_good_at IS NULL OR s.latest_good_at < ",
            $days,
            " THEN 2 WHEN s.latest_good_at <= ",
            $day,
            " THEN 1 ELSE 0 END"
        )
    };
}
pub(super) use state;

const AT: &str = concat!(
    "SELECT s.id, s.name, CAST(",
    state!("$1", "$2"),
    " AS BIGINT), s.latest_good_at FROM subscriptions s ORDER BY s.name_key, s.id"
);

const COUNTS: &str =
    concat!("SELECT CAST(", state!("$1", "$2"), " AS BIGINT) AS state, COUNT(*) FROM subscriptions s GROUP BY 1");

/// A subscription as it stands at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stands {
    /// Identity.
    pub id: SubscriptionId,
    /// Customer or name.
    pub name: String,
    /// Its state then.
    pub state: BackupState,
    /// When its newest good backup was made.
    pub latest: Option<DateTime<Utc>>,
}

/// The state of every subscription at `now`, by name; one query, exact at the borders. What acts on states that change
/// merely because time passes asks this again and compares.
pub async fn at(panel: &Panel, now: DateTime<Utc>) -> AppResult<Vec<Stands>> {
    let (day, days) = borders(now);
    let rows: Vec<(Uuid, String, i64, Option<i64>)> = query!(panel.db, fetch_all, AT, day, days)?;
    let stands = rows.into_iter().map(|(id, name, state, latest)| Stands {
        id: SubscriptionId(id),
        name,
        state: state_at(state),
        latest: latest.map(moment),
    });
    Ok(stands.collect())
}

/// How many subscriptions are in each state at `now`.
pub async fn counts(panel: &Panel, now: DateTime<Utc>) -> AppResult<StateCounts> {
    let (day, days) = borders(now);
    let counted: Vec<(i64, i64)> = query!(panel.db, fetch_all, COUNTS, day, days)?;
    Ok(count(&counted))
}

/// A latest good backup of the first moment or before is no longer Normal; one before the second is Danger.
pub(super) fn borders(now: DateTime<Utc>) -> (i64, i64) {
    (millis(now - TimeDelta::days(1)), millis(now - TimeDelta::days(5)))
}

/// Rows of a state's place and how many there are.
pub(super) fn count(counted: &[(i64, i64)]) -> StateCounts {
    let of = |state: i64| counted.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| number(*count));
    StateCounts { normal: of(0), warning: of(1), danger: of(2), not_configured: of(3) }
}

fn state_at(place: i64) -> BackupState {
    usize::try_from(place).ok().and_then(|place| BackupState::ALL.get(place)).copied().unwrap_or(BackupState::Danger)
}
