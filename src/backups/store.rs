//! SQL of backup lines, and of the figures that a subscription keeps about them.

use backup_api::{Backup, BackupFormat, BackupId, RepositoryId};
use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{BackupLine, LINES_PAGE_ROWS, LineFilter, LineId, LineQuery, LineResult, LineSort, Trigger};
use crate::{
    backup_servers::ServerId,
    error::{AppError, AppResult},
    operations::{OperationId, store::Stored as Operation},
    server::{
        Panel,
        db::{Tx, anywhere, millis, moment, number, query, stored},
    },
    subscriptions::{self, SubscriptionId},
};

/// What the record is called when it is not there.
const THIS: &str = "This backup";

/// A line with what it takes to act on it.
#[derive(Clone, Debug)]
pub struct Found {
    /// What people see.
    pub line: BackupLine,
    /// The server that holds it.
    pub server: ServerId,
    /// The repository that holds it.
    pub repository: RepositoryId,
}

#[derive(sqlx_macros::FromRow)]
struct Row {
    id: Uuid,
    subscription_id: Uuid,
    server_id: Uuid,
    repository_id: Uuid,
    remote_id: Uuid,
    name: String,
    format: String,
    size_bytes: Option<i64>,
    stored_bytes: Option<i64>,
    server: String,
    created_at: i64,
    comment: String,
    trigger_kind: String,
    result: String,
    reason: String,
    attachments_present: Option<i64>,
    attachments_expected: Option<i64>,
    odoo_version: Option<String>,
    pinned: bool,
    operation_id: Option<Uuid>,
}

macro_rules! columns {
    () => {
        "SELECT l.id, l.subscription_id, l.server_id, l.repository_id, l.remote_id, l.name, l.format, l.size_bytes,
            l.stored_bytes, v.name AS server, l.created_at, l.comment, l.trigger_kind, l.result, l.reason,
            l.attachments_present, l.attachments_expected, l.odoo_version, l.pinned, l.operation_id
         FROM backup_lines l JOIN backup_servers v ON v.id = l.server_id "
    };
}

macro_rules! shown {
    () => {
        "WHERE l.subscription_id = $1 AND l.search_text LIKE $2 ESCAPE '\\'
           AND ($3 = 'all' OR ($3 = 'good' AND l.result IN ('good', 'size_changed'))
                OR ($3 = 'failed' AND l.result IN ('failed', 'missing')) OR ($3 = 'pinned' AND l.pinned))"
    };
}

/// One page of lines and how many match.
pub async fn page(panel: &Panel, subscription: SubscriptionId, shown: &LineQuery) -> AppResult<(Vec<BackupLine>, u64)> {
    let (pattern, filter) = (anywhere(&shown.search), filter_name(shown.filter));
    let (matching,): (i64,) = query!(
        panel.db,
        fetch_one,
        concat!("SELECT COUNT(*) FROM backup_lines l ", shown!()),
        subscription.0,
        &pattern,
        filter
    )?;
    // Only constants of this file are joined.
    let order = order(shown.sort, shown.reversed);
    let sql = AssertSqlSafe(format!(concat!(columns!(), shown!(), " ORDER BY {} LIMIT $4 OFFSET $5"), order));
    let rows: Vec<Row> = query!(
        panel.db,
        fetch_all,
        sql,
        subscription.0,
        &pattern,
        filter,
        i64::from(LINES_PAGE_ROWS),
        i64::from(shown.page) * i64::from(LINES_PAGE_ROWS)
    )?;
    let lines = rows.into_iter().map(|row| row.into_found().map(|found| found.line));
    Ok((lines.collect::<AppResult<_>>()?, number(matching)))
}

const fn order(sort: LineSort, reversed: bool) -> &'static str {
    match (sort, reversed) {
        (LineSort::Created, false) => "l.created_at DESC, l.id DESC",
        (LineSort::Created, true) => "l.created_at, l.id",
        (LineSort::Name, false) => "l.name, l.id",
        (LineSort::Name, true) => "l.name DESC, l.id DESC",
        (LineSort::Size, false) => "l.size_bytes DESC NULLS LAST, l.id",
        (LineSort::Size, true) => "l.size_bytes NULLS LAST, l.id",
        (LineSort::Trigger, false) => "l.trigger_kind, l.created_at DESC, l.id",
        (LineSort::Trigger, true) => "l.trigger_kind DESC, l.created_at DESC, l.id",
    }
}

/// A line.
pub async fn find(panel: &Panel, id: LineId) -> AppResult<Found> {
    let row: Option<Row> = query!(panel.db, fetch_optional, concat!(columns!(), "WHERE l.id = $1"), id.0)?;
    row.ok_or_else(|| AppError::not_found(THIS))?.into_found()
}

/// How many backups of a subscription are there, good or in another size: what is lost when they are deleted.
pub async fn held_count(panel: &Panel, subscription: SubscriptionId) -> AppResult<u64> {
    let (count,): (i64,) = query!(
        panel.db,
        fetch_one,
        "SELECT COUNT(*) FROM backup_lines WHERE subscription_id = $1 AND result IN ('good', 'size_changed')",
        subscription.0
    )?;
    Ok(number(count))
}

/// A line to be added.
#[derive(Clone, Debug)]
pub struct NewLine {
    subscription: SubscriptionId,
    server: ServerId,
    repository: RepositoryId,
    remote: BackupId,
    name: String,
    format: BackupFormat,
    size_bytes: Option<u64>,
    stored_bytes: Option<u64>,
    created_at: DateTime<Utc>,
    /// What was written about it.
    pub comment: String,
    trigger: Trigger,
    failure: Option<String>,
    attachments: Option<(u64, u64)>,
    odoo_version: Option<String>,
    /// The operation that made it.
    pub operation: Option<OperationId>,
}

impl NewLine {
    /// A complete, verified backup.
    pub fn good(subscription: SubscriptionId, server: ServerId, backup: &Backup, trigger: Trigger) -> Self {
        Self {
            subscription,
            server,
            repository: backup.repository,
            remote: backup.id,
            name: backup.file_name.clone(),
            format: backup.format,
            size_bytes: Some(backup.size_bytes),
            stored_bytes: Some(backup.stored_bytes),
            created_at: backup.created_at,
            comment: backup.comment.clone(),
            trigger,
            failure: None,
            attachments: backup.attachments.as_ref().map(|files| (files.present, files.expected)),
            odoo_version: backup.odoo_version.clone(),
            operation: None,
        }
    }

    /// A backup that did not succeed.
    pub fn failed(subscription: SubscriptionId, server: ServerId, made_by: &Operation) -> Self {
        let operation = &made_by.operation;
        let at = operation.started_at.unwrap_or(operation.created_at);
        let reason = operation.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
        Self {
            subscription,
            server,
            repository: made_by.repository,
            remote: made_by.backup,
            name: format!("{}_{}.{}", made_by.database, at.format("%Y-%m-%d_%H-%M-%S"), made_by.format.as_str()),
            format: made_by.format,
            size_bytes: None,
            stored_bytes: None,
            created_at: at,
            comment: made_by.comment.clone(),
            trigger: made_by.trigger,
            failure: Some(reason),
            attachments: None,
            odoo_version: None,
            operation: Some(operation.id),
        }
    }
}

/// Adds a line, unless there is one of this backup.
pub async fn insert(panel: &Panel, tx: &mut Tx, line: &NewLine) -> AppResult<()> {
    query!(
        tx,
        execute,
        "INSERT INTO backup_lines (id, subscription_id, server_id, repository_id, remote_id, name, search_text, format,
             size_bytes, stored_bytes, created_at, recorded_at, comment, trigger_kind, result, reason,
             attachments_present, attachments_expected, odoo_version, pinned, operation_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, FALSE, $20)
         ON CONFLICT (server_id, remote_id) DO NOTHING",
        panel.id(),
        line.subscription.0,
        line.server.0,
        line.repository.0,
        line.remote.0,
        &line.name,
        search_text(&line.name, &line.comment, line.remote),
        line.format.as_str(),
        line.size_bytes.map(stored),
        line.stored_bytes.map(stored),
        millis(line.created_at),
        millis(panel.clock.now()),
        &line.comment,
        line.trigger.as_str(),
        if line.failure.is_some() { "failed" } else { "good" },
        line.failure.as_deref().unwrap_or_default(),
        line.attachments.map(|(present, _)| stored(present)),
        line.attachments.map(|(_, expected)| stored(expected)),
        &line.odoo_version,
        line.operation.map(|id| id.0)
    )?;
    Ok(())
}

/// Makes a failed line the good one that the server turned out to hold; what people wrote about it, `comment`, stays.
pub async fn turn_good(tx: &mut Tx, id: LineId, backup: &Backup, comment: &str) -> AppResult<()> {
    query!(
        tx,
        execute,
        "UPDATE backup_lines SET result = 'good', reason = '', size_bytes = $2, stored_bytes = $3, created_at = $4,
             name = $5, search_text = $6, attachments_present = $7, attachments_expected = $8, odoo_version = $9
         WHERE id = $1",
        id.0,
        stored(backup.size_bytes),
        stored(backup.stored_bytes),
        millis(backup.created_at),
        &backup.file_name,
        search_text(&backup.file_name, comment, backup.id),
        backup.attachments.as_ref().map(|files| stored(files.present)),
        backup.attachments.as_ref().map(|files| stored(files.expected)),
        &backup.odoo_version
    )?;
    Ok(())
}

/// Changes how a line that was good stands: `good`, `missing` or `size_changed`.
pub async fn set_result(tx: &mut Tx, id: LineId, result: &'static str) -> AppResult<()> {
    query!(tx, execute, "UPDATE backup_lines SET result = $2 WHERE id = $1", id.0, result)?;
    Ok(())
}

/// Changes what is written about a line.
pub async fn set_comment(tx: &mut Tx, line: &BackupLine, comment: &str) -> AppResult<()> {
    let touched = query!(
        tx,
        execute,
        "UPDATE backup_lines SET comment = $2, search_text = $3 WHERE id = $1",
        line.id.0,
        comment,
        search_text(&line.name, comment, line.remote_id)
    )?;
    if touched == 1 { Ok(()) } else { Err(AppError::not_found(THIS)) }
}

/// Pins a line or lets it go.
pub async fn set_pinned(tx: &mut Tx, id: LineId, pinned: bool) -> AppResult<()> {
    let touched = query!(tx, execute, "UPDATE backup_lines SET pinned = $2 WHERE id = $1", id.0, pinned)?;
    if touched == 1 { Ok(()) } else { Err(AppError::not_found(THIS)) }
}

/// Removes a line.
pub async fn delete(tx: &mut Tx, id: LineId) -> AppResult<()> {
    let touched = query!(tx, execute, "DELETE FROM backup_lines WHERE id = $1", id.0)?;
    if touched == 1 { Ok(()) } else { Err(AppError::not_found(THIS)) }
}

/// Computes a subscription's figures anew from its lines; to be called in every transaction that changes one. Files from
/// elsewhere are counted, but say nothing about how its backups stand: an old file that was uploaded today is old.
pub async fn recount(tx: &mut Tx, subscription: SubscriptionId) -> AppResult<()> {
    // In a statement of its own: on PostgreSQL one that waits for the row counts the lines as they were before.
    subscriptions::store::hold(tx, subscription).await?;
    query!(
        tx,
        execute,
        "UPDATE subscriptions SET
             latest_good_at = (SELECT MAX(created_at) FROM backup_lines
                               WHERE subscription_id = $1 AND result = 'good'
                                 AND trigger_kind NOT IN ('upload', 'url')),
             latest_bytes = (SELECT size_bytes FROM backup_lines WHERE subscription_id = $1 AND result = 'good'
                               AND trigger_kind NOT IN ('upload', 'url')
                             ORDER BY created_at DESC, id DESC LIMIT 1),
             good_count = (SELECT COUNT(*) FROM backup_lines WHERE subscription_id = $1 AND result = 'good'),
             stored_bytes = (SELECT CAST(COALESCE(SUM(stored_bytes), 0) AS BIGINT) FROM backup_lines
                             WHERE subscription_id = $1 AND result IN ('good', 'size_changed'))
         WHERE id = $1",
        subscription.0
    )?;
    Ok(())
}

impl Row {
    fn into_found(self) -> AppResult<Found> {
        let unreadable = || {
            tracing::error!("The backup line {} holds a word that this version does not know", self.id);
            AppError::Internal
        };
        let result = match self.result.as_str() {
            "good" => LineResult::Good,
            "failed" => LineResult::Failed { reason: self.reason },
            "missing" => LineResult::Missing,
            "size_changed" => LineResult::SizeChanged,
            _ => return Err(unreadable()),
        };
        let line = BackupLine {
            id: LineId(self.id),
            subscription: SubscriptionId(self.subscription_id),
            name: self.name,
            format: BackupFormat::parse(&self.format).ok_or_else(unreadable)?,
            size_bytes: self.size_bytes.map(number),
            stored_bytes: self.stored_bytes.map(number),
            server: self.server,
            remote_id: BackupId(self.remote_id),
            created_at: moment(self.created_at),
            comment: self.comment,
            trigger: Trigger::parse(&self.trigger_kind).ok_or_else(unreadable)?,
            result,
            attachments: self.attachments_present.map(number).zip(self.attachments_expected.map(number)),
            odoo_version: self.odoo_version,
            pinned: self.pinned,
            operation: self.operation_id.map(OperationId),
            fate: None,
        };
        Ok(Found { line, server: ServerId(self.server_id), repository: RepositoryId(self.repository_id) })
    }
}

const fn filter_name(filter: LineFilter) -> &'static str {
    match filter {
        LineFilter::All => "all",
        LineFilter::Good => "good",
        LineFilter::Failed => "failed",
        LineFilter::Pinned => "pinned",
    }
}

/// What the search looks through.
pub fn search_text(name: &str, comment: &str, remote: BackupId) -> String {
    format!("{name}\n{comment}\n{remote}").to_lowercase()
}
