//! Backups in a repository, links to download them, and the recovery kit.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{BackupId, DatabaseName, JobId, RepositoryId, Secret, Source};

/// What a backup holds, and the kind of file that a download gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum BackupFormat {
    /// Database and filestore, as a zip that Odoo restores.
    #[default]
    Zip,
    /// The database only, as a `pg_dump` custom-format file.
    Dump,
}

impl BackupFormat {
    /// `zip` or `dump`: the file extension and the value in forms and storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Dump => "dump",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "zip" => Some(Self::Zip),
            "dump" => Some(Self::Dump),
            _ => None,
        }
    }
}

/// `POST /v1/repositories/{repository}/backups`: make a backup; answers 202 with the [`crate::Job`].
///
/// The repository is made when it is the first. Sending the same job again answers that job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartBackup {
    /// Identity of the work.
    pub job: JobId,
    /// Identity that the backup will have.
    pub backup: BackupId,
    /// Where to read from.
    pub source: Source,
    /// What to keep.
    pub format: BackupFormat,
    /// Kept with the backup.
    #[serde(default)]
    pub comment: String,
}

/// A complete, verified backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Backup {
    /// Its identity.
    pub id: BackupId,
    /// The repository that holds it.
    pub repository: RepositoryId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The database that it was made of.
    pub database: DatabaseName,
    /// What it holds.
    pub format: BackupFormat,
    /// `<database>_<UTC time>.zip` or `.dump`, as Odoo names them.
    pub file_name: String,
    /// Size of the downloadable file.
    pub size_bytes: u64,
    /// What it added to the repository, compressed and deduplicated.
    pub stored_bytes: u64,
    /// SHA-256 of `dump.sql` or of the custom dump, in hexadecimal.
    pub dump_sha256: String,
    /// Size of `dump.sql` or of the custom dump.
    pub dump_bytes: u64,
    /// The files of attachments; `None` for a database-only backup.
    pub attachments: Option<Attachments>,
    /// Odoo's version, such as `18.0`.
    pub odoo_version: Option<String>,
    /// The PostgreSQL server's version.
    pub postgres_version: Option<String>,
    /// What was written when it was made.
    pub comment: String,
}

/// The files of attachments in a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attachments {
    /// Distinct files that the database refers to, and those in the backup that it does not refer to.
    pub expected: u64,
    /// Of those, in the backup. Read directly, the backup holds only files that the database refers to; a zip that Odoo
    /// made holds the whole filestore, and what came in it is kept.
    pub present: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Names (`xx/<sha1>`) of missing files: the first 100.
    pub missing: Vec<String>,
}

impl Attachments {
    /// How many files are missing.
    pub const fn missing_count(&self) -> u64 {
        self.expected.saturating_sub(self.present)
    }
}

/// `POST /v1/repositories/{repository}/backups/{backup}/links`: a temporary link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateLink {
    /// Seconds until the link ends: 1 to 86,400; 900 when absent.
    #[serde(default = "CreateLink::default_lifetime")]
    pub expires_in_seconds: u32,
    /// How the zip is packed.
    #[serde(default)]
    pub compression: LinkCompression,
}

impl CreateLink {
    const fn default_lifetime() -> u32 {
        900
    }
}

impl Default for CreateLink {
    fn default() -> Self {
        Self { expires_in_seconds: Self::default_lifetime(), compression: LinkCompression::default() }
    }
}

/// How a zip is packed when it is downloaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LinkCompression {
    /// Entries as they are: the length is known and a cut download goes on where it stopped.
    #[default]
    Stored,
    /// What compresses is deflated: smaller, but its length is not known beforehand.
    Deflated,
}

/// A temporary link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DownloadLink {
    /// Identity, to revoke it with `DELETE /v1/links/{id}`.
    pub id: uuid::Uuid,
    /// Path below the server's own address, such as `/v1/downloads/…`.
    pub path: String,
    /// File name that a browser will save.
    pub file_name: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// `GET /v1/repositories/{repository}/recovery-kit`: how to read the repository with the stock `restic` program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryKit {
    /// The repository.
    pub repository: RepositoryId,
    /// What `restic -r` takes.
    pub location: String,
    /// The rescue password.
    pub password: Secret,
    /// The commands to use, as text.
    pub instructions: String,
}
