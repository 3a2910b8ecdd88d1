//! The overview: how all backups stand, what failed, what runs, and how long the space lasts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    backup_servers::{Reach, ServerId, SpaceAt, outlook::Outlook},
    history::DayRow,
    operations::{OperationId, OperationKind},
    subscriptions::{Standing, StateCounts, SubscriptionId},
};

pub mod api;
mod attention;
#[cfg(feature = "ssr")]
pub mod bench;
mod failures;
pub mod page;
mod storage;
#[cfg(feature = "ssr")]
pub mod store;

/// Failures that are told one by one.
pub const FAILURES: u32 = 8;
/// Subscriptions of a page of the overview.
pub const ROWS: u32 = 10;

/// Everything that the overview shows, save for what runs, which is followed live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Subscriptions by state.
    pub counts: StateCounts,
    /// What failed within a day, the newest first.
    pub failures: Vec<FailedWork>,
    /// How much failed in all.
    pub failed: u64,
    /// Every backup server, by name.
    pub servers: Vec<ServerSpace>,
    /// A page of the subscriptions that have a server: those whose latest good backup is oldest come first.
    pub rows: Vec<BackupDays>,
    /// When the panel answered: ages are counted from here.
    pub as_of: DateTime<Utc>,
}

impl Overview {
    /// Subscriptions that have a backup server: those of all pages.
    pub const fn configured(&self) -> u64 {
        self.counts.all() - self.counts.not_configured
    }
}

/// An operation that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedWork {
    /// Identity.
    pub id: OperationId,
    /// What it was.
    pub kind: OperationKind,
    /// The subscription, if it is still there.
    pub subscription: Option<SubscriptionId>,
    /// Its name at that time.
    pub subscription_name: String,
    /// The backup server's name at that time.
    pub server: String,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: String,
    /// Whether a good backup was made after this one had failed.
    pub mended: bool,
}

/// The space of a backup server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSpace {
    /// Identity.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Whether it answers.
    pub reach: Reach,
    /// What it last said of its disk.
    pub space: Option<backup_api::Space>,
    /// What it said over the last weeks, the oldest first.
    pub samples: Vec<SpaceAt>,
    /// How long it lasts.
    pub outlook: Outlook,
}

/// A subscription's last weeks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupDays {
    /// Identity.
    pub id: SubscriptionId,
    /// Customer or name.
    pub name: String,
    /// How its backups stand.
    pub standing: Standing,
    /// Day by day.
    pub days: DayRow,
}
