//! When a kept backup is expected to go: the rule is applied again and again, as if every planned backup came.

use backup_api::BackupFormat;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::policy::{Candidate, apply};
use crate::subscriptions::Retention;

/// Planned backups that are looked at one by one.
const SINGLE_STEPS: usize = 96;
/// Days that are looked at in all.
const HORIZON: TimeDelta = TimeDelta::days(400);

/// For each candidate the planned backup of `format` after which it goes; `None` when it outlives the forecast.
pub fn ends(
    rule: Retention,
    zone: Tz,
    format: BackupFormat,
    candidates: &[Candidate],
    planned: impl Iterator<Item = DateTime<Utc>>,
) -> Vec<Option<DateTime<Utc>>> {
    let mut ends = vec![None; candidates.len()];
    // With the place of those that are there by now; planned ones have none.
    let mut there: Vec<(Option<usize>, Candidate)> =
        candidates.iter().enumerate().map(|(place, candidate)| (Some(place), *candidate)).collect();
    for at in steps(planned) {
        if there.iter().all(|(place, candidate)| place.is_none() || candidate.pinned) {
            break;
        }
        there.push((None, Candidate::new(at, format, false, zone)));
        let looked_at: Vec<Candidate> = there.iter().map(|(_, candidate)| *candidate).collect();
        let mut reasons = apply(rule, &looked_at).into_iter();
        there.retain(|(place, _)| {
            let kept = reasons.next().is_some_and(|reasons| !reasons.is_empty());
            if let (false, Some(place)) = (kept, place) {
                ends[*place] = Some(at);
            }
            kept
        });
    }
    ends
}

/// The planned backups, and after many of them one a day: a schedule of every minute has half a million a year.
fn steps(planned: impl Iterator<Item = DateTime<Utc>>) -> impl Iterator<Item = DateTime<Utc>> {
    let mut planned = planned.take(SINGLE_STEPS).peekable();
    let first = planned.peek().copied();
    let mut last = first;
    std::iter::from_fn(move || {
        last = planned.next().or_else(|| last.map(|at| at + TimeDelta::days(1)));
        last.filter(|at| first.is_some_and(|first| *at - first <= HORIZON))
    })
}
