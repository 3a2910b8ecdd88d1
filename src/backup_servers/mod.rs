//! Backup servers: the processes that hold the backups, as the panel knows them.

use backup_api::Space;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::components::figures;

pub mod api;
#[cfg(feature = "ssr")]
pub mod clients;
pub mod form_page;
#[cfg(feature = "ssr")]
pub mod input;
pub mod list_page;
pub mod outlook;
#[cfg(feature = "ssr")]
pub mod reach;
#[cfg(feature = "ssr")]
pub mod removal;
#[cfg(feature = "ssr")]
pub mod samples;
#[cfg(feature = "ssr")]
pub mod store;

/// Identity of a backup server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerId(pub Uuid);

/// One backup server. Its token is never sent to a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupServer {
    /// Identity.
    pub id: ServerId,
    /// Name, such as “Frankfurt 1”.
    pub name: String,
    /// Address; empty for the embedded one.
    pub url: String,
    /// Whether it runs in the panel's own process (“This machine”): its address and token are not editable.
    pub embedded: bool,
    /// Whether it answered when last asked.
    pub reach: Reach,
    /// What it last said of itself.
    pub version: Option<String>,
    /// What it last said of its disk.
    pub space: Option<Space>,
    /// Subscriptions that are set to it.
    pub subscriptions: u64,
    /// Lines of backups on it; counted for the page of one server, 0 in lists.
    pub lines: u64,
    /// For how many hours its restores keep the replaced database, so that they can be undone; 0 for not at all.
    pub undo_hours: u32,
    /// How many operations it may have under way before a planned backup waits for its turn.
    pub job_limit: u32,
}

/// How little of a disk is free, when it deserves a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Less than a tenth.
    Little,
    /// Less than three percent.
    Full,
}

impl Shortage {
    /// That of a disk.
    pub fn of(space: Space) -> Option<Self> {
        match figures::percent(space.free_bytes, space.total_bytes) {
            _ if space.total_bytes == 0 => None,
            0..3 => Some(Self::Full),
            3..10 => Some(Self::Little),
            _ => None,
        }
    }

    /// Its tone in the style sheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Little => "warn",
            Self::Full => "bad",
        }
    }

    /// What it means.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Little => "Little space is left.",
            Self::Full => "Almost full: backups will fail soon. Free some space on this disk, or keep fewer backups.",
        }
    }
}

/// Whether a server answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// Never asked yet.
    Unknown,
    /// Answers since then.
    Reachable {
        /// When it began to answer without a break.
        since: DateTime<Utc>,
    },
    /// Does not answer since then.
    Unreachable {
        /// When it was first found so.
        since: DateTime<Utc>,
        /// Why, and what to do.
        reason: String,
    },
}

/// What a server said of its disk at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceAt {
    /// When.
    pub at: DateTime<Utc>,
    /// What it said.
    pub space: Space,
}

impl SpaceAt {
    /// What is not free, by whomever it is used.
    pub const fn used(&self) -> u64 {
        self.space.total_bytes.saturating_sub(self.space.free_bytes)
    }
}

/// All servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerList {
    /// By name.
    pub servers: Vec<BackupServer>,
    /// When the panel answered: ages are counted from here.
    pub as_of: DateTime<Utc>,
}

/// What the form sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInput {
    /// `None` for a new one.
    #[serde(default)]
    pub id: Option<ServerId>,
    /// Name.
    pub name: String,
    /// Address.
    #[serde(default)]
    pub url: String,
    /// Token; empty keeps the stored one.
    #[serde(default)]
    pub token: String,
    /// Hours for which a replaced database is kept, as text; empty keeps the stored figure, of a new one 24.
    #[serde(default)]
    pub undo_hours: String,
    /// Operations under way before a planned backup waits, as text; empty keeps the stored figure, of a new one 2.
    #[serde(default)]
    pub job_limit: String,
}

/// For how many hours a server keeps a replaced database unless its form says otherwise.
pub const DEFAULT_UNDO_HOURS: u32 = 24;
/// How many operations a server has under way before a planned backup waits, unless its form says otherwise.
pub const DEFAULT_JOB_LIMIT: u32 = 2;
/// The most that a form may say.
pub const LARGEST_JOB_LIMIT: u32 = 64;
/// The longest that a form may say: 30 days.
pub const LONGEST_UNDO_HOURS: u32 = 720;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_deserves_a_look_before_it_is_full() {
        let of = |free_bytes| Shortage::of(Space { total_bytes: 1000, free_bytes, repositories_bytes: 0 });
        assert_eq!([100, 99].map(of), [None, Some(Shortage::Little)]);
        assert_eq!([30, 29, 0].map(of), [Some(Shortage::Little), Some(Shortage::Full), Some(Shortage::Full)]);
    }
}
