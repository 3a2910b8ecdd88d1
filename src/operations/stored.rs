//! An operation as it is stored, and how its row is read.

use backup_api::{BackupFormat, BackupId, Failure, JobState, Phase, Progress, RepositoryId};
use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{Operation, OperationId, OperationKind};
use crate::{
    backup_servers::ServerId,
    backups::Trigger,
    error::{AppError, AppResult},
    restores::{
        RestoreFacts,
        store::{Columns, Kept},
    },
    server::db::{moment, number},
    subscriptions::SubscriptionId,
    uploads::{ImportFacts, store::Columns as ImportColumns},
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

/// An operation's row; see [`operation_columns!`].
#[derive(sqlx_macros::FromRow)]
pub struct Row {
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

/// What a [`Row`] is read from.
macro_rules! operation_columns {
    () => {
        concat!(
            "SELECT o.id, o.kind, o.subscription_id, o.subscription_name, o.server_id, o.server_name, o.repository_id,
                o.backup_id, o.database_name, o.format, o.comment, o.trigger_kind, o.asked_by, o.asked_by_id,
                o.accepted, o.cancel_asked, o.state, o.phase, o.done_bytes, o.total_bytes, o.created_at, o.started_at,
                o.finished_at, o.failure_code, o.failure_message, ",
            $crate::restores::store::restore_columns!(),
            $crate::uploads::store::import_columns!(),
            "FROM operations o ",
            $crate::restores::store::restore_joins!(),
            $crate::uploads::store::import_joins!()
        )
    };
}

pub(super) use operation_columns;

impl Row {
    /// What it says; seen from `now`.
    pub fn into_stored(self, now: DateTime<Utc>) -> AppResult<Stored> {
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

/// The word that a plain enum has on the wire, which is also the one that is stored.
pub fn name_of(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(ToOwned::to_owned)).unwrap_or_default()
}

/// The reverse of [`name_of`].
pub fn named<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}
