//! Verifications: all of a repository is read and compared with its checksums, so that damage is found before the
//! backup is needed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::JobId;

/// `POST /v1/repositories/{repository}/verification`: verify a repository now; answers 202 with the [`crate::Job`].
/// Sending the same job again answers that job. The server does this by itself, too, as often as it is set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartVerification {
    /// Identity of the work.
    pub job: JobId,
}

/// `GET /v1/repositories/{repository}/verification`: what is known of a repository's soundness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerificationState {
    /// The last one that came to its end.
    pub last: Option<Verification>,
    /// When the next one is due; `None` when this server does none by itself.
    pub due_at: Option<DateTime<Utc>>,
}

/// A verification that came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verification {
    /// When it began; what came later was not looked at.
    pub began_at: DateTime<Utc>,
    /// When it had read everything.
    pub ended_at: DateTime<Utc>,
    /// Bytes of the repository.
    pub bytes: u64,
    /// Sentences about what is damaged, the first 100; none when all is well.
    pub problems: Vec<String>,
}
