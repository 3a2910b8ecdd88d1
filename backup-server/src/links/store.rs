//! The links of this server until they end, kept across restarts; a revoked one stays known as revoked.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Grant, TokenError};
use crate::{config::Clock, durable};

/// Whether a link with a right signature may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    Usable,
    Expired,
    Revoked,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Known {
    expires_at: DateTime<Utc>,
    revoked: bool,
}

type Table = BTreeMap<Uuid, Known>;

/// Makes, checks and revokes links.
pub(crate) struct Links {
    key: [u8; 32],
    file: PathBuf,
    clock: Clock,
    table: Mutex<Table>,
    /// One writer at a time, so that an older state never replaces a newer one.
    writing: tokio::sync::Mutex<()>,
}

impl Links {
    /// Reads the links that are kept in `file`.
    pub fn load(file: PathBuf, key: [u8; 32], clock: Clock) -> io::Result<Self> {
        let table = durable::read(&file)?.map(|bytes| serde_json::from_slice(&bytes)).transpose()?.unwrap_or_default();
        Ok(Self { key, file, clock, table: Mutex::new(table), writing: tokio::sync::Mutex::default() })
    }

    /// The end of a link that is made now, to the second.
    pub fn end_after(&self, lifetime: TimeDelta) -> DateTime<Utc> {
        let end = self.clock.now() + lifetime;
        DateTime::from_timestamp(end.timestamp(), 0).unwrap_or(end)
    }

    /// Keeps a link and gives its token.
    pub async fn make(&self, grant: &Grant) -> io::Result<String> {
        let known = Known { expires_at: grant.expires_at, revoked: false };
        self.table().insert(grant.link, known);
        self.save().await?;
        Ok(grant.sign(&self.key))
    }

    /// Ends a link; `false` when it is not known (any more).
    pub async fn revoke(&self, link: Uuid) -> io::Result<bool> {
        let found = self.table().get_mut(&link).map(|known| known.revoked = true).is_some();
        if found {
            self.save().await?;
        }
        Ok(found)
    }

    /// What a token grants, and whether it may be used now.
    pub fn check(&self, token: &str) -> Result<(Grant, LinkState), TokenError> {
        let grant = Grant::verify(token, &self.key)?;
        let state = if self.clock.now() >= grant.expires_at {
            LinkState::Expired
        } else if self.table().get(&grant.link).is_none_or(|known| known.revoked) {
            // One with a right signature that is not known was made before the list was lost: it cannot be revoked.
            LinkState::Revoked
        } else {
            LinkState::Usable
        };
        Ok((grant, state))
    }

    async fn save(&self) -> io::Result<()> {
        let _writing = self.writing.lock().await;
        let bytes = {
            let mut table = self.table();
            let now = self.clock.now();
            table.retain(|_, known| known.expires_at > now);
            serde_json::to_vec(&*table)?
        };
        let file = self.file.clone();
        tokio::task::spawn_blocking(move || durable::write(&file, &bytes)).await.map_err(io::Error::other)?
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    };

    use backup_api::{BackupId, LinkCompression, RepositoryId};

    use super::*;

    #[tokio::test]
    async fn links_end_on_time_or_when_revoked_and_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("links.json");
        let seconds = Arc::new(AtomicI64::new(1_800_000_000));
        let shown = Arc::clone(&seconds);
        let clock = Clock::new(move || DateTime::from_timestamp(shown.load(Ordering::SeqCst), 0).unwrap());
        let links = Links::load(file.clone(), [1; 32], clock.clone()).unwrap();
        let grant = |number| Grant {
            link: Uuid::from_u128(number),
            repository: RepositoryId(Uuid::nil()),
            backup: BackupId(Uuid::nil()),
            compression: LinkCompression::Stored,
            expires_at: links.end_after(TimeDelta::seconds(900)),
        };
        let (kept, revoked) = (links.make(&grant(1)).await.unwrap(), links.make(&grant(2)).await.unwrap());
        assert!(links.revoke(Uuid::from_u128(2)).await.unwrap());
        assert!(!links.revoke(Uuid::from_u128(3)).await.unwrap());
        let after_restart = Links::load(file.clone(), [1; 32], clock).unwrap();
        for links in [&links, &after_restart] {
            assert_eq!(links.check(&kept).unwrap(), (grant(1), LinkState::Usable));
            assert_eq!(links.check(&revoked).unwrap().1, LinkState::Revoked);
        }
        seconds.fetch_add(899, Ordering::SeqCst);
        assert_eq!(links.check(&kept).unwrap().1, LinkState::Usable);
        seconds.fetch_add(1, Ordering::SeqCst);
        assert_eq!(links.check(&kept).unwrap().1, LinkState::Expired);
        links.make(&grant(4)).await.unwrap();
        assert_eq!(links.table().len(), 1, "ended links are not kept");
    }
}
