//! Files from elsewhere that become backups: uploads in chunks, and URLs that the server fetches.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{BackupId, DatabaseName, JobId, RepositoryId, Secret, UploadId};

/// A file that arrives in chunks, by the tus protocol 1.0 (core, creation, checksum, expiration, termination).
///
/// `POST /v1/repositories/{repository}/uploads` makes one (`Upload-Length`; `Upload-Metadata` with `filename` and, so
/// that making it can be repeated, `id`) and answers its `Location`, `/v1/uploads/{id}`. There, `PATCH` appends a chunk
/// of at most 1,048,576 bytes at `Upload-Offset`, `HEAD` tells the offset, `GET` answers this, `DELETE` ends it.
///
/// Beyond tus: a `PATCH` with the header `Holdfast-Ahead: 1` may begin up to 16 MiB beyond the offset, so that several
/// chunks are under way at once where an answer takes long. Each is written where it belongs; the `Upload-Offset` that is
/// answered is that up to which nothing is missing. After any failure, the client asks for the offset and goes on there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Upload {
    /// Its identity.
    pub id: UploadId,
    /// The repository that it is for; no other can import it.
    pub repository: RepositoryId,
    /// The file's own name, which ends in `.zip` or `.dump`.
    pub file_name: String,
    /// Bytes of the whole file: 1 to 999,999,999, unless the server is set otherwise.
    pub length: u64,
    /// Bytes that have arrived and are on disk.
    pub offset: u64,
    /// When it is removed if nothing more arrives and nothing imports it.
    pub expires_at: DateTime<Utc>,
}

impl Upload {
    /// The most bytes of a chunk: 1 MiB.
    pub const CHUNK_BYTES: u64 = 1_048_576;
    /// With this header, a chunk may come before those in front of it.
    pub const AHEAD_HEADER: &str = "Holdfast-Ahead";
    /// How far beyond the offset such a chunk may end: 16 MiB.
    pub const AHEAD_BYTES: u64 = 16 * Self::CHUNK_BYTES;
    /// An upload has fewer bytes than this; larger files come by URL.
    pub const LIMIT_BYTES: u64 = 1_000_000_000;

    /// Whether all of it has arrived.
    pub const fn is_complete(&self) -> bool {
        self.offset == self.length
    }
}

/// `POST /v1/repositories/{repository}/imports`: check a file and make a backup of it; answers 202 with the
/// [`crate::Job`]. The repository is made when it is the first. Sending the same job again answers that job.
///
/// A file that is no whole backup of Odoo fails the job with the reason, and nothing is kept of it. An upload is removed
/// when its import succeeded, or when its content was refused; after any other failure it can be imported again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartImport {
    /// Identity of the work.
    pub job: JobId,
    /// Identity that the backup will have.
    pub backup: BackupId,
    /// Where the file is.
    pub from: ImportSource,
    /// The database that the backup is named after.
    pub database: DatabaseName,
    /// Kept with the backup.
    #[serde(default)]
    pub comment: String,
}

/// Where a file to import is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ImportSource {
    /// It was uploaded, and all of it is there.
    Upload {
        /// The upload.
        upload: UploadId,
    },
    /// The server fetches it.
    Url {
        /// `http` or `https`; may hold a user and a password, so it is never written to a log.
        url: Secret,
        /// The file's name, which tells its format; when absent, what the answer or the address says.
        #[serde(default)]
        file_name: Option<String>,
    },
}
