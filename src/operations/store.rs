//! SQL of operations and their logs.

use backup_api::LogLine;
use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use super::stored::Stored;
use super::{
    LOG_PAGE_ROWS, Operation, OperationFilter, OperationId,
    stored::{Row, name_of, named, operation_columns},
};
use crate::{
    error::{AppError, AppResult},
    server::{
        Panel,
        db::{Tx, millis, moment, number, query, stored},
    },
    subscriptions::SubscriptionId,
};

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
    let row: Option<Row> = query!(panel.db, fetch_optional, concat!(operation_columns!(), "WHERE o.id = $1"), id.0)?;
    row.ok_or_else(|| AppError::not_found("This operation"))?.into_stored(panel.clock.now())
}

/// An operation, inside a transaction; seen from `now`.
pub async fn find_in(tx: &mut Tx, id: OperationId, now: DateTime<Utc>) -> AppResult<Stored> {
    let row: Option<Row> = query!(tx, fetch_optional, concat!(operation_columns!(), "WHERE o.id = $1"), id.0)?;
    row.ok_or_else(|| AppError::not_found("This operation"))?.into_stored(now)
}

/// Every operation that has not ended, the oldest first.
pub async fn unfinished(panel: &Panel) -> AppResult<Vec<Stored>> {
    let rows: Vec<Row> = query!(
        panel.db,
        fetch_all,
        concat!(operation_columns!(), "WHERE o.finished_at IS NULL ORDER BY o.created_at, o.id")
    )?;
    rows.into_iter().map(|row| row.into_stored(panel.clock.now())).collect()
}

/// The operation of a subscription that has not ended; seen from `now`.
pub async fn unfinished_of(tx: &mut Tx, subscription: SubscriptionId, now: DateTime<Utc>) -> AppResult<Option<Stored>> {
    let row: Option<Row> = query!(
        tx,
        fetch_optional,
        concat!(operation_columns!(), "WHERE o.finished_at IS NULL AND o.subscription_id = $1"),
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
    let (filter, subscription) = (filter.as_str(), subscription.map(|id| id.0));
    let (matching,): (i64,) =
        query!(panel.db, fetch_one, concat!("SELECT COUNT(*) FROM operations o ", shown!()), subscription, filter)?;
    let rows: Vec<Row> = query!(
        panel.db,
        fetch_all,
        concat!(operation_columns!(), shown!(), " ORDER BY o.created_at DESC, o.id DESC LIMIT $3 OFFSET $4"),
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
            operation_columns!(),
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
