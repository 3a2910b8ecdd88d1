//! The backup state: by the age of the newest good backup, and nothing else.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::names::names;

/// How a subscription's backups stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupState {
    /// The newest good backup is less than a day old.
    Normal,
    /// It is one to five days old.
    Warning,
    /// It is more than five days old, or there is none yet.
    Danger,
    /// No backup server is set.
    NotConfigured,
}

// The best first.
names!(BackupState {
    Normal: "normal", "Normal";
    Warning: "warning", "Warning";
    Danger: "danger", "Danger";
    NotConfigured: "not_configured", "Not configured";
});

/// What the state is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether a backup server is set.
    pub configured: bool,
    /// When the newest good backup was made.
    pub latest: Option<DateTime<Utc>>,
}

impl Standing {
    /// The state at a moment: under 1 day Normal, 1 to 5 days Warning, over 5 days or none Danger.
    pub fn state(&self, now: DateTime<Utc>) -> BackupState {
        match (self.configured, self.latest) {
            (false, _) => BackupState::NotConfigured,
            (true, None) => BackupState::Danger,
            (true, Some(latest)) => match now - latest {
                age if age < TimeDelta::days(1) => BackupState::Normal,
                age if age <= TimeDelta::days(5) => BackupState::Warning,
                _ => BackupState::Danger,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_changes_at_one_day_and_after_five() {
        let now = DateTime::from_timestamp(1_763_800_000, 0).unwrap();
        let at = |age: TimeDelta| Standing { configured: true, latest: Some(now - age) }.state(now);
        assert_eq!(at(TimeDelta::zero()), BackupState::Normal);
        assert_eq!(at(TimeDelta::days(1) - TimeDelta::milliseconds(1)), BackupState::Normal);
        assert_eq!(at(TimeDelta::days(1)), BackupState::Warning);
        assert_eq!(at(TimeDelta::days(5)), BackupState::Warning);
        assert_eq!(at(TimeDelta::days(5) + TimeDelta::milliseconds(1)), BackupState::Danger);
        assert_eq!(at(TimeDelta::seconds(-5)), BackupState::Normal, "a server's clock may be ahead");
    }

    #[test]
    fn without_a_server_nothing_else_counts_and_without_a_backup_it_is_danger() {
        let now = DateTime::from_timestamp(1_763_800_000, 0).unwrap();
        assert_eq!(Standing { configured: false, latest: Some(now) }.state(now), BackupState::NotConfigured);
        assert_eq!(Standing { configured: true, latest: None }.state(now), BackupState::Danger);
    }
}
