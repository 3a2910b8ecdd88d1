//! Subscriptions: one hosted Odoo database each, how to reach it, and how its backups stand.

use backup_api::{BackupFormat, RepositoryId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    backup_servers::ServerId,
    schedules::{Repeats, Schedule, Weekday},
};

pub mod api;
#[cfg(feature = "ssr")]
pub mod command;
#[cfg(feature = "ssr")]
pub mod connection;
mod connection_fields;
pub mod dialogs;
pub mod form;
#[cfg(feature = "ssr")]
pub mod input;
#[cfg(feature = "ssr")]
pub mod list;
pub mod list_page;
mod query;
mod selection;
#[cfg(feature = "ssr")]
pub mod states;
#[cfg(feature = "ssr")]
pub mod store;
pub mod subscription_page;
mod test_report;

mod state;

pub use state::{BackupState, Standing};

/// Identity of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubscriptionId(pub Uuid);

/// The most that one of the counts of a [`Retention`] may be.
pub const MOST_KEPT: u16 = 1000;

/// How many backups are kept. Applied by the retention rules after a good backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Days that keep their last backup.
    pub daily: u16,
    /// ISO weeks that keep their last backup.
    pub weekly: u16,
    /// Months that keep their last backup.
    pub monthly: u16,
    /// Never fewer than this many of the newest.
    pub keep_latest: u16,
}

impl Default for Retention {
    fn default() -> Self {
        Self { daily: 7, weekly: 2, monthly: 1, keep_latest: 7 }
    }
}

/// How the database is reached, as shown in the form: secrets are never sent to a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectionView {
    /// Through Odoo's database manager.
    OdooHttp {
        /// Address of Odoo.
        url: String,
        /// Whether a master password is stored.
        has_master_password: bool,
    },
    /// PostgreSQL and the filestore folder.
    Postgres {
        /// The connection URL with its password replaced by `…`.
        redacted_url: String,
        /// Folder that holds `00` to `ff`; empty when not set.
        filestore: String,
        /// Odoo's addons folders, one a line.
        addons: String,
    },
}

/// One subscription, for its form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Identity.
    pub id: SubscriptionId,
    /// How often its form was saved: what is saved must have been made of this one.
    pub revision: i64,
    /// Customer or name.
    pub name: String,
    /// Database name.
    pub database: String,
    /// How it is reached.
    pub connection: ConnectionView,
    /// Odoo's version as last seen.
    pub odoo_version: Option<String>,
    /// The backup server, with its name.
    pub server: Option<(ServerId, String)>,
    /// The repository's identity; assigned when a server is first set, then fixed.
    pub backup_uuid: Option<RepositoryId>,
    /// What is kept.
    pub retention: Retention,
    /// When backups are made.
    pub schedule: Schedule,
    /// The time zone of schedule and retention.
    pub zone: String,
    /// How its backups stand.
    pub standing: Standing,
    /// Number of good backups.
    pub backup_count: u64,
    /// Number of backups that its deletion concerns: the good ones and those that are there in another size.
    pub held_count: u64,
    /// Size of the latest good backup's file.
    pub latest_bytes: Option<u64>,
    /// What all its backups take in storage.
    pub stored_bytes: u64,
    /// When the panel answered: ages are counted from here.
    pub as_of: DateTime<Utc>,
}

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRow {
    /// Identity.
    pub id: SubscriptionId,
    /// Customer or name.
    pub name: String,
    /// Database name.
    pub database: String,
    /// Odoo's version as last seen.
    pub odoo_version: Option<String>,
    /// The backup server's name.
    pub server: Option<String>,
    /// How its backups stand.
    pub standing: Standing,
    /// Number of good backups.
    pub backup_count: u64,
    /// Size of the latest good backup's file.
    pub latest_bytes: Option<u64>,
}

/// One page of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionPage {
    /// The rows of this page.
    pub rows: Vec<SubscriptionRow>,
    /// How many match search and filter.
    pub matching: u64,
    /// How many match the search in each state, whatever the filter says.
    pub counts: StateCounts,
    /// When the panel answered: ages are counted from here.
    pub as_of: DateTime<Utc>,
}

/// Subscriptions by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateCounts {
    /// Latest backup under a day old.
    pub normal: u64,
    /// One to five days old.
    pub warning: u64,
    /// Over five days old, or none yet.
    pub danger: u64,
    /// No backup server.
    pub not_configured: u64,
}

impl StateCounts {
    /// All of them.
    pub const fn all(&self) -> u64 {
        self.normal + self.warning + self.danger + self.not_configured
    }

    /// Those in one state.
    pub const fn of(&self, state: BackupState) -> u64 {
        match state {
            BackupState::Normal => self.normal,
            BackupState::Warning => self.warning,
            BackupState::Danger => self.danger,
            BackupState::NotConfigured => self.not_configured,
        }
    }
}

/// What the list shows; travels in the page's address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// Part of name, database or server; upper and lower case are alike.
    pub search: String,
    /// Only this state.
    pub state: Option<BackupState>,
    /// Order.
    pub sort: SortColumn,
    /// Largest or latest first.
    pub descending: bool,
    /// Page, from 0.
    pub page: u32,
}

/// Rows of a page.
pub const PAGE_ROWS: u32 = 50;

/// Columns that sort the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortColumn {
    /// Customer or name.
    #[default]
    Name,
    /// Database name.
    Database,
    /// Odoo's version.
    OdooVersion,
    /// The backup server's name.
    Server,
    /// State, the worst first when descending.
    State,
    /// Time of the latest good backup.
    LatestBackup,
    /// Number of good backups.
    Count,
    /// Size of the latest good backup's file.
    Size,
}

/// What the form sends. Absent secrets keep what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionInput {
    /// `None` for a new one.
    #[serde(default)]
    pub id: Option<SubscriptionId>,
    /// The [`Subscription::revision`] that was changed; without it, the one there is.
    #[serde(default)]
    pub revision: Option<i64>,
    /// Customer or name.
    pub name: String,
    /// Database name.
    pub database: String,
    /// Backup server; empty for none.
    #[serde(default)]
    pub server: String,
    /// `odoo_http` or `postgres`.
    pub connection: String,
    /// Address of Odoo.
    #[serde(default)]
    pub odoo_url: String,
    /// Master password; empty keeps the stored one.
    #[serde(default)]
    pub master_password: String,
    /// PostgreSQL connection URL; empty keeps the stored one.
    #[serde(default)]
    pub postgres_url: String,
    /// Filestore folder.
    #[serde(default)]
    pub filestore: String,
    /// Addons folders, one a line.
    #[serde(default)]
    pub addons: String,
    /// Daily backups.
    pub daily: u16,
    /// Weekly backups.
    pub weekly: u16,
    /// Monthly backups.
    pub monthly: u16,
    /// Keep latest.
    pub keep_latest: u16,
    /// Whether the schedule is on.
    #[serde(default)]
    pub scheduled: bool,
    /// What it repeats by.
    #[serde(default)]
    pub repeats: Repeats,
    /// Times of day.
    #[serde(default)]
    pub times: String,
    /// The day of a weekly schedule.
    #[serde(default)]
    pub weekday: Weekday,
    /// A cron expression.
    #[serde(default)]
    pub cron: String,
    /// Minutes over which runs are spread, as text; empty for none.
    #[serde(default)]
    pub spread: String,
    /// What planned backups hold.
    #[serde(default)]
    pub planned_format: BackupFormat,
    /// IANA time zone; empty for UTC.
    #[serde(default)]
    pub zone: String,
    /// Whether this is the schedule of new subscriptions from now on.
    #[serde(default)]
    pub as_default: bool,
}

impl SubscriptionInput {
    /// The schedule that the form says; `None` when its spread is no number.
    pub fn schedule(&self) -> Option<Schedule> {
        // A form without a schedule's fields has none; what it would have asked for is not checked then.
        let times =
            if self.scheduled || !self.times.is_empty() { self.times.clone() } else { Schedule::default().times };
        Some(Schedule {
            enabled: self.scheduled,
            repeats: self.repeats,
            times,
            weekday: self.weekday,
            cron: self.cron.clone(),
            spread_minutes: if self.spread.trim().is_empty() { 0 } else { self.spread.trim().parse().ok()? },
            format: self.planned_format,
        })
    }
}
