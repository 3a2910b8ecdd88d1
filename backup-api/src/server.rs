//! What a backup server says of itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// `GET /v1/server`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServerInfo {
    /// Version of the program.
    pub version: String,
    /// When the process started.
    pub started_at: DateTime<Utc>,
    /// The disk that holds the repositories.
    pub space: Space,
    /// Repositories on it.
    pub repositories: u64,
    /// Versions of `pg_dump` that are installed, the newest first.
    pub pg_dump_versions: Vec<String>,
    /// Jobs that run at the moment.
    pub running_jobs: u64,
    /// Jobs that wait.
    pub queued_jobs: u64,
    /// An upload has fewer bytes than this.
    #[serde(default = "ServerInfo::default_upload_limit")]
    pub upload_limit_bytes: u64,
    /// A file at a URL has at most so many bytes.
    #[serde(default)]
    pub url_limit_bytes: Option<u64>,
    /// The most memory that the process has had resident, where the system tells.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
}

impl ServerInfo {
    const fn default_upload_limit() -> u64 {
        crate::Upload::LIMIT_BYTES
    }
}

/// Space on a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Space {
    /// Size of the disk.
    pub total_bytes: u64,
    /// Free for this server.
    pub free_bytes: u64,
    /// Used by the repositories.
    pub repositories_bytes: u64,
}
