//! Restores: what is asked for, what is found beforehand, what was done, and how it is undone.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Attachments, BackupId, DatabaseName, JobId, Source};

/// What is restored into what.
///
/// `POST /v1/repositories/{repository}/backups/{backup}/preflight` answers a [`Preflight`] and touches nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestorePlan {
    /// How the database server is reached; its database is the one that is replaced or, for a copy, the one beside
    /// which the copy is made.
    pub target: Source,
    /// Replace that database, or make another.
    pub mode: RestoreMode,
    /// Whether the restored database is neutralized, which Odoo knows from version 16 on.
    #[serde(default)]
    pub neutralize: bool,
    /// Back the present database up before it is replaced, under this identity.
    pub safety_backup: Option<BackupId>,
    /// For how many seconds the replaced database is kept, so that the restore can be undone; 0 for not at all.
    #[serde(default = "RestorePlan::default_undo")]
    pub undo_seconds: u32,
}

impl RestorePlan {
    /// A day.
    pub const fn default_undo() -> u32 {
        86_400
    }

    /// The database that there will be.
    pub fn database(&self) -> &DatabaseName {
        match &self.mode {
            RestoreMode::Replace => self.target.database(),
            RestoreMode::Copy { database } => database,
        }
    }
}

/// What becomes of a restored database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RestoreMode {
    /// It takes the place of the target's database, or its name when there is none of that name.
    Replace,
    /// It becomes a database of its own, with an identity of its own (`database.uuid`), beside the target's. Its
    /// filestore, where there is one, is the folder of that name beside the target's.
    Copy {
        /// Its name, which no database may have yet.
        database: DatabaseName,
    },
}

/// `POST /v1/repositories/{repository}/backups/{backup}/restores`: restore a backup; answers 202 with the
/// [`crate::Job`]. Sending the same job again answers that job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartRestore {
    /// Identity of the work, and of the restore when it is undone.
    pub job: JobId,
    /// What is restored into what.
    pub plan: RestorePlan,
}

/// `POST /v1/restores/{restore}/undo`: bring the replaced database back; answers 202 with the [`crate::Job`]. The
/// database that the restore made is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartUndo {
    /// Identity of the work.
    pub job: JobId,
    /// How the database server is reached now.
    pub target: Source,
}

/// What is found before a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preflight {
    /// Every check, in the order in which they are shown.
    pub checks: Vec<Check>,
    /// The database that would be replaced, as it is now; `None` when there is none of that name, or nothing could be
    /// asked.
    pub current: Option<CurrentDatabase>,
}

impl Preflight {
    /// Whether the restore may begin: no check stops it.
    pub fn is_passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.outcome != CheckOutcome::Stop)
    }
}

/// One check of a [`Preflight`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Check {
    /// What was looked at.
    pub code: CheckCode,
    /// What it means for the restore.
    pub outcome: CheckOutcome,
    /// What was found and, unless it passed, what to do.
    pub message: String,
}

/// What a [`Check`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CheckOutcome {
    /// All is well.
    Pass,
    /// The restore is possible, but this deserves a look.
    Warn,
    /// The restore is not begun.
    Stop,
}

/// What a [`Check`] looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum CheckCode {
    /// The backup is there and can be read.
    Backup,
    /// The database server answers.
    Connection,
    /// The name of the database that there will be.
    Name,
    /// The rights of the user.
    Rights,
    /// Odoo's version in the backup and on the target.
    OdooVersion,
    /// PostgreSQL's version in the backup and on the target.
    PostgresVersion,
    /// The extensions that the backup needs.
    Extensions,
    /// The space on the disks.
    Space,
    /// The target's filestore folder.
    Filestore,
    /// The files of attachments in the backup.
    Attachments,
    /// Neutralizing.
    Neutralize,
    /// Who is connected to the database at the moment.
    Sessions,
    /// The backup of the present database.
    SafetyBackup,
    /// What only a later version of the API says.
    #[serde(other)]
    Other,
}

impl CheckCode {
    /// Its name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Backup => "Backup",
            Self::Connection => "Connection",
            Self::Name => "Database name",
            Self::Rights => "Rights",
            Self::OdooVersion => "Odoo version",
            Self::PostgresVersion => "PostgreSQL version",
            Self::Extensions => "Extensions",
            Self::Space => "Free space",
            Self::Filestore => "Filestore",
            Self::Attachments => "Attachments",
            Self::Neutralize => "Neutralize",
            Self::Sessions => "Sessions",
            Self::SafetyBackup => "Safety backup",
            Self::Other => "Another check",
        }
    }
}

/// The database that a restore would replace. Figures are `None` where this kind of connection cannot tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CurrentDatabase {
    /// Odoo's version, such as `18.0`.
    pub odoo_version: Option<String>,
    /// Its size in PostgreSQL.
    pub database_bytes: Option<u64>,
    /// The last write of a record that Odoo noted.
    pub last_change: Option<DateTime<Utc>>,
    /// Sessions of others at the moment.
    pub sessions: Option<u64>,
}

/// What a restore did, verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Restored {
    /// The backup that was restored.
    pub backup: BackupId,
    /// The database that answers now.
    pub database: DatabaseName,
    /// Tables, each compared with the backup.
    pub tables: u64,
    /// Rows in them, counted and compared with the backup.
    pub rows: u64,
    /// The files of attachments that the restored database refers to, as found in its filestore; `None` when the backup
    /// holds the database only.
    pub attachments: Option<Attachments>,
    /// Whether it was neutralized, which was verified.
    pub neutralized: bool,
    /// Until when the replaced database is kept for an undo; `None` when nothing was replaced or nothing is kept.
    pub undo_until: Option<DateTime<Utc>>,
    /// Sentences about what is not as in the backup and why, such as a comment on an extension that was left out or what
    /// Odoo itself changed.
    pub notes: Vec<String>,
}

/// `GET /v1/restores/{restore}`: what became of a restore, also long after its job ended. A server that stopped on the
/// way finishes a restore, or takes it back, when it runs again and reaches the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestoreState {
    /// The restore.
    pub restore: JobId,
    /// What was done, once that is certain; `None` before, and when it was taken back.
    pub restored: Option<Restored>,
    /// Where it stands.
    pub standing: RestoreStanding,
}

/// Where a restore stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RestoreStanding {
    /// It, or its undo, is under way or waits until the target can be reached.
    Open,
    /// It is done, and what it replaced is kept.
    Kept {
        /// Until when at least.
        until: DateTime<Utc>,
        /// The name of the replaced database.
        replaced: String,
        /// Why it is kept although its time is over.
        why: Option<String>,
    },
    /// It was undone.
    Undone,
    /// Nothing of it is left to do or to undo.
    Closed {
        /// Why, as a sentence.
        why: String,
    },
}
