//! What can be told.

use serde::{Deserialize, Serialize};

use crate::names::names;

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

names!(Event {
    BackupFailed: "backup_failed", "A backup failed";
    StateWarning: "state_warning", "A subscription turned Warning";
    StateDanger: "state_danger", "A subscription turned Danger";
    Recovered: "recovered", "What was wrong is right again";
    Restored: "restored", "A backup was restored, or a restore undone";
    RestoreFailed: "restore_failed", "A restore failed";
    StorageLow: "storage_low", "Storage of a backup server is low";
    SmallBackup: "small_backup", "A backup is suspiciously small";
    DamageFound: "damage_found", "Stored backups are damaged";
    Test: "test", "A test";
});

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

    /// How urgent it is: `problem`, `recovery` or `notice`.
    pub const fn severity(self) -> &'static str {
        match self {
            Self::Recovered => "recovery",
            Self::Restored | Self::Test => "notice",
            _ => "problem",
        }
    }
}
