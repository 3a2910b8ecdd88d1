//! Judgements without any memory or clock of their own: what turned bad, what is low, what is small, when to try again.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    names::names,
    subscriptions::{BackupState, Standing},
};

/// A subscription that never had a good backup is told of after so long: whoever sets it up needs a moment.
const FIRST_BACKUP: TimeDelta = TimeDelta::days(1);
/// So many percent more than the threshold must be free before storage is no longer low: else it is told of again and
/// again while it wavers.
const HYSTERESIS_PERCENT: u32 = 5;
/// The predecessors that a backup's size is compared with, and how many there must be.
pub const COMPARED: usize = 7;
const FEWEST_COMPARED: usize = 3;
/// How long each further try of a message waits.
const RETRIES: [TimeDelta; 7] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(15),
    TimeDelta::hours(1),
    TimeDelta::hours(3),
    TimeDelta::hours(6),
    TimeDelta::hours(12),
];
/// A ping tells how things stand at a moment: after that it says nothing any more.
const PING_RETRIES: usize = 3;

/// How bad a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Deserves a look.
    Warning,
    /// Backups are missing.
    Danger,
}

names!(Level { Warning: "warning", Danger: "danger" });

/// What becomes of a subscription's cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing changed that is told.
    Nothing,
    /// It turned bad, or worse.
    Turned(Level),
    /// It is as it should be again.
    Recovered,
}

/// What a subscription's state at `now` means for what was `told` of it. A Warning must have lasted for `patience`.
pub fn state_step(
    standing: &Standing,
    created_at: DateTime<Utc>,
    now: DateTime<Utc>,
    patience: TimeDelta,
    told: Option<Level>,
) -> Step {
    let level = match (standing.state(now), standing.latest) {
        (BackupState::Normal, _) => return if told.is_some() { Step::Recovered } else { Step::Nothing },
        (BackupState::Warning, Some(latest)) if now - latest >= TimeDelta::days(1) + patience => Some(Level::Warning),
        (BackupState::NotConfigured | BackupState::Warning, _) => None,
        (BackupState::Danger, None) if now - created_at < FIRST_BACKUP => None,
        (BackupState::Danger, _) => Some(Level::Danger),
    };
    match level {
        Some(level) if told.is_none_or(|told| told < level) => Step::Turned(level),
        _ => Step::Nothing,
    }
}

/// Whether storage turned low (`Some(true)`) or has enough space again (`Some(false)`), given whether it was `low`.
pub fn storage_turned(free: u64, total: u64, threshold_percent: u32, low: bool) -> Option<bool> {
    if total == 0 {
        return None;
    }
    let below = |percent: u32| u128::from(free) * 100 < u128::from(total) * u128::from(percent);
    match low {
        false if below(threshold_percent) => Some(true),
        true if !below(threshold_percent + HYSTERESIS_PERCENT) => Some(false),
        _ => None,
    }
}

/// The median of a backup's predecessors, if the backup is suspiciously small beside it; the newest predecessor first.
pub fn suspicious(bytes: u64, predecessors: &[u64], percent: u32) -> Option<u64> {
    let mut compared = predecessors.iter().copied().take(COMPARED).collect::<Vec<_>>();
    if compared.len() < FEWEST_COMPARED {
        return None;
    }
    compared.sort_unstable();
    let half = compared.len() / 2;
    let median = if compared.len() % 2 == 1 { compared[half] } else { compared[half - 1].midpoint(compared[half]) };
    (u128::from(bytes) * 100 < u128::from(median) * u128::from(percent)).then_some(median)
}

/// How long to wait after so many failed tries; `None` when it is not worth another one.
pub fn wait_after(attempts: u32, ping: bool) -> Option<TimeDelta> {
    let tried = usize::try_from(attempts).ok()?.checked_sub(1)?;
    if ping && tried >= PING_RETRIES {
        return None;
    }
    RETRIES.get(tried).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: TimeDelta = TimeDelta::hours(1);

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_800_000, 0).unwrap()
    }

    fn step(age: Option<TimeDelta>, created: TimeDelta, told: Option<Level>) -> Step {
        let standing = Standing { configured: true, latest: age.map(|age| now() - age) };
        state_step(&standing, now() - created, now(), HOUR * 3, told)
    }

    #[test]
    fn a_state_is_told_once_when_it_turns_and_once_when_it_recovers() {
        let (warning, danger) = (Some(Level::Warning), Some(Level::Danger));
        let old = TimeDelta::days(100);
        for (age, told, expected) in [
            (HOUR * 23, None, Step::Nothing),
            (HOUR * 24, None, Step::Nothing),
            (HOUR * 27 - TimeDelta::milliseconds(1), None, Step::Nothing),
            (HOUR * 27, None, Step::Turned(Level::Warning)),
            (HOUR * 27, warning, Step::Nothing),
            (HOUR * 120, warning, Step::Nothing),
            (HOUR * 120 + TimeDelta::milliseconds(1), warning, Step::Turned(Level::Danger)),
            (HOUR * 121, None, Step::Turned(Level::Danger)),
            (HOUR * 500, danger, Step::Nothing),
            // An older backup came to light: better, not well.
            (HOUR * 30, danger, Step::Nothing),
            (HOUR * 25, danger, Step::Nothing),
            (HOUR, danger, Step::Recovered),
            (HOUR, warning, Step::Recovered),
        ] {
            assert_eq!(step(Some(age), old, told), expected, "{age} after {told:?}");
        }
    }

    #[test]
    fn a_new_subscription_has_a_day_for_its_first_backup() {
        assert_eq!(step(None, TimeDelta::days(1) - TimeDelta::milliseconds(1), None), Step::Nothing);
        assert_eq!(step(None, TimeDelta::days(1), None), Step::Turned(Level::Danger));
        assert_eq!(step(None, TimeDelta::days(2), Some(Level::Danger)), Step::Nothing);
        // All its backups are gone.
        assert_eq!(step(None, TimeDelta::days(9), Some(Level::Warning)), Step::Turned(Level::Danger));
        let standing = Standing { configured: false, latest: None };
        let unset = |told| state_step(&standing, now() - TimeDelta::days(9), now(), HOUR, told);
        assert_eq!((unset(None), unset(Some(Level::Danger))), (Step::Nothing, Step::Nothing));
    }

    #[test]
    fn storage_is_low_below_the_threshold_until_well_above_it() {
        for (free, low, turned) in [
            (100, false, None),
            (10, false, None),
            (9, false, Some(true)),
            (9, true, None),
            (14, true, None),
            (15, true, Some(false)),
            (14, false, None),
            (0, false, Some(true)),
        ] {
            assert_eq!(storage_turned(free, 100, 10, low), turned, "{free} free, low: {low}");
        }
        assert_eq!(storage_turned(0, 0, 10, false), None, "never asked");
        assert_eq!(storage_turned(u64::MAX, u64::MAX, 90, true), Some(false));
        assert_eq!(storage_turned(0, 100, 0, false), None, "switched off");
    }

    #[test]
    fn a_backup_is_small_below_a_share_of_the_median() {
        for (bytes, before, median) in [
            (49, &[100, 100, 100][..], Some(100)),
            (50, &[100, 100, 100], None),
            (0, &[100, 100], None),
            (0, &[], None),
            (49, &[100, 1, 100_000], Some(100)),
            (60, &[100, 120, 140, 160], Some(130)),
            (65, &[100, 120, 140, 160], None),
            // Only the last seven count.
            (49, &[100, 100, 100, 100, 1, 1, 1, 1, 1, 1, 1], Some(100)),
            (10, &[0, 0, 0], None),
        ] {
            assert_eq!(suspicious(bytes, before, 50), median, "{bytes} after {before:?}");
        }
        assert_eq!(suspicious(49, &[100, 100, 100], 0), None, "switched off");
        assert_eq!(suspicious(u64::MAX / 3, &[u64::MAX; 3], 50), Some(u64::MAX));
    }

    #[test]
    fn tries_wait_longer_and_longer_and_end() {
        let waits: Vec<_> =
            (0..10).map(|attempts| wait_after(attempts, false).map(|wait| wait.num_minutes())).collect();
        assert_eq!(waits[..4], [None, Some(1), Some(5), Some(15)]);
        assert_eq!(waits[7..], [Some(720), None, None]);
        assert_eq!((wait_after(3, true).is_some(), wait_after(4, true)), (true, None));
    }
}
