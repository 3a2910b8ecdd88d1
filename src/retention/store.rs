//! SQL of retention: the lines it looks at, and what a run of it is to remove.

use backup_api::{BackupFormat, BackupId, RepositoryId};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::policy::Candidate;
use crate::{
    backup_servers::ServerId,
    backups::{LineId, Trigger},
    error::AppResult,
    operations::OperationId,
    server::{
        Panel,
        db::{Tx, moment, query},
    },
    subscriptions::{self, SubscriptionId},
};

/// A good line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoodLine {
    /// Identity in the panel.
    pub id: LineId,
    /// Identity on its server.
    pub remote: BackupId,
    /// Where it lies.
    pub place: (ServerId, RepositoryId),
    /// File name.
    pub name: String,
    /// What it holds.
    pub format: BackupFormat,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Whether somebody pinned it.
    pub pinned: bool,
    /// What made it happen.
    pub trigger: Trigger,
}

impl GoodLine {
    /// Whether it came from outside, so that its date says nothing about the backups here.
    pub const fn is_brought(&self) -> bool {
        matches!(self.trigger, Trigger::Upload | Trigger::Url)
    }

    /// For the rule, unless it leaves such lines alone.
    pub fn candidate(&self, zone: Tz) -> Option<Candidate> {
        (!self.is_brought()).then(|| Candidate::new(self.at, self.format, self.pinned, zone))
    }
}

#[derive(sqlx_macros::FromRow)]
struct Row {
    id: Uuid,
    remote_id: Uuid,
    server_id: Uuid,
    repository_id: Uuid,
    name: String,
    format: String,
    created_at: i64,
    pinned: bool,
    trigger_kind: String,
}

const GOOD: &str = "SELECT id, remote_id, server_id, repository_id, name, format, created_at, pinned, trigger_kind
    FROM backup_lines WHERE subscription_id = $1 AND result = 'good'";

impl From<Row> for GoodLine {
    fn from(row: Row) -> Self {
        Self {
            id: LineId(row.id),
            remote: BackupId(row.remote_id),
            place: (ServerId(row.server_id), RepositoryId(row.repository_id)),
            name: row.name,
            // A word of a later version: what it lacks is not known.
            format: BackupFormat::parse(&row.format).unwrap_or(BackupFormat::Dump),
            at: moment(row.created_at),
            pinned: row.pinned,
            // A word of a later version: leave the line alone.
            trigger: Trigger::parse(&row.trigger_kind).unwrap_or(Trigger::Upload),
        }
    }
}

/// The good lines of a subscription.
pub async fn good_lines(panel: &Panel, id: SubscriptionId) -> AppResult<Vec<GoodLine>> {
    let rows: Vec<Row> = query!(panel.db, fetch_all, GOOD, id.0)?;
    Ok(rows.into_iter().map(GoodLine::from).collect())
}

/// The good lines of a subscription, inside a transaction.
pub async fn good_lines_in(tx: &mut Tx, id: SubscriptionId) -> AppResult<Vec<GoodLine>> {
    let rows: Vec<Row> = query!(tx, fetch_all, GOOD, id.0)?;
    Ok(rows.into_iter().map(GoodLine::from).collect())
}

/// Why older backups may be needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// What is stored is damaged.
    Damage,
    /// The last backup is suspiciously small.
    Small,
}

impl Doubt {
    /// The end of a sentence.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Damage => "what is stored is damaged. Make a new backup, check the disk and verify what is stored.",
            Self::Small => {
                "the last backup is suspiciously small. Look whether the database still holds what it should."
            }
        }
    }
}

/// Whether something was found to be wrong with what is stored of a subscription, and is not over.
pub async fn doubt(panel: &Panel, id: SubscriptionId) -> AppResult<Option<Doubt>> {
    let row: Option<(String,)> = query!(
        panel.db,
        fetch_optional,
        "SELECT kind FROM alert_causes WHERE subject = $1 AND kind IN ('damage', 'small') ORDER BY kind LIMIT 1",
        id.0
    )?;
    Ok(row.map(|(kind,)| if kind == "damage" { Doubt::Damage } else { Doubt::Small }))
}

/// Writes down what an operation is to remove.
pub async fn plan(tx: &mut Tx, operation: OperationId, lines: &[&GoodLine]) -> AppResult<()> {
    for line in lines {
        query!(
            tx,
            execute,
            "INSERT INTO removals (operation_id, remote_id, name) VALUES ($1, $2, $3)",
            operation.0,
            line.remote.0,
            &line.name
        )?;
    }
    Ok(())
}

/// What an operation has the server remove: what was planned and is not pinned. From here on that does not change any
/// more, for the server may have heard of it, and none of it can be pinned: see [`is_being_removed`].
pub async fn give(panel: &Panel, operation: OperationId, subscription: SubscriptionId) -> AppResult<Vec<BackupId>> {
    let mut tx = panel.db.begin().await?;
    subscriptions::store::hold(&mut tx, subscription).await?;
    let mut given = given(&mut tx, operation).await?;
    if given.is_empty() {
        query!(
            tx,
            execute,
            "UPDATE removals SET given = TRUE WHERE operation_id = $1 AND remote_id IN (
                 SELECT l.remote_id FROM backup_lines l JOIN operations o ON o.server_id = l.server_id
                 WHERE o.id = $1 AND NOT l.pinned AND l.result = 'good')",
            operation.0
        )?;
        given = self::given(&mut tx, operation).await?;
    }
    tx.commit().await?;
    Ok(given)
}

/// Takes an order back that never left the panel: what it names can be pinned until it is given again.
pub async fn take_back(panel: &Panel, operation: OperationId) -> AppResult<()> {
    let mut tx = panel.db.begin().await?;
    query!(tx, execute, "UPDATE removals SET given = FALSE WHERE operation_id = $1", operation.0)?;
    tx.commit().await?;
    Ok(())
}

async fn given(tx: &mut Tx, operation: OperationId) -> AppResult<Vec<BackupId>> {
    let rows: Vec<(Uuid,)> = query!(
        tx,
        fetch_all,
        "SELECT remote_id FROM removals WHERE operation_id = $1 AND given ORDER BY name, remote_id",
        operation.0
    )?;
    Ok(rows.into_iter().map(|(remote,)| BackupId(remote)).collect())
}

/// Whether the server of a line may have been told to remove its backup; to be asked while the subscription is held.
pub async fn is_being_removed(tx: &mut Tx, line: LineId) -> AppResult<bool> {
    let (orders,): (i64,) = query!(
        tx,
        fetch_one,
        "SELECT COUNT(*) FROM removals r JOIN operations o ON o.id = r.operation_id
         JOIN backup_lines l ON l.remote_id = r.remote_id AND l.server_id = o.server_id
         WHERE l.id = $1 AND o.finished_at IS NULL AND r.given",
        line.0
    )?;
    Ok(orders > 0)
}

/// Removes the lines of backups that are gone from a server; gives the names of those there were.
pub async fn forget(
    tx: &mut Tx,
    subscription: SubscriptionId,
    server: ServerId,
    removed: &[BackupId],
) -> AppResult<Vec<String>> {
    let mut names = Vec::new();
    for remote in removed {
        let row: Option<(String,)> = query!(
            tx,
            fetch_optional,
            "DELETE FROM backup_lines WHERE subscription_id = $1 AND server_id = $2 AND remote_id = $3 RETURNING name",
            subscription.0,
            server.0,
            remote.0
        )?;
        names.extend(row.map(|(name,)| name));
    }
    Ok(names)
}

/// Keeps of an order what explains later why a backup is gone: what the server removed or, when it said nothing, all
/// that it may have removed.
pub async fn settle(tx: &mut Tx, operation: OperationId, removed: Option<&[BackupId]>) -> AppResult<()> {
    let Some(removed) = removed else {
        query!(tx, execute, "DELETE FROM removals WHERE operation_id = $1 AND NOT given", operation.0)?;
        return Ok(());
    };
    query!(tx, execute, "UPDATE removals SET given = FALSE WHERE operation_id = $1", operation.0)?;
    for remote in removed {
        query!(
            tx,
            execute,
            "UPDATE removals SET given = TRUE WHERE operation_id = $1 AND remote_id = $2",
            operation.0,
            remote.0
        )?;
    }
    query!(tx, execute, "DELETE FROM removals WHERE operation_id = $1 AND NOT given", operation.0)?;
    Ok(())
}

/// A backup with a line that a run of retention removed, or may have removed: the panel missed its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeantToGo {
    /// The backup.
    pub remote: BackupId,
    /// When the run ended here.
    pub ended: DateTime<Utc>,
}

/// Those of a subscription on a server. What was pinned since is not meant to go.
pub async fn meant_to_go(tx: &mut Tx, subscription: SubscriptionId, server: ServerId) -> AppResult<Vec<MeantToGo>> {
    let rows: Vec<(Uuid, i64)> = query!(
        tx,
        fetch_all,
        "SELECT l.remote_id, MAX(o.finished_at) FROM backup_lines l JOIN removals r ON r.remote_id = l.remote_id
         JOIN operations o ON o.id = r.operation_id AND o.server_id = l.server_id
         WHERE l.subscription_id = $1 AND l.server_id = $2 AND r.given AND o.finished_at IS NOT NULL AND NOT l.pinned
         GROUP BY l.remote_id",
        subscription.0,
        server.0
    )?;
    let meant = rows.into_iter().map(|(remote, ended)| MeantToGo { remote: BackupId(remote), ended: moment(ended) });
    Ok(meant.collect())
}

/// Nothing is left of what runs of retention wanted with a backup: it was seen after they had ended.
pub async fn was_left(tx: &mut Tx, server: ServerId, remote: BackupId) -> AppResult<()> {
    query!(
        tx,
        execute,
        "DELETE FROM removals WHERE remote_id = $1 AND operation_id IN (
             SELECT id FROM operations WHERE server_id = $2 AND finished_at IS NOT NULL)",
        remote.0,
        server.0
    )?;
    Ok(())
}
