//! Results on disk: `<repository>.json`, the last one of each repository.

use std::{io, path::PathBuf};

use backup_api::{RepositoryId, Verification};

use crate::durable;

/// The folder of results.
#[derive(Clone, Debug)]
pub(crate) struct Verifications {
    folder: PathBuf,
}

impl Verifications {
    /// The results in an existing folder.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The last result of a repository. One that cannot be read counts as none: the repository is verified again.
    pub fn last(&self, repository: RepositoryId) -> io::Result<Option<Verification>> {
        let Some(json) = durable::read(&self.path(repository))? else { return Ok(None) };
        Ok(serde_json::from_slice(&json)
            .inspect_err(|error| tracing::warn!(repository.id = %repository, %error, "An unreadable verification"))
            .ok())
    }

    /// Keeps a result in place of the one before.
    pub fn save(&self, repository: RepositoryId, verification: &Verification) -> io::Result<()> {
        durable::write(&self.path(repository), &serde_json::to_vec_pretty(verification)?)
    }

    fn path(&self, repository: RepositoryId) -> PathBuf {
        self.folder.join(format!("{repository}.json"))
    }
}
