//! SQL of restores.

use backup_api::{BackupId, JobState, Restored};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{RestoreFacts, Undo};
use crate::{
    backups::LineId,
    error::{AppError, AppResult},
    operations::OperationId,
    server::db::{Tx, millis, moment, query},
};

/// What the panel keeps of a restore beyond its facts.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The backup that is restored.
    pub backup: BackupId,
    /// Odoo's version of the database that is replaced, as last seen.
    pub version_before: Option<String>,
}

/// Adds a restore; its operation is there already.
pub async fn insert(tx: &mut Tx, facts: &RestoreFacts, kept: &Kept) -> AppResult<()> {
    query!(
        tx,
        execute,
        "INSERT INTO restores (operation_id, line_id, backup_id, line_name, line_created_at, odoo_version, copy_name,
             neutralize, safety_backup, undo_hours, version_before)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        facts.restore.0,
        facts.line.map(|line| line.0),
        kept.backup.0,
        &facts.line_name,
        millis(facts.line_created_at),
        &facts.odoo_version,
        facts.is_copy.then_some(&facts.database),
        facts.neutralize,
        facts.safety_backup,
        i64::from(facts.undo_hours),
        &kept.version_before
    )?;
    Ok(())
}

/// Writes down what a restore did.
pub async fn succeeded(tx: &mut Tx, id: OperationId, result: &Restored) -> AppResult<()> {
    let json = serde_json::to_string(result).map_err(|error| {
        tracing::error!(operation.id = %id.0, "The result of restore {} could not be written: {error}", id.0);
        AppError::Internal
    })?;
    query!(
        tx,
        execute,
        "UPDATE restores SET result = $2, undo_until = $3 WHERE operation_id = $1",
        id.0,
        json,
        result.undo_until.map(millis)
    )?;
    Ok(())
}

/// Writes down Odoo's version of the replaced database, now that its safety backup tells.
pub async fn saw_version_before(tx: &mut Tx, id: OperationId, version: &str) -> AppResult<()> {
    query!(tx, execute, "UPDATE restores SET version_before = $2 WHERE operation_id = $1", id.0, version)?;
    Ok(())
}

/// Writes down that a restore was undone.
pub async fn undone(tx: &mut Tx, id: OperationId, by: &str, at: DateTime<Utc>) -> AppResult<()> {
    query!(
        tx,
        execute,
        "UPDATE restores SET undone_at = $2, undone_by = $3 WHERE operation_id = $1",
        id.0,
        millis(at),
        by
    )?;
    Ok(())
}

/// Writes down that a replaced database is kept longer, and why.
pub async fn kept_longer(tx: &mut Tx, id: OperationId, until: DateTime<Utc>, why: Option<&str>) -> AppResult<()> {
    query!(
        tx,
        execute,
        "UPDATE restores SET undo_until = $2, kept_because = $3 WHERE operation_id = $1",
        id.0,
        millis(until),
        why
    )?;
    Ok(())
}

/// Whether a line is being restored at the moment.
pub async fn is_being_restored(tx: &mut Tx, line: LineId) -> AppResult<bool> {
    let (running,): (i64,) = query!(
        tx,
        fetch_one,
        "SELECT COUNT(*) FROM restores r JOIN operations o ON o.id = r.operation_id
         WHERE r.line_id = $1 AND o.finished_at IS NULL",
        line.0
    )?;
    Ok(running > 0)
}

/// The columns of a restore, joined to an operation `o` as `r`, with its own operation as `ro`.
macro_rules! restore_columns {
    () => {
        "r.operation_id AS restore_id, r.line_id, r.backup_id AS restored_backup_id, r.line_name, r.line_created_at,
         r.odoo_version, r.copy_name, r.neutralize, r.safety_backup, r.undo_hours, r.version_before, r.result,
         r.undo_until, r.undone_at, r.undone_by, r.kept_because, ro.state AS restore_state,
         (SELECT l.id FROM backup_lines l WHERE l.server_id = ro.server_id AND l.remote_id = ro.backup_id)
             AS safety_line_id,
         (SELECT u.id FROM operations u WHERE u.restore_id = r.operation_id AND u.kind = 'undo'
              AND u.finished_at IS NULL LIMIT 1) AS undo_id,
         (SELECT COUNT(*) FROM operations lo JOIN restores lr ON lr.operation_id = lo.id
          WHERE lo.subscription_id = ro.subscription_id AND lo.database_name = ro.database_name
              AND lo.state = 'succeeded' AND lo.created_at > ro.created_at
              AND lr.copy_name IS NULL AND lr.undone_at IS NULL) AS later_restores "
    };
}

/// Where [`restore_columns`] come from, after `FROM operations o`.
macro_rules! restore_joins {
    () => {
        "LEFT JOIN restores r ON r.operation_id = o.restore_id LEFT JOIN operations ro ON ro.id = r.operation_id "
    };
}
pub(crate) use {restore_columns, restore_joins};

/// What [`restore_columns`] give; nothing of it where the operation is about no restore.
#[derive(Debug, sqlx_macros::FromRow)]
pub struct Columns {
    restore_id: Option<Uuid>,
    line_id: Option<Uuid>,
    restored_backup_id: Option<Uuid>,
    line_name: Option<String>,
    line_created_at: Option<i64>,
    odoo_version: Option<String>,
    copy_name: Option<String>,
    neutralize: Option<bool>,
    safety_backup: Option<bool>,
    undo_hours: Option<i64>,
    version_before: Option<String>,
    result: Option<String>,
    undo_until: Option<i64>,
    undone_at: Option<i64>,
    undone_by: Option<String>,
    kept_because: Option<String>,
    restore_state: Option<String>,
    safety_line_id: Option<Uuid>,
    undo_id: Option<Uuid>,
    later_restores: i64,
}

impl Columns {
    /// The restore, if there is one; `database` is the operation's, `subscribed` whether its subscription is there.
    pub fn into_restore(
        self,
        database: &str,
        subscribed: bool,
        now: DateTime<Utc>,
    ) -> AppResult<Option<(RestoreFacts, Kept)>> {
        let (Some(restore), Some(backup)) = (self.restore_id, self.restored_backup_id) else { return Ok(None) };
        let unreadable = || {
            tracing::error!("The restore {restore} holds what this version cannot read");
            AppError::Internal
        };
        let undo = self.undo(subscribed, now);
        let result = self.result.as_deref().map(serde_json::from_str).transpose().map_err(|_| unreadable())?;
        let kept = Kept { backup: BackupId(backup), version_before: self.version_before };
        let facts = RestoreFacts {
            restore: OperationId(restore),
            line: self.line_id.map(LineId),
            line_name: self.line_name.ok_or_else(unreadable)?,
            line_created_at: self.line_created_at.map(moment).ok_or_else(unreadable)?,
            odoo_version: self.odoo_version,
            is_copy: self.copy_name.is_some(),
            database: self.copy_name.unwrap_or_else(|| database.to_owned()),
            neutralize: self.neutralize.unwrap_or_default(),
            safety_backup: self.safety_backup.unwrap_or_default(),
            undo_hours: self.undo_hours.and_then(|hours| u32::try_from(hours).ok()).unwrap_or_default(),
            safety_line: self.safety_line_id.map(LineId),
            result,
            kept_because: self.kept_because,
            undo,
        };
        Ok(Some((facts, kept)))
    }

    fn undo(&self, subscribed: bool, now: DateTime<Utc>) -> Undo {
        if let (Some(at), Some(by)) = (self.undone_at, &self.undone_by) {
            return Undo::Done { by: by.clone(), at: moment(at) };
        }
        if let Some(operation) = self.undo_id {
            return Undo::UnderWay { operation: OperationId(operation) };
        }
        let why = match (self.restore_state.as_deref().and_then(JobState::parse), self.undo_until.map(moment)) {
            (Some(JobState::Queued | JobState::Running), _) => "It has not ended yet.".to_owned(),
            (Some(JobState::Succeeded), _) if self.copy_name.is_some() => {
                "It made a new database and replaced none.".to_owned()
            }
            (Some(JobState::Succeeded), None) if self.undo_hours == Some(0) => {
                "Its backup server is set to keep no replaced database.".to_owned()
            }
            (Some(JobState::Succeeded), None) => "There was no database of that name before.".to_owned(),
            (Some(JobState::Succeeded), Some(until)) if until <= now => {
                format!("The replaced database was kept until {}.", super::in_words(until))
            }
            (Some(JobState::Succeeded), Some(_)) if self.later_restores > 0 => {
                "The database was restored again after that. Undo the later restore first.".to_owned()
            }
            (Some(JobState::Succeeded), Some(_)) if !subscribed => {
                "Its subscription was deleted, and with it the way to the database.".to_owned()
            }
            (Some(JobState::Succeeded), Some(until)) => return Undo::Offered { until },
            _ => "It did not succeed, so that there is nothing to undo.".to_owned(),
        };
        Undo::NotOffered { why }
    }
}
