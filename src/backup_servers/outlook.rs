//! How long the space of a backup server lasts, judged by how it was used over the last weeks.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::SpaceAt;
use crate::components::figures;

/// How far back is looked.
pub const LOOKED_AT: TimeDelta = TimeDelta::days(28);
/// What happens within a day (a backup, then its clean-up) says nothing about weeks: one figure for so many hours.
const STEP_HOURS: i64 = 12;
/// An estimate takes figures over so many days, and so many of them.
const ENOUGH_DAYS: i64 = 3;
const ENOUGH_FIGURES: usize = 5;
/// Of all pairs of figures, so many percent must have grown before it is called growth.
const CLEAR_PERCENT: usize = 60;
/// When so much of the disk became free at once, as a divisor, it was cleaned up: only what came after counts.
const CLEARED: u64 = 20;

/// How long the space lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outlook {
    /// Too little is known yet.
    TooEarly,
    /// It does not grow, or shrinks, or goes up and down.
    Steady,
    /// It fills up.
    Fills {
        /// Bytes a day.
        daily_bytes: u64,
        /// Whole days until nothing is free.
        days: u64,
    },
}

/// Judges by the median of all slopes between two figures (Theil and Sen), which a few odd days do not move.
/// `samples`: the oldest first.
pub fn outlook(samples: &[SpaceAt], now: DateTime<Utc>) -> Outlook {
    let figures = after_clearing(&thinned(samples, now));
    let (Some(first), Some(last)) = (figures.first(), figures.last()) else { return Outlook::TooEarly };
    if figures.len() < ENOUGH_FIGURES || (last.at - first.at).num_days() < ENOUGH_DAYS {
        return Outlook::TooEarly;
    }
    let mut slopes = slopes(&figures);
    slopes.sort_unstable();
    let growing = slopes.iter().filter(|slope| **slope > 0).count();
    let median = slopes.get(slopes.len() / 2).copied().unwrap_or_default();
    match u64::try_from(median) {
        Ok(daily_bytes) if daily_bytes > 0 && growing * 100 >= slopes.len() * CLEAR_PERCENT => {
            Outlook::Fills { daily_bytes, days: last.space.free_bytes / daily_bytes }
        }
        _ => Outlook::Steady,
    }
}

/// The last figure of each step of time.
fn thinned(samples: &[SpaceAt], now: DateTime<Utc>) -> Vec<SpaceAt> {
    let step = |sample: &SpaceAt| sample.at.timestamp().div_euclid(STEP_HOURS * 3_600);
    let mut figures: Vec<SpaceAt> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.at >= now - LOOKED_AT) {
        match figures.last_mut() {
            Some(last) if step(last) == step(sample) => *last = *sample,
            _ => figures.push(*sample),
        }
    }
    figures
}

fn after_clearing(figures: &[SpaceAt]) -> Vec<SpaceAt> {
    let cleared =
        |pair: &[SpaceAt]| pair[0].used().saturating_sub(pair[1].used()) > pair[1].space.total_bytes / CLEARED;
    let begin = figures.windows(2).rposition(cleared).map_or(0, |place| place + 1);
    figures[begin..].to_vec()
}

/// Bytes a day between any two figures.
fn slopes(figures: &[SpaceAt]) -> Vec<i128> {
    let mut slopes = Vec::with_capacity(figures.len() * figures.len() / 2);
    for (place, earlier) in figures.iter().enumerate() {
        for later in &figures[place + 1..] {
            let seconds = i128::from((later.at - earlier.at).num_seconds().max(1));
            slopes.push((i128::from(later.used()) - i128::from(earlier.used())) * 86_400 / seconds);
        }
    }
    slopes
}

impl Outlook {
    /// `Full in about 43 days, at 1.2 GB a day.`
    pub fn in_words(self) -> String {
        let Self::Fills { daily_bytes, days } = self else {
            return match self {
                Self::Steady => "Not growing over the last weeks.",
                _ => "Not enough data yet: an estimate takes the figures of three days.",
            }
            .to_owned();
        };
        let pace = format!("{} a day", figures::size(daily_bytes));
        match days {
            0 => format!("Full within a day, at {pace}."),
            1 => format!("Full in about a day, at {pace}."),
            2..=90 => format!("Full in about {days} days, at {pace}."),
            91..=730 => format!("Full in about {} months, at {pace}.", days / 30),
            731..=3_650 => format!("Full in about {} years, at {pace}.", days / 365),
            _ => format!("Lasts for more than ten years, at {pace}."),
        }
    }

    /// Whether somebody should do something about it: soon, or now.
    pub const fn urgency(self) -> &'static str {
        match self {
            Self::Fills { days: ..14, .. } => "bad",
            Self::Fills { days: ..45, .. } => "warn",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use backup_api::Space;

    use super::*;

    const GB: u64 = 1_000_000_000;

    fn now() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    /// Every three hours for so many days, as `used` says for each hour; of 1000 GB.
    fn samples(days: i64, used: impl Fn(i64) -> u64) -> Vec<SpaceAt> {
        let hours = (0..=days * 24).step_by(3);
        let sample = |hour: i64| SpaceAt {
            at: now() - TimeDelta::days(days) + TimeDelta::hours(hour),
            space: Space { total_bytes: 1000 * GB, free_bytes: 1000 * GB - used(hour), repositories_bytes: 0 },
        };
        hours.map(sample).collect()
    }

    fn hours(hour: i64) -> u64 {
        u64::try_from(hour).unwrap()
    }

    #[test]
    fn steady_growth_says_when_it_is_full() {
        // 1 GB an hour: after 20 days 480 GB are used, and 520 free.
        let fills = outlook(&samples(20, |hour| hours(hour) * GB), now());
        assert_eq!(fills, Outlook::Fills { daily_bytes: 24 * GB, days: 21 });
        assert_eq!(fills.in_words(), "Full in about 21 days, at 24.0 GB a day.");
        assert_eq!((fills.urgency(), Outlook::Steady.urgency()), ("warn", ""));
    }

    #[test]
    fn what_comes_and_goes_every_night_and_single_odd_days_do_not_move_it() {
        let nightly = |hour: i64| 100 * GB + hours(hour) * GB / 12 + if hour % 24 < 6 { 30 * GB } else { 0 };
        let odd = |hour: i64| nightly(hour) + if (200..240).contains(&hour) { 45 * GB } else { 0 };
        let Outlook::Fills { daily_bytes, days } = outlook(&samples(28, odd), now()) else { panic!("it grows") };
        assert!((1_900_000_000..=2_100_000_000).contains(&daily_bytes), "{daily_bytes}");
        assert!((390..=450).contains(&days), "{days}");
    }

    #[test]
    fn nothing_is_said_before_there_are_figures_of_three_days() {
        assert_eq!(outlook(&[], now()), Outlook::TooEarly);
        assert_eq!(outlook(&samples(2, |hour| hours(hour) * GB), now()), Outlook::TooEarly);
        assert!(matches!(outlook(&samples(4, |hour| hours(hour) * GB), now()), Outlook::Fills { .. }));
        // Two moments far apart are no trend; nor is what was long ago.
        let far: Vec<_> = samples(28, |hour| hours(hour) * GB).into_iter().step_by(112).collect();
        assert_eq!(outlook(&far, now()), Outlook::TooEarly);
        let old = samples(28, |hour| hours(hour) * GB);
        assert_eq!(outlook(&old, now() + TimeDelta::days(26)), Outlook::TooEarly);
    }

    #[test]
    fn what_stays_shrinks_or_goes_up_and_down_is_not_growing() {
        assert_eq!(outlook(&samples(28, |_| 300 * GB), now()), Outlook::Steady);
        assert_eq!(outlook(&samples(28, |hour| (900 - hours(hour)) * GB), now()), Outlook::Steady);
        let wave = |hour: i64| 300 * GB + hours(hour * 7919 % 101) * GB / 10;
        assert_eq!(outlook(&samples(28, wave), now()), Outlook::Steady);
        assert_eq!(Outlook::Steady.in_words(), "Not growing over the last weeks.");
    }

    #[test]
    fn after_a_clean_up_only_what_came_since_counts() {
        let cleaned = |hour: i64| if hour < 400 { 500 * GB + hours(hour) * GB / 2 } else { hours(hour) * GB / 2 };
        let fills = outlook(&samples(28, cleaned), now());
        assert_eq!(fills, Outlook::Fills { daily_bytes: 12 * GB, days: 55 });
        let just_now = |hour: i64| if hour < 660 { 700 * GB } else { 100 * GB };
        assert_eq!(outlook(&samples(28, just_now), now()), Outlook::TooEarly);
    }

    #[test]
    fn long_times_are_told_in_months_and_years() {
        let words = |days| Outlook::Fills { daily_bytes: GB, days }.in_words();
        assert_eq!(words(0), "Full within a day, at 1.0 GB a day.");
        assert_eq!(words(200), "Full in about 6 months, at 1.0 GB a day.");
        assert_eq!(words(1_000), "Full in about 2 years, at 1.0 GB a day.");
        assert_eq!(words(9_999), "Lasts for more than ten years, at 1.0 GB a day.");
    }
}
