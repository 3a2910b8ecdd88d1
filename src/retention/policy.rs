//! The rule itself: a pure function of the policy, the time zone and the good backups.

use std::{cmp::Reverse, collections::BTreeMap};

use backup_api::BackupFormat;
use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;

use super::Reason;
use crate::subscriptions::Retention;

/// A good backup that the rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// When it was made.
    pub at: DateTime<Utc>,
    /// What it holds.
    pub format: BackupFormat,
    /// Whether it stays whatever the rule says.
    pub pinned: bool,
    day: Period,
    week: Period,
    month: Period,
}

/// A day, week or month: its year and its number in it.
type Period = (i32, u32);

/// Which day, week or month a backup belongs to.
type PeriodOf = fn(&Candidate) -> Period;

impl Candidate {
    /// A backup, with the days, weeks and months counted in `zone`.
    pub fn new(at: DateTime<Utc>, format: BackupFormat, pinned: bool, zone: Tz) -> Self {
        let local = at.with_timezone(&zone);
        let week = local.iso_week();
        Self {
            at,
            format,
            pinned,
            day: (local.year(), local.ordinal()),
            week: (week.year(), week.week()),
            month: (local.year(), local.month()),
        }
    }

    /// Whether all of Odoo's data can be brought back from it: a dump lacks the attachments.
    const fn is_complete(&self) -> bool {
        matches!(self.format, BackupFormat::Zip)
    }
}

/// Why each candidate is kept, in their order; one without a reason goes.
pub fn apply(rule: Retention, candidates: &[Candidate]) -> Vec<Vec<Reason>> {
    let mut reasons = vec![Vec::new(); candidates.len()];
    let mut newest_first: Vec<usize> = (0..candidates.len()).collect();
    newest_first.sort_by_key(|place| (Reverse(candidates[*place].at), *place));
    let periods: [(Reason, u16, PeriodOf); 3] = [
        (Reason::Daily, rule.daily, |candidate| candidate.day),
        (Reason::Weekly, rule.weekly, |candidate| candidate.week),
        (Reason::Monthly, rule.monthly, |candidate| candidate.month),
    ];
    for (reason, count, period) in periods {
        for place in standing_for(period, candidates, &newest_first).take(count.into()) {
            reasons[place].push(reason);
        }
    }
    let newest_complete = newest_first.iter().find(|place| candidates[**place].is_complete());
    let mut kept = reasons.iter().filter(|reasons| !reasons.is_empty()).count();
    for (rank, place) in newest_first.iter().enumerate() {
        let fills_up = reasons[*place].is_empty() && kept < usize::from(rule.keep_latest);
        kept += usize::from(fills_up);
        if rank == 0 || Some(place) == newest_complete || fills_up {
            reasons[*place].push(Reason::Latest);
        }
        if candidates[*place].pinned {
            reasons[*place].push(Reason::Pinned);
        }
    }
    reasons
}

/// Which candidate stands for each period that has one, the latest period first: its last complete one, else its last.
fn standing_for(period: PeriodOf, candidates: &[Candidate], newest_first: &[usize]) -> impl Iterator<Item = usize> {
    let mut standing: BTreeMap<Period, usize> = BTreeMap::new();
    for place in newest_first {
        let known = standing.entry(period(&candidates[*place])).or_insert(*place);
        if candidates[*place].is_complete() && !candidates[*known].is_complete() {
            *known = *place;
        }
    }
    standing.into_values().rev()
}
