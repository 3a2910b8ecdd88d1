//! The one shape of an error answer: `{"code": …, "message": …}` with a fitting HTTP status.

use serde::{Deserialize, Serialize};

/// What a refused request answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiError {
    /// For programs.
    pub code: ErrorCode,
    /// For administrators: what happened and what to do next.
    pub message: String,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum ErrorCode {
    /// No bearer token, or not this server's (401).
    Unauthorized,
    /// The request cannot be understood or breaks a rule (400).
    Invalid,
    /// No such repository, backup, job or link (404).
    NotFound,
    /// The same identity was used for something else, or the repository is busy (409).
    Conflict,
    /// A link that is past its time, revoked or altered (410 or 403).
    LinkExpired,
    /// An upload's chunk does not begin where the last one ended (409).
    WrongOffset,
    /// A chunk does not have the checksum that came with it (460, as tus says); it was not kept.
    BadChecksum,
    /// More bytes than allowed or announced (413).
    TooLarge,
    /// An upload that was removed because nothing more arrived (410).
    UploadExpired,
    /// Too little disk space (507).
    NoSpace,
    /// The storage does not answer or is damaged (503).
    StorageUnavailable,
    /// A fault of the server; its log has the cause (500).
    Internal,
    /// What only a later version of the API says.
    #[serde(other)]
    Other,
}
