//! Removals: many backups of a repository go at once, and the space that only they used is freed once for all.

use serde::{Deserialize, Serialize};

use crate::{BackupId, JobId};

/// `POST /v1/repositories/{repository}/removals`: remove backups; answers 202 with the [`crate::Job`], whose `removed`
/// names those that are gone. One that was gone before counts as removed. Sending the same job again answers that job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StartRemoval {
    /// Identity of the work.
    pub job: JobId,
    /// What to remove: 1 to 1,000 backups.
    pub backups: Vec<BackupId>,
}

impl StartRemoval {
    /// The most backups of one removal.
    pub const MOST: usize = 1000;
}
