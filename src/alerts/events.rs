//! What can be told.

use serde::{Deserialize, Serialize};

/// Kinds of alerts. Their names are those in the JSON of webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A backup failed and is not tried again at once.
    BackupFailed,
    /// The newest good backup is more than a day old.
    StateWarning,
    /// It is more than five days old, or there is none.
    StateDanger,
    /// What was told to be wrong is right again.
    Recovered,
    /// A backup was restored, or a restore undone.
    Restored,
    /// A restore, or undoing one, failed.
    RestoreFailed,
    /// The storage of a backup server is nearly full.
    StorageLow,
    /// A backup is much smaller than those before it.
    SmallBackup,
    /// What is stored is damaged.
    DamageFound,
    /// Somebody tries a channel out.
    Test,
}

impl Event {
    /// Those that the rules choose from.
    pub const CHOSEN: [Self; 9] = [
        Self::BackupFailed,
        Self::StateWarning,
        Self::StateDanger,
        Self::Recovered,
        Self::Restored,
        Self::RestoreFailed,
        Self::StorageLow,
        Self::SmallBackup,
        Self::DamageFound,
    ];

    /// Its name in forms and in the JSON of webhooks.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackupFailed => "backup_failed",
            Self::StateWarning => "state_warning",
            Self::StateDanger => "state_danger",
            Self::Recovered => "recovered",
            Self::Restored => "restored",
            Self::RestoreFailed => "restore_failed",
            Self::StorageLow => "storage_low",
            Self::SmallBackup => "small_backup",
            Self::DamageFound => "damage_found",
            Self::Test => "test",
        }
    }

    /// What it is, for the form of the rules.
    pub const fn label(self) -> &'static str {
        match self {
            Self::BackupFailed => "A backup failed",
            Self::StateWarning => "A subscription turned Warning",
            Self::StateDanger => "A subscription turned Danger",
            Self::Recovered => "What was wrong is right again",
            Self::Restored => "A backup was restored, or a restore undone",
            Self::RestoreFailed => "A restore failed",
            Self::StorageLow => "Storage of a backup server is low",
            Self::SmallBackup => "A backup is suspiciously small",
            Self::DamageFound => "Stored backups are damaged",
            Self::Test => "A test",
        }
    }

    /// How urgent it is: `problem`, `recovery` or `notice`.
    pub const fn severity(self) -> &'static str {
        match self {
            Self::Recovered => "recovery",
            Self::Restored | Self::Test => "notice",
            _ => "problem",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_forms_are_those_on_the_wire() {
        for event in Event::CHOSEN {
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
    }
}
