//! Who may do what with a repository at the same time.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// The storage library itself locks nothing.
#[derive(Default)]
pub(super) struct Lock {
    /// Shared by whatever reads or adds, exclusive for whatever removes or repairs.
    pub(super) access: Arc<RwLock<()>>,
    /// Held by the one backup that is being made.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    /// Whether a prune waits for the repository.
    prune_waits: AtomicBool,
    /// Counts the beginnings and ends of changes.
    changes: AtomicU64,
    /// Bytes on disk after so many changes: a large repository has thousands of files to be added up.
    used: Mutex<Option<(u64, u64)>>,
}

/// How long to leave a repository to others before asking again to have it alone.
const ASK_AGAIN: Duration = Duration::from_millis(200);

impl Lock {
    /// Has the repository alone. Does not queue for it: behind whoever queues, all readers would have to wait until the
    /// slowest download has ended.
    pub(super) async fn exclusive(&self) -> OwnedRwLockWriteGuard<()> {
        loop {
            match Arc::clone(&self.access).try_write_owned() {
                Ok(alone) => return alone,
                Err(_) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    /// Notes that a prune waits; false when one does already.
    pub(super) fn queue_prune(&self) -> bool {
        !self.prune_waits.swap(true, Ordering::SeqCst)
    }

    /// Notes that the prune that waited begins: what is forgotten from now on needs another.
    pub(super) fn prune_begins(&self) {
        self.prune_waits.store(false, Ordering::SeqCst);
    }

    /// Notes that a change begins or ends.
    pub(super) fn changes(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Bytes on disk, added up by `count` only when something may have changed.
    pub(super) fn bytes_used(&self, count: impl FnOnce() -> io::Result<u64>) -> io::Result<u64> {
        let now = self.changes.load(Ordering::SeqCst);
        let known = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = known.filter(|(at, _)| *at == now) {
            return Ok(bytes);
        }
        let bytes = count()?;
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, bytes));
        Ok(bytes)
    }
}
