//! The rule itself: a pure function of the policy, the time zone and the good backups.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use super::Reason;
use crate::subscriptions::Retention;

/// A good backup that the rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Whether it stays whatever the rule says.
    pub pinned: bool,
    day: Period,
    week: Period,
    month: Period,
}

/// A day, week or month: its year and its number in it.
type Period = (i32, u32);

impl Candidate {
    /// A backup, with the days, weeks and months counted in `zone`.
    pub fn new(at: DateTime<Utc>, pinned: bool, zone: Tz) -> Self {
        let local = at.with_timezone(&zone);
        let week = local.iso_week();
        Self {
            at,
            pinned,
            day: (local.year(), local.ordinal()),
            week: (week.year(), week.week()),
            month: (local.year(), local.month()),
        }
    }
}

/// Why each candidate is kept, in their order; one without a reason goes.
pub fn apply(rule: Retention, candidates: &[Candidate]) -> Vec<Vec<Reason>> {
    let mut reasons = vec![Vec::new(); candidates.len()];
    let mut newest_first: Vec<usize> = (0..candidates.len()).collect();
    newest_first.sort_by_key(|place| (std::cmp::Reverse(candidates[*place].at), *place));
    let mut slots = [
        Slots::new(Reason::Daily, rule.daily, |candidate| candidate.day),
        Slots::new(Reason::Weekly, rule.weekly, |candidate| candidate.week),
        Slots::new(Reason::Monthly, rule.monthly, |candidate| candidate.month),
    ];
    for place in &newest_first {
        reasons[*place].extend(slots.iter_mut().filter_map(|slots| slots.take(&candidates[*place])));
    }
    let mut kept = reasons.iter().filter(|reasons| !reasons.is_empty()).count();
    for (rank, place) in newest_first.iter().enumerate() {
        let fills_up = reasons[*place].is_empty() && kept < usize::from(rule.keep_latest);
        kept += usize::from(fills_up);
        if rank == 0 || fills_up {
            reasons[*place].push(Reason::Latest);
        }
        if candidates[*place].pinned {
            reasons[*place].push(Reason::Pinned);
        }
    }
    reasons
}

/// The days, weeks or months that still keep a backup.
struct Slots {
    reason: Reason,
    left: u16,
    period: fn(&Candidate) -> Period,
    /// Not only the last one: where clocks go back over midnight, a day comes twice.
    seen: BTreeSet<Period>,
}

impl Slots {
    const fn new(reason: Reason, left: u16, period: fn(&Candidate) -> Period) -> Self {
        Self { reason, left, period, seen: BTreeSet::new() }
    }

    fn take(&mut self, candidate: &Candidate) -> Option<Reason> {
        if self.left == 0 || !self.seen.insert((self.period)(candidate)) {
            return None;
        }
        self.left -= 1;
        Some(self.reason)
    }
}
