//! SQL of operations and their logs.

use backup_api::{BackupFormat, BackupId, Failure, JobState, LogLine, Phase, Progress, RepositoryId};
use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{LOG_PAGE_ROWS, Operation, OperationFilter, OperationId, OperationKind};
use crate::{
    backup_servers::ServerId,
    backups::Trigger,
    error::{AppError, AppResult},
    restores::{
        RestoreFacts,
        store::{Columns, Kept, restore_columns, restore_joins},
    },
    server::{
        Panel,
        db::{Tx, millis, moment, number, query, stored},
    },
    subscriptions::SubscriptionId,
    uploads::{
        ImportFacts,
        store::{Columns as ImportColumns, import_columns, import_joins},
    },
};

/// An operation with what it takes to carry it on.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What people see.
    pub operation: Operation,
    /// The server that does it.
    pub server: Option<ServerId>,
    /// The repository that it works on.
    pub repository: RepositoryId,
    /// The backup that it makes.
    pub backup: BackupId,
    /// The database that is backed up.
    pub database: String,
    /// What is kept.
    pub format: BackupFormat,
    /// What was written about it.
    pub comment: String,
    /// What made it happen.
    pub trigger: Trigger,
    /// Who asked for it, if a person.
    pub asked_by_id: Option<Uuid>,
    /// The server has said that it knows the job.
    pub accepted: bool,
    /// Somebody asked for it to stop.
    pub cancel_asked: bool,
    /// What is kept of the restore that it is about.
    pub restore: Option<Kept>,
}

impl Stored {
    /// What it does, for a sentence: `the backup of acme`.
    pub fn in_words(&self) -> String {
        let restore = self.operation.restore.as_ref().map(RestoreFacts::what_into_what).unwrap_or_default();
        match self.operation.kind {
            OperationKind::Backup => format!("the backup of {}", self.database),
            OperationKind::Restore => format!("the restore of {restore}"),
            OperationKind::Undo => format!("undoing the restore of {restore}"),
            OperationKind::Verify => format!("the verification of the backups of {}", self.database),
            OperationKind::Import => {
                let file = self.operation.import.as_ref().map(ImportFacts::in_words).unwrap_or_default();
                format!("the import of {file}")
            }
            OperationKind::Retention => format!("the retention of the backups of {}", self.database),
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    subscription_id: Option<Uuid>,
    subscription_name: String,
    server_id: Option<Uuid>,
    server_name: String,
    repository_id: Uuid,
    backup_id: Uuid,
    database_name: String,
    format: String,
    comment: String,
    trigger_kind: String,
    asked_by: String,
    asked_by_id: Option<Uuid>,
    accepted: bool,
    cancel_asked: bool,
    state: String,
    phase: String,
    done_bytes: i64,
    total_bytes: Option<i64>,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    failure_code: Option<String>,
    failure_message: Option<String>,
    #[sqlx(flatten)]
    restore: Columns,
    #[sqlx(flatten)]
    import: ImportColumns,
}

macro_rules! columns {
    () => {
        concat!(
            "SELECT o.id, o.kind, o.subscription_id, o.subscription_name, o.server_id, o.server_name, o.repository_id,
                o.backup_id, o.database_name, o.format, o.comment, o.trigger_kind, o.asked_by, o.asked_by_id,
                o.accepted, o.cancel_asked, o.state, o.phase, o.done_bytes, o.total_bytes, o.created_at, o.started_at,
                o.finished_at, o.failure_code, o.failure_message, ",
            restore_columns!(),
            import_columns!(),
            "FROM operations o ",
            restore_joins!(),
            import_joins!()
        )
    };
}

macro_rules! shown {
    () => {
        "WHERE ($1 IS NULL OR o.subscription_id = $1)
           AND ($2 = 'all' OR ($2 = 'unfinished' AND o.finished_at IS NULL)
                OR ($2 = 'failed' AND o.state IN ('failed', 'interrupted'))
                OR ($2 = 'restores' AND o.kind = 'restore'))"
    };
}

/// An operation.
pub async fn find(panel: &Panel, id: OperationId) -> AppResult<Stored> {
    let row: Option<Row> = query!(panel.db, fetch_optional, concat!(columns!(), "WHERE o.id = $1"), id.0)?;
    row.ok_or_else(|| AppError::not_found("This operation"))?.into_stored(panel.clock.now())
}

/// An operation, inside a transaction; seen from `now`.
pub async fn find_in(tx: &mut Tx, id: OperationId, now: DateTime<Utc>) -> AppResult<Stored> {
    let row: Option<Row> = query!(tx, fetch_optional, concat!(columns!(), "WHERE o.id = $1"), id.0)?;
    row.ok_or_else(|| AppError::not_found("This operation"))?.into_stored(now)
}

/// Every operation that has not ended, the oldest first.
pub async fn unfinished(panel: &Panel) -> AppResult<Vec<Stored>> {
    let rows: Vec<Row> =
        query!(panel.db, fetch_all, concat!(columns!(), "WHERE o.finished_at IS NULL ORDER BY o.created_at, o.id"))?;
    rows.into_iter().map(|row| row.into_stored(panel.clock.now())).collect()
}

/// The operation of a subscription that has not ended; seen from `now`.
pub async fn unfinished_of(tx: &mut Tx, subscription: SubscriptionId, now: DateTime<Utc>) -> AppResult<Option<Stored>> {
    let row: Option<Row> = query!(
        tx,
        fetch_optional,
        concat!(columns!(), "WHERE o.finished_at IS NULL AND o.subscription_id = $1"),
        subscription.0
    )?;
    row.map(|row| row.into_stored(now)).transpose()
}

/// One page, the newest first, and how many there are.
pub async fn list(
    panel: &Panel,
    filter: OperationFilter,
    subscription: Option<SubscriptionId>,
    page: u32,
) -> AppResult<(Vec<Operation>, u64)> {
    let (filter, subscription) = (filter_name(filter), subscription.map(|id| id.0));
    let (matching,): (i64,) =
        query!(panel.db, fetch_one, concat!("SELECT COUNT(*) FROM operations o ", shown!()), subscription, filter)?;
    let rows: Vec<Row> = query!(
        panel.db,
        fetch_all,
        concat!(columns!(), shown!(), " ORDER BY o.created_at DESC, o.id DESC LIMIT $3 OFFSET $4"),
        subscription,
        filter,
        i64::from(LOG_PAGE_ROWS),
        i64::from(page) * i64::from(LOG_PAGE_ROWS)
    )?;
    let now = panel.clock.now();
    let operations = rows.into_iter().map(|row| row.into_stored(now).map(|stored| stored.operation));
    Ok((operations.collect::<AppResult<_>>()?, number(matching)))
}

/// Adds an operation. A second unfinished one of a subscription is refused by the table.
pub async fn insert(tx: &mut Tx, new: &Stored) -> AppResult<()> {
    let operation = &new.operation;
    query!(
        tx,
        execute,
        "INSERT INTO operations (id, kind, subscription_id, subscription_name, server_id, server_name, repository_id,
             backup_id, database_name, format, comment, trigger_kind, asked_by, asked_by_id, accepted, cancel_asked,
             state, phase, done_bytes, created_at, restore_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, FALSE, FALSE, $15, $16, 0, $17, $18)",
        operation.id.0,
        operation.kind.as_str(),
        operation.subscription.map(|id| id.0),
        &operation.subscription_name,
        new.server.map(|id| id.0),
        &operation.server,
        new.repository.0,
        new.backup.0,
        &new.database,
        new.format.as_str(),
        &new.comment,
        new.trigger.as_str(),
        &operation.asked_by,
        new.asked_by_id,
        operation.state.as_str(),
        name_of(&operation.phase),
        millis(operation.created_at),
        operation.restore.as_ref().map(|facts| facts.restore.0)
    )?;
    Ok(())
}

/// Says that a panel follows an operation, until a moment.
pub async fn lease(tx: &mut Tx, id: OperationId, owner: Uuid, until: DateTime<Utc>) -> AppResult<()> {
    query!(
        tx,
        execute,
        "UPDATE operations SET owner = $2, lease_until = $3 WHERE id = $1",
        id.0,
        owner,
        millis(until)
    )?;
    Ok(())
}

/// Says that a panel still follows its operations, until a moment, and gives it those whose panel has not said so for a
/// while.
pub async fn keep_leases(panel: &Panel, until: DateTime<Utc>) -> AppResult<Vec<OperationId>> {
    let mut tx = panel.db.begin().await?;
    query!(
        tx,
        execute,
        "UPDATE operations SET lease_until = $2 WHERE finished_at IS NULL AND owner = $1",
        panel.instance,
        millis(until)
    )?;
    let orphans: Vec<(Uuid,)> = query!(
        tx,
        fetch_all,
        "UPDATE operations SET owner = $1, lease_until = $2
         WHERE finished_at IS NULL AND (lease_until IS NULL OR lease_until < $3) RETURNING id",
        panel.instance,
        millis(until),
        millis(panel.clock.now())
    )?;
    tx.commit().await?;
    Ok(orphans.into_iter().map(|(id,)| OperationId(id)).collect())
}

/// Whether somebody asked for an operation to stop, in whatever panel.
pub async fn is_to_stop(panel: &Panel, id: OperationId) -> AppResult<bool> {
    let row: Option<(bool,)> =
        query!(panel.db, fetch_optional, "SELECT cancel_asked FROM operations WHERE id = $1", id.0)?;
    Ok(row.is_some_and(|(asked,)| asked))
}

/// Writes down that the server knows the job.
pub async fn accept(panel: &Panel, id: OperationId) -> AppResult<()> {
    let mut tx = panel.db.begin().await?;
    query!(tx, execute, "UPDATE operations SET accepted = TRUE WHERE id = $1", id.0)?;
    tx.commit().await?;
    Ok(())
}

/// Writes down that it runs.
pub async fn start(panel: &Panel, operation: &Operation) -> AppResult<()> {
    let mut tx = panel.db.begin().await?;
    query!(
        tx,
        execute,
        "UPDATE operations SET state = $2, started_at = $3 WHERE id = $1 AND finished_at IS NULL",
        operation.id.0,
        operation.state.as_str(),
        operation.started_at.map(millis)
    )?;
    tx.commit().await?;
    Ok(())
}

/// Writes down that it shall stop; whether there was something to stop.
pub async fn ask_to_cancel(tx: &mut Tx, id: OperationId) -> AppResult<bool> {
    let touched = query!(
        tx,
        execute,
        "UPDATE operations SET cancel_asked = TRUE WHERE id = $1 AND finished_at IS NULL AND NOT cancel_asked",
        id.0
    )?;
    Ok(touched == 1)
}

/// Writes down how it ended; whether it had not ended before.
pub async fn finish(tx: &mut Tx, operation: &Operation) -> AppResult<bool> {
    let touched = query!(
        tx,
        execute,
        "UPDATE operations SET state = $2, phase = $3, done_bytes = $4, total_bytes = $5, started_at = $6,
             finished_at = $7, failure_code = $8, failure_message = $9
         WHERE id = $1 AND finished_at IS NULL",
        operation.id.0,
        operation.state.as_str(),
        name_of(&operation.phase),
        stored(operation.progress.done_bytes),
        operation.progress.total_bytes.map(stored),
        operation.started_at.map(millis),
        operation.finished_at.map(millis),
        operation.failure.as_ref().map(|failure| name_of(&failure.code)),
        operation.failure.as_ref().map(|failure| &failure.message)
    )?;
    Ok(touched == 1)
}

/// Writes down that an operation that was called interrupted succeeded; whether it was called so.
pub async fn correct(tx: &mut Tx, id: OperationId) -> AppResult<bool> {
    let touched = query!(
        tx,
        execute,
        "UPDATE operations SET state = 'succeeded', failure_code = NULL, failure_message = NULL
         WHERE id = $1 AND state = 'interrupted'",
        id.0
    )?;
    Ok(touched == 1)
}

/// How many [`unsettled`] gives at once.
pub const UNSETTLED_ROWS: usize = 100;

/// The place of an operation among those of [`unsettled`].
pub type Seen = (DateTime<Utc>, OperationId);

/// Restores and undos of whose end something is left to be asked for, the oldest first: interrupted ones, and restores
/// whose undo window is over. Some of them, those after `after`.
pub async fn unsettled(panel: &Panel, after: Option<Seen>) -> AppResult<Vec<Stored>> {
    let now = panel.clock.now();
    let (at, id) = after.map_or((i64::MIN, Uuid::nil()), |(at, id)| (millis(at), id.0));
    let rows: Vec<Row> = query!(
        panel.db,
        fetch_all,
        concat!(
            columns!(),
            "WHERE o.restore_id IS NOT NULL AND NOT o.settled
                 AND (o.state = 'interrupted' OR (o.kind = 'restore' AND o.state = 'succeeded'
                     AND r.undone_at IS NULL AND r.undo_until <= $1))
                 AND (o.created_at > $2 OR (o.created_at = $2 AND o.id > $3))
             ORDER BY o.created_at, o.id LIMIT $4"
        ),
        millis(now),
        at,
        id,
        i64::try_from(UNSETTLED_ROWS).unwrap_or(i64::MAX)
    )?;
    rows.into_iter().map(|row| row.into_stored(now)).collect()
}

/// Writes down that nothing of an operation's end is left to be asked for.
pub async fn settle(tx: &mut Tx, id: OperationId) -> AppResult<()> {
    query!(tx, execute, "UPDATE operations SET settled = TRUE WHERE id = $1", id.0)?;
    Ok(())
}

/// Adds lines to an operation's log.
pub async fn log(tx: &mut Tx, id: OperationId, lines: &[LogLine]) -> AppResult<()> {
    for line in lines {
        query!(
            tx,
            execute,
            "INSERT INTO operation_log (operation_id, position, at, level, message)
             SELECT $1, COALESCE(MAX(position) + 1, 0), $2, $3, $4 FROM operation_log WHERE operation_id = $1",
            id.0,
            millis(line.at),
            name_of(&line.level),
            &line.message
        )?;
    }
    Ok(())
}

/// The stored lines of an operation's log, the oldest first.
pub async fn read_log(panel: &Panel, id: OperationId) -> AppResult<Vec<LogLine>> {
    let rows: Vec<(i64, String, String)> = query!(
        panel.db,
        fetch_all,
        "SELECT at, level, message FROM operation_log WHERE operation_id = $1 ORDER BY at, position",
        id.0
    )?;
    let lines = rows.into_iter().map(|(at, level, message)| {
        let level = named(&level).unwrap_or(backup_api::LogLevel::Info);
        LogLine { at: moment(at), level, message }
    });
    Ok(lines.collect())
}

impl Row {
    fn into_stored(self, now: DateTime<Utc>) -> AppResult<Stored> {
        let unreadable = || {
            tracing::error!("The operation {} holds a word that this version does not know", self.id);
            AppError::Internal
        };
        let failure = match (self.failure_code, self.failure_message) {
            (Some(code), Some(message)) => Some(Failure { code: named(&code).ok_or_else(unreadable)?, message }),
            _ => None,
        };
        let restore = self.restore.into_restore(&self.database_name, self.subscription_id.is_some(), now)?;
        let (facts, kept) = restore.unzip();
        let operation = Operation {
            id: OperationId(self.id),
            kind: OperationKind::parse(&self.kind).ok_or_else(unreadable)?,
            subscription: self.subscription_id.map(SubscriptionId),
            subscription_name: self.subscription_name,
            server: self.server_name,
            asked_by: self.asked_by,
            state: JobState::parse(&self.state).ok_or_else(unreadable)?,
            phase: named::<Phase>(&self.phase).ok_or_else(unreadable)?,
            progress: Progress { done_bytes: number(self.done_bytes), total_bytes: self.total_bytes.map(number) },
            bytes_per_second: None,
            created_at: moment(self.created_at),
            started_at: self.started_at.map(moment),
            finished_at: self.finished_at.map(moment),
            failure,
            restore: facts,
            import: self.import.into_facts(),
        };
        Ok(Stored {
            operation,
            server: self.server_id.map(ServerId),
            repository: RepositoryId(self.repository_id),
            backup: BackupId(self.backup_id),
            database: self.database_name,
            format: BackupFormat::parse(&self.format).ok_or_else(unreadable)?,
            comment: self.comment,
            trigger: Trigger::parse(&self.trigger_kind).ok_or_else(unreadable)?,
            asked_by_id: self.asked_by_id,
            accepted: self.accepted,
            cancel_asked: self.cancel_asked,
            restore: kept,
        })
    }
}

const fn filter_name(filter: OperationFilter) -> &'static str {
    match filter {
        OperationFilter::All => "all",
        OperationFilter::Unfinished => "unfinished",
        OperationFilter::Failed => "failed",
        OperationFilter::Restores => "restores",
    }
}

/// The word that a plain enum has on the wire, which is also the one that is stored.
fn name_of(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(ToOwned::to_owned)).unwrap_or_default()
}

/// The reverse of [`name_of`].
pub fn named<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}
