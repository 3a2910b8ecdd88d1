//! Restores: what a person asks for, what is found beforehand, what was done, and whether it can be undone.

use backup_api::{Preflight, Restored};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    backups::{BackupLine, LineId},
    operations::OperationId,
    subscriptions::ConnectionView,
};

pub mod api;
mod asked;
mod checks;
#[cfg(feature = "ssr")]
pub mod outcome;
#[cfg(feature = "ssr")]
pub mod preview;
#[cfg(feature = "ssr")]
pub mod settle;
#[cfg(feature = "ssr")]
pub mod start;
mod steps;
#[cfg(feature = "ssr")]
pub mod store;
pub mod summary;
pub mod undo_dialog;
pub mod wizard;
mod wizard_fields;
mod wizard_words;

pub use steps::steps_view;

/// The first Odoo that can be neutralized.
const FIRST_NEUTRALIZED: u32 = 16;

/// How a backup is restored. In forms: `options[neutralize]`, `options[safety_backup]`, `options[into]`; an absent
/// checkbox is false.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreOptions {
    /// Turn mail, scheduled actions and payment providers off in the restored database.
    #[serde(default)]
    pub neutralize: bool,
    /// Back the present database up first; says nothing for a copy, which replaces none.
    #[serde(default)]
    pub safety_backup: bool,
    /// The name of a new database for a copy; empty replaces the subscription's database.
    #[serde(default)]
    pub into: String,
}

impl RestoreOptions {
    /// The name of the copy, if it shall be one.
    pub fn copy(&self) -> Option<&str> {
        Some(self.into.trim()).filter(|name| !name.is_empty())
    }
}

/// What the wizard shows before anything is touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePreview {
    /// The backup.
    pub line: BackupLine,
    /// The subscription's name.
    pub subscription_name: String,
    /// The subscription's database: the one that is replaced, or beside which the copy is made.
    pub database: String,
    /// The database that there will be, whose name has to be typed: `database`, or the copy's.
    pub target: String,
    /// How the database is reached.
    pub connection: ConnectionView,
    /// The backup server that restores: the one that holds the line.
    pub server: String,
    /// Odoo's version of the present database as last seen; `preflight.current` may know it better.
    pub odoo_version: Option<String>,
    /// Whether it can be neutralized; else why not.
    pub neutralize: Result<(), String>,
    /// For how long the replaced database is kept for an undo; 0 for not at all. Says nothing for a copy.
    pub undo_hours: u32,
    /// Why the restore cannot begin at the moment: the other operation of this subscription, in words.
    pub busy: Option<String>,
    /// What the backup server found.
    pub preflight: Preflight,
    /// When the panel answered: ages are counted from here.
    pub as_of: DateTime<Utc>,
}

/// What a restore is about; an operation that undoes a restore carries the facts of that one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreFacts {
    /// The restore's own operation.
    pub restore: OperationId,
    /// The backup's line, if it is still there.
    pub line: Option<LineId>,
    /// The backup's file name.
    pub line_name: String,
    /// When the backup was made.
    pub line_created_at: DateTime<Utc>,
    /// Odoo's version in the backup.
    pub odoo_version: Option<String>,
    /// The database that was or will be written.
    pub database: String,
    /// Whether that is a new one, so that nothing was replaced.
    pub is_copy: bool,
    /// Whether neutralizing was asked for.
    pub neutralize: bool,
    /// Whether a safety backup was asked for.
    pub safety_backup: bool,
    /// For how many hours the replaced database was to be kept.
    pub undo_hours: u32,
    /// The safety backup's line, once it is made and while it is there.
    pub safety_line: Option<LineId>,
    /// What was done, verified; `None` until it succeeded.
    pub result: Option<Restored>,
    /// Why the replaced database is kept although its time is over.
    pub kept_because: Option<String>,
    /// Whether it can be undone.
    pub undo: Undo,
}

#[cfg(feature = "ssr")]
impl RestoreFacts {
    /// `acme_2026-11-20_02-04-11.zip of 2026-11-20 at 02:04 UTC into acme`.
    pub fn what_into_what(&self) -> String {
        let into = if self.is_copy { "into the new database" } else { "into" };
        format!("{} of {} {into} {}", self.line_name, in_words(self.line_created_at), self.database)
    }

    /// That, with the options: `…: neutralized, with a safety backup, to be undone for 24 hours`.
    pub fn in_words(&self) -> String {
        let neutralized = if self.neutralize { "neutralized" } else { "not neutralized" };
        if self.is_copy {
            return format!("{}: {neutralized}", self.what_into_what());
        }
        let safety = if self.safety_backup { "with a safety backup" } else { "without a safety backup" };
        let undo = match self.undo_hours {
            0 => "not to be undone".to_owned(),
            1 => "to be undone for 1 hour".to_owned(),
            hours => format!("to be undone for {hours} hours"),
        };
        format!("{}: {neutralized}, {safety}, {undo}", self.what_into_what())
    }
}

/// A moment for a sentence: `2026-11-20 at 02:04 UTC`.
#[cfg(feature = "ssr")]
pub fn in_words(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d at %H:%M UTC").to_string()
}

/// Whether a restore can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Undo {
    /// Yes, while the replaced database is kept.
    Offered {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// Somebody is at it.
    UnderWay {
        /// The operation that undoes it.
        operation: OperationId,
    },
    /// It was.
    Done {
        /// By whom.
        by: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// No.
    NotOffered {
        /// Why not.
        why: String,
    },
}

/// Whether a backup of this Odoo version can be neutralized; else why not.
pub fn can_neutralize(odoo_version: Option<&str>) -> Result<(), String> {
    let Some(version) = odoo_version else {
        return Err(
            "It is not known which Odoo version this backup is of; Odoo neutralizes from version 16 on.".to_owned()
        );
    };
    let major = version.trim_start_matches("saas~").split(['.', '-', '~']).next().and_then(|major| major.parse().ok());
    match major {
        Some(FIRST_NEUTRALIZED..) => Ok(()),
        _ => Err(format!("This backup is of Odoo {version}; Odoo neutralizes from version 16 on.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neutralizing_is_offered_from_sixteen_on_and_else_says_why_not() {
        for version in ["16.0", "17.0", "18.0", "saas~17.2", "19.1"] {
            assert_eq!(can_neutralize(Some(version)), Ok(()), "{version}");
        }
        for version in ["15.0", "8.0", "saas~15.3", "unknown"] {
            assert!(can_neutralize(Some(version)).unwrap_err().contains(version));
        }
        assert!(can_neutralize(None).unwrap_err().contains("not known"));
    }

    #[test]
    fn an_empty_name_is_no_copy() {
        let options = |into: &str| RestoreOptions { into: into.to_owned(), ..RestoreOptions::default() };
        assert_eq!(options("  ").copy(), None);
        assert_eq!(options(" acme_test ").copy(), Some("acme_test"));
    }
}
