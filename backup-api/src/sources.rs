//! Where a database is read from, and what a connection test finds.

use serde::{Deserialize, Serialize};

use crate::{DatabaseName, Secret};

/// How the backup server reaches a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Source {
    /// Through the database manager of a running Odoo.
    OdooHttp {
        /// Address of Odoo, such as `https://odoo.example.com`.
        url: String,
        /// The database.
        database: DatabaseName,
        /// Odoo's master password (`admin_passwd`).
        master_password: Secret,
    },
    /// Directly: the PostgreSQL server and the filestore folder.
    Postgres {
        /// `postgres://user:password@host:port/` (or `?host=/socket/folder`); the database in it, if any, is ignored.
        url: Secret,
        /// The database.
        database: DatabaseName,
        /// The database's filestore folder, the one that holds `00` to `ff`; `None` when there is none to back up.
        filestore: Option<String>,
        /// Odoo's addons folders, needed to neutralize a restored database.
        #[serde(default)]
        addons: Vec<String>,
    },
}

impl Source {
    /// The database that is read.
    pub fn database(&self) -> &DatabaseName {
        match self {
            Self::OdooHttp { database, .. } | Self::Postgres { database, .. } => database,
        }
    }
}

/// What a test of a [`Source`] found. Figures are `None` where this kind of source cannot tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceReport {
    /// Odoo's version, such as `18.0`.
    pub odoo_version: Option<String>,
    /// The PostgreSQL server's version, such as `15.18`.
    pub postgres_version: Option<String>,
    /// The version of the `pg_dump` that would be used.
    pub pg_dump_version: Option<String>,
    /// Size of the database in PostgreSQL.
    pub database_bytes: Option<u64>,
    /// Size of the files that attachments refer to.
    pub filestore_bytes: Option<u64>,
    /// Attachments with a file.
    pub attachment_count: Option<u64>,
    /// Everything that is wrong, the worst first.
    pub problems: Vec<Problem>,
}

impl SourceReport {
    /// Whether a backup can be made: no problem stops it.
    pub fn is_usable(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity != Severity::Stop)
    }
}

/// Something that a test found wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Whether a backup is possible all the same.
    pub severity: Severity,
    /// For programs.
    pub code: ProblemCode,
    /// What is wrong and what to do, in words.
    pub message: String,
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Severity {
    /// No backup is possible.
    Stop,
    /// A backup is possible, but something will be missing or deserves a look.
    Warn,
}

/// The kinds of problem with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum ProblemCode {
    /// The host does not answer.
    Unreachable,
    /// No encrypted connection comes about: a certificate is not accepted, or one side does not encrypt.
    NotEncrypted,
    /// What answers is no Odoo.
    NotOdoo,
    /// `list_db = False`: the database manager is off.
    ManagerDisabled,
    /// The master password is wrong.
    WrongMasterPassword,
    /// The master password is still the default, which the next request would change.
    InsecureMasterPassword,
    /// PostgreSQL refuses the user or password.
    WrongCredentials,
    /// The address or connection URL cannot be used.
    InvalidAddress,
    /// There is no such database.
    UnknownDatabase,
    /// The database is not one of Odoo's.
    NotAnOdooDatabase,
    /// No installed `pg_dump` fits the server's version.
    NoMatchingPgDump,
    /// The filestore folder is not there.
    FilestoreMissing,
    /// The filestore folder cannot be read.
    FilestoreUnreadable,
    /// Attachments whose file is not in the filestore.
    AttachmentsMissing,
    /// No filestore folder is set, but the database has attachments in files.
    FilestoreNotSet,
    /// An addons folder is not there or cannot be read.
    AddonsMissing,
    /// The user may not read all of the database.
    InsufficientPrivilege,
    /// The disk of the database server is full.
    DiskFull,
    /// What only a later version of the API says.
    #[serde(other)]
    Other,
}
