//! Operations: long-running work with its progress and log; and the action log of who did what.

use backup_api::{Failure, JobState, Phase, Progress};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{names::names, restores::RestoreFacts, subscriptions::SubscriptionId, uploads::ImportFacts};

#[cfg(feature = "ssr")]
pub mod actions;
pub mod actions_page;
pub mod api;
#[cfg(feature = "ssr")]
pub mod begin;
#[cfg(feature = "ssr")]
pub mod cancel;
#[cfg(feature = "ssr")]
pub mod crowd;
#[cfg(feature = "ssr")]
pub mod events;
#[cfg(feature = "ssr")]
pub mod follow;
pub mod following;
pub mod list_page;
#[cfg(feature = "ssr")]
pub mod live;
#[cfg(feature = "ssr")]
pub mod log;
pub mod log_page;
#[cfg(feature = "ssr")]
pub mod orders;
#[cfg(feature = "ssr")]
pub mod outcome;
pub mod progress;
#[cfg(feature = "ssr")]
pub mod queue;
pub mod rate;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod stored;
#[cfg(feature = "hydrate")]
pub mod stream;

/// The SSE event that ends a stream because too many tabs of the browser have one.
pub const CROWDED: &str = "crowded";

/// Identity of an operation; the backup server's job has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub Uuid);

/// One long-running work. The route `/events/operations` streams changes as SSE events named `operation`, each this
/// type as JSON: first every unfinished one, then each change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Identity.
    pub id: OperationId,
    /// What it does.
    pub kind: OperationKind,
    /// For which subscription, if it is still there.
    pub subscription: Option<SubscriptionId>,
    /// The subscription's name at that time.
    pub subscription_name: String,
    /// The backup server's name at that time.
    pub server: String,
    /// Who asked for it.
    pub asked_by: String,
    /// Where it stands.
    pub state: JobState,
    /// What it does at the moment.
    pub phase: Phase,
    /// How far that phase is.
    pub progress: Progress,
    /// Bytes a second in this phase, smoothed; `None` when it does not move bytes.
    pub bytes_per_second: Option<u64>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
    /// What into what, of a restore; of what undoes one, the facts of that restore.
    pub restore: Option<RestoreFacts>,
    /// What an import brings in.
    pub import: Option<ImportFacts>,
}

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Make a backup.
    Backup,
    /// Restore a backup.
    Restore,
    /// Bring back the database that a restore replaced.
    Undo,
    /// Read all of a repository and compare its checksums.
    Verify,
    /// Make a backup of a file that was uploaded or is at a URL.
    Import,
    /// Remove the backups that the rule does not keep.
    Retention,
}

names!(OperationKind {
    Backup: "backup", "Backup";
    Restore: "restore", "Restore";
    Undo: "undo", "Undo";
    Verify: "verify", "Verification";
    Import: "import", "Import";
    Retention: "retention", "Retention";
});

impl OperationKind {
    /// Whether a backup line comes of it, good or failed.
    pub const fn makes_line(self) -> bool {
        matches!(self, Self::Backup | Self::Import)
    }

    /// Whether it puts another database in the place of one, so that it must not begin by surprise.
    pub const fn replaces(self) -> bool {
        matches!(self, Self::Restore | Self::Undo)
    }
}

/// One page of operations, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationPage {
    /// The rows of this page.
    pub operations: Vec<Operation>,
    /// How many there are.
    pub matching: u64,
    /// When the panel answered: ages are counted from here.
    pub as_of: DateTime<Utc>,
}

/// Which operations to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationFilter {
    /// All.
    #[default]
    All,
    /// Queued or running.
    Unfinished,
    /// Failed or interrupted.
    Failed,
    /// Restores, however they ended.
    Restores,
}

names!(OperationFilter { All: "all", Unfinished: "unfinished", Failed: "failed", Restores: "restores" });

/// An entry of the action log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// Who; “Holdfast” for what it does by itself.
    pub who: String,
    /// What, as a sentence: “Created backup acme_2026-11-22_02-04-11.zip”.
    pub what: String,
    /// Name of the subscription that it was about, at that time.
    pub subscription_name: Option<String>,
    /// The subscription, if it is still there.
    pub subscription: Option<SubscriptionId>,
    /// How it ended.
    pub outcome: ActionOutcome,
}

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionOutcome {
    /// Done.
    Done,
    /// Begun; its end is another entry.
    Started,
    /// Did not work or was refused.
    Failed,
}

names!(ActionOutcome {
    Done: "done", "Done";
    Started: "started", "Started";
    Failed: "failed", "Failed";
});

/// One page of the action log, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionPage {
    /// The rows of this page.
    pub entries: Vec<ActionEntry>,
    /// How many match.
    pub matching: u64,
    /// When the panel answered.
    pub as_of: DateTime<Utc>,
}

/// Rows of a page of operations or of the action log.
pub const LOG_PAGE_ROWS: u32 = 50;
