//! Stands between the storage library and the repository while a backup is made.
//!
//! The library only logs an error of a reader, leaves the file out and writes its snapshot all the same. So its own
//! snapshots never pass: the one snapshot of a backup is written after everything was compared, through an open gate.

use std::{
    fmt, io,
    sync::{
        Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rustic_core::{ErrorKind, FileType, Id, RusticError, RusticResult};

use super::errors::{During as _, StorageError};
use crate::{disk, jobs::size};

/// Whether snapshots may be written, what went wrong first, and how much was written.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: AtomicBool,
    failed: AtomicBool,
    failure: Mutex<Option<StorageError>>,
    written: AtomicU64,
    files: Mutex<Vec<(FileType, Id)>>,
    /// Set when the backup is over; shared by whoever writes a file at the moment.
    over: RwLock<bool>,
    room: Option<AtomicU64>,
    reserve: Option<Reserve>,
}

/// Tells how much of the disk is free.
pub(super) type AskFree = Box<dyn Fn() -> io::Result<u64> + Send + Sync>;

/// What stays free on the disk while a backup is written.
struct Reserve {
    bytes: u64,
    ask: AskFree,
    /// Bytes between two questions.
    step: u64,
    since: AtomicU64,
}

impl fmt::Debug for Reserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reserve({})", self.bytes)
    }
}

impl Reserve {
    /// Looks at the disk before the first bytes, and again after each step.
    fn check(&self, bytes: u64, written: u64) -> Result<(), StorageError> {
        if self.since.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes) < self.step {
            return Ok(());
        }
        self.since.store(0, Ordering::SeqCst);
        let free = (self.ask)().during("written")?;
        if free >= self.bytes.saturating_add(bytes) {
            return Ok(());
        }
        let need = format!("more than {}", size(written.saturating_add(bytes)));
        Err(StorageError::Reserve(disk::no_room(&need, free, self.bytes)))
    }
}

impl Gate {
    /// For a backup: the library's snapshot files are dropped without a word until [`Self::open`].
    pub(super) fn closed() -> Self {
        Self { closed: AtomicBool::new(true), ..Self::default() }
    }

    /// Keeps so many bytes of the disk free: asks for the free space before the first bytes and after each step.
    pub(super) fn keeping(self, bytes: u64, step: u64, ask: AskFree) -> Self {
        Self { reserve: Some(Reserve { bytes, ask, step, since: AtomicU64::new(step) }), ..self }
    }

    /// A disk with so much room, to be seen full in a test.
    #[cfg(test)]
    pub(super) fn closed_with_room(bytes: u64) -> Self {
        Self { room: Some(AtomicU64::new(bytes)), ..Self::closed() }
    }

    /// Lets snapshots pass, unless something failed.
    pub(super) fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }

    /// Remembers the first failure; from now on no snapshot passes.
    pub(super) fn fail(&self, failure: StorageError) {
        self.failed.store(true, Ordering::SeqCst);
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    /// Whether something failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// The first failure, as an error.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        if !self.has_failed() {
            return Ok(());
        }
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(failure.unwrap_or_else(|| StorageError::Internal("a failure was reported twice".to_owned())))
    }

    /// Whether a snapshot file is written (or dropped); an error when something failed.
    pub(super) fn lets_snapshots_pass(&self) -> RusticResult<bool> {
        if self.has_failed() {
            return Err(RusticError::new(ErrorKind::Repository, "the backup failed; its snapshot is not written"));
        }
        Ok(!self.closed.load(Ordering::SeqCst))
    }

    /// Counts bytes about to be written.
    pub(super) fn claim(&self, bytes: u64) -> io::Result<()> {
        if let Some(room) = &self.room
            && room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(bytes)).is_err()
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Some(Err(failure)) = self.reserve.as_ref().map(|reserve| reserve.check(bytes, self.written())) {
            let told = io::Error::new(io::ErrorKind::StorageFull, failure.to_string());
            self.fail(failure);
            return Err(told);
        }
        self.written.fetch_add(bytes, Ordering::SeqCst);
        Ok(())
    }

    /// Remembers a file that is about to be written; to be held until it is.
    pub(super) fn note(&self, tpe: FileType, id: Id) -> io::Result<RwLockReadGuard<'_, bool>> {
        let over = self.over.read().unwrap_or_else(PoisonError::into_inner);
        if *over {
            return Err(io::Error::other("the backup is over"));
        }
        self.files.lock().unwrap_or_else(PoisonError::into_inner).push((tpe, id));
        Ok(over)
    }

    /// Lets nothing more be written, waits for what is being written (the library's threads live on after it has given
    /// up), and gives all files that were.
    pub(super) fn end(&self) -> Vec<(FileType, Id)> {
        *self.over.write().unwrap_or_else(PoisonError::into_inner) = true;
        std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
}
