//! Backup lines: every backup that was made or tried, the wizard that makes one, and downloads.

use backup_api::{BackupFormat, BackupId, RecoveryKit, VerificationState};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{error::AppResult, names::names, operations::OperationId, retention::Fate, subscriptions::SubscriptionId};

pub mod api;
#[cfg(feature = "ssr")]
pub mod create;
pub mod create_wizard;
#[cfg(feature = "ssr")]
pub mod download;
#[cfg(feature = "ssr")]
pub mod kits;
pub mod line_actions;
pub mod lines;
#[cfg(feature = "ssr")]
pub mod notes;
#[cfg(feature = "ssr")]
pub mod places;
mod query;
#[cfg(feature = "ssr")]
pub mod reconcile;
#[cfg(feature = "ssr")]
pub mod removal;
pub mod soundness;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod verify;

/// Identity of a backup line in the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LineId(pub Uuid);

/// The most characters of a comment.
pub const COMMENT_CHARS: usize = 1000;

/// One backup, good or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupLine {
    /// Identity in the panel.
    pub id: LineId,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// `<database>_<UTC time>.zip` or `.dump`.
    pub name: String,
    /// What it holds.
    pub format: BackupFormat,
    /// Size of the downloadable file; `None` when there is none.
    pub size_bytes: Option<u64>,
    /// What it added to storage.
    pub stored_bytes: Option<u64>,
    /// Name of the server that holds it.
    pub server: String,
    /// The remote line UUID.
    pub remote_id: BackupId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// What somebody wrote about it.
    pub comment: String,
    /// What made it happen.
    pub trigger: Trigger,
    /// How it ended.
    pub result: LineResult,
    /// Files of attachments: present and expected; `None` for database-only backups and failed ones.
    pub attachments: Option<(u64, u64)>,
    /// Odoo's version in it.
    pub odoo_version: Option<String>,
    /// Never removed by retention.
    pub pinned: bool,
    /// The operation that made it: its log.
    pub operation: Option<OperationId>,
    /// What retention does with it; `None` for what it does not look at.
    pub fate: Option<Fate>,
}

impl BackupLine {
    /// Whether it can be downloaded or restored: complete, verified, and where it should be.
    pub const fn is_usable(&self) -> bool {
        matches!(self.result, LineResult::Good | LineResult::SizeChanged)
    }
}

/// What made a backup happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Somebody pressed Create Backup.
    Manual,
    /// The schedule.
    Schedule,
    /// Before a restore.
    Safety,
    /// An uploaded file.
    Upload,
    /// A file fetched from a URL.
    Url,
    /// Found on the server, unknown to the panel until then.
    Found,
}

names!(Trigger {
    Manual: "manual",
    Schedule: "schedule",
    Safety: "safety",
    Upload: "upload",
    Url: "url",
    Found: "found",
});

/// How a backup ended and whether it is still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineResult {
    /// Complete and verified.
    Good,
    /// Did not succeed: never downloadable, never counts.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
    /// Was good; the server says that it is not there any more.
    Missing,
    /// Was good; the server says another size than when it was made.
    SizeChanged,
}

/// How to read what a server holds of a subscription without Holdfast.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerKit {
    /// The server's name.
    pub server: String,
    /// The kit, or why it could not be had.
    pub kit: AppResult<RecoveryKit>,
}

/// What came of asking for backups of several subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkStart {
    /// How many were begun.
    pub begun: u64,
    /// Why others were not, each beginning with its subscription's name.
    pub refused: Vec<String>,
}

/// One page of a subscription's lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePage {
    /// The rows of this page.
    pub lines: Vec<BackupLine>,
    /// How many match the filter.
    pub matching: u64,
    /// Set when the server could not be asked whether they are all there.
    pub server_unreachable: Option<String>,
    /// What the subscription's server knows of the soundness of what is stored; `None` when it could not be asked or
    /// nothing is stored yet.
    pub verification: Option<VerificationState>,
    /// How many backups of the subscription the rule of retention does not keep.
    pub to_remove: u64,
    /// Why Holdfast does not remove them by itself at the moment; the end of a sentence.
    pub retention_waits: Option<String>,
    /// Whether a backup or restore of the subscription is under way.
    pub busy: bool,
    /// When the panel answered: ages are counted from here.
    pub as_of: DateTime<Utc>,
}

/// What the table of lines shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineQuery {
    /// Part of name, comment or remote UUID.
    pub search: String,
    /// Only good or only failed ones.
    pub filter: LineFilter,
    /// Order.
    pub sort: LineSort,
    /// The other way round. Not set: newest, largest or first in the alphabet on top.
    pub reversed: bool,
    /// Page, from 0.
    pub page: u32,
}

/// Which lines to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineFilter {
    /// All.
    #[default]
    All,
    /// Complete and verified.
    Good,
    /// Failed.
    Failed,
    /// Pinned.
    Pinned,
}

/// Columns that sort the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineSort {
    /// When it was made, newest first.
    #[default]
    Created,
    /// File name.
    Name,
    /// Size, largest first.
    Size,
    /// Trigger.
    Trigger,
}

/// Rows of a page of lines.
pub const LINES_PAGE_ROWS: u32 = 25;
