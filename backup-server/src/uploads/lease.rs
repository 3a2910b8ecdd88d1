//! A complete upload, kept for an import.

use std::{path::PathBuf, sync::Arc};

use backup_api::{BackupFormat, JobId, Upload};

use super::arrival::Arrival;

/// While there is one, the upload is neither removed nor given to another import.
pub(crate) struct Lease {
    arrival: Arc<Arrival>,
    upload: Upload,
    _holder: Arc<JobId>,
}

impl Lease {
    pub(super) const fn new(arrival: Arc<Arrival>, upload: Upload, holder: Arc<JobId>) -> Self {
        Self { arrival, upload, _holder: holder }
    }

    /// What it is.
    pub const fn upload(&self) -> &Upload {
        &self.upload
    }

    /// By the name.
    pub fn format(&self) -> BackupFormat {
        self.arrival.format
    }

    /// Where its bytes are.
    pub fn path(&self) -> PathBuf {
        self.arrival.path(self.upload.id)
    }

    /// Removes the upload: it became a backup, or will never be one.
    pub async fn remove(self) {
        let id = self.upload.id;
        if let Err(error) = self.arrival.remove().await {
            // The sweep removes it later.
            tracing::warn!(upload.id = %id, %error, "Could not remove upload {id}");
        }
    }
}
