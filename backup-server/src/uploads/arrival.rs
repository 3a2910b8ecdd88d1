//! One upload: who may write to it, how far it is, and how much of that is on disk for certain.
//!
//! Chunks are written at once and synced some at a time, behind the next ones. After a crash the upload stands where the
//! last sync was; an upload is complete only when all of it is synced.

use std::{
    fs::File,
    num::NonZeroU64,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, TryLockError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use backup_api::{BackupFormat, JobId, Upload, UploadId};
use chrono::{DateTime, Utc};
use rustix::fs::Advice;
use tokio::sync::OwnedMutexGuard;

use super::{
    ahead::Ahead,
    journal::{Journal, Record},
    kind::{HEAD, expect_format},
    lease::Lease,
    pieces::Pieces,
    refusals,
};
use crate::router::{Answer, Refusal};

/// Bytes between two syncs: a sync of each chunk would make an upload several times slower.
const SYNC_STEP: u64 = 8 << 20;
/// Bytes behind the beginning of the last sync at which a chunk waits for it. A crash loses no more than these and those
/// of the sync.
const MOST_UNSYNCED: u64 = 2 * SYNC_STEP;

/// One upload.
pub(super) struct Arrival {
    pub format: BackupFormat,
    journal: Journal,
    /// Whoever writes, or asks how far it is, waits for the one before.
    writing: Arc<tokio::sync::Mutex<Writing>>,
    /// Bytes on disk for certain; held while that is brought about.
    synced: Mutex<u64>,
    /// A sync failed: what was written since the last one counts for nothing.
    fell_back: AtomicBool,
    /// As in `writing`, for those who cannot wait.
    arrived: AtomicU64,
    /// Its bytes were removed.
    is_over: AtomicBool,
    length: u64,
    /// The import that uses it.
    held: Mutex<Weak<JobId>>,
}

/// What changes while it arrives.
pub(super) struct Writing {
    record: Record,
    /// `None` when its bytes were removed.
    file: Option<Arc<File>>,
    ahead: Ahead,
    sync_begun: u64,
}

/// A chunk as it came.
pub(super) struct Chunk {
    pub offset: u64,
    pub pieces: Pieces,
    /// It does not have its checksum.
    pub is_damaged: bool,
    /// The client knows that it may come before those in front of it.
    pub ahead: bool,
}

impl Chunk {
    const fn end(&self) -> u64 {
        self.offset.saturating_add(self.pieces.len() as u64)
    }
}

impl Arrival {
    /// One whose file is there, or was removed.
    pub fn new(journal: Journal, record: Record, format: BackupFormat, file: Option<File>) -> Self {
        let (offset, length) = (record.upload.offset, record.upload.length);
        let (is_over, file) = (file.is_none(), file.map(Arc::new));
        Self {
            format,
            journal,
            writing: Arc::new(tokio::sync::Mutex::new(Writing {
                record,
                file,
                ahead: Ahead::default(),
                sync_begun: offset,
            })),
            synced: Mutex::new(offset),
            fell_back: AtomicBool::new(false),
            arrived: AtomicU64::new(offset),
            is_over: AtomicBool::new(is_over),
            length,
            held: Mutex::default(),
        }
    }

    /// What is known of it.
    pub async fn record(self: &Arc<Self>, now: DateTime<Utc>) -> Answer<Record> {
        self.open(now).await.map(|writing| writing.record.clone())
    }

    /// Waits for its turn, unless the upload is over.
    async fn open(self: &Arc<Self>, now: DateTime<Utc>) -> Answer<OwnedMutexGuard<Writing>> {
        let mut writing = Arc::clone(&self.writing).lock_owned().await;
        if writing.record.expired || (self.is_outdated(&writing, now)) {
            return Err(refusals::expired());
        }
        if writing.file.is_none() {
            return Err(refusals::unknown(writing.record.upload.id));
        }
        if self.fell_back.swap(false, Ordering::SeqCst) {
            let synced = *self.synced();
            (writing.record.upload.offset, writing.sync_begun) = (synced, synced);
            writing.ahead.forget();
            self.arrived.store(synced, Ordering::SeqCst);
        }
        Ok(writing)
    }

    fn is_outdated(&self, writing: &Writing, now: DateTime<Utc>) -> bool {
        writing.record.upload.expires_at <= now && !self.is_held()
    }

    /// Writes a chunk where it belongs; answers how far the upload is whole then.
    pub async fn append(
        self: &Arc<Self>,
        chunk: Chunk,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Answer<Upload> {
        let writing = self.open(now).await?;
        let stands_at = writing.record.upload.offset;
        let is_next = chunk.offset == stands_at;
        let may_come_now = is_next || (chunk.ahead && writing.ahead.has_room(stands_at, chunk.offset, chunk.end()));
        if !may_come_now {
            return Err(refusals::wrong_offset(stands_at));
        }
        if chunk.end() > self.length {
            return Err(refusals::more_than_announced(self.length));
        }
        let arrival = Arc::clone(self);
        // The turn goes along: whoever waits for the answer may go away, the write does not.
        let work = tokio::task::spawn_blocking(move || arrival.write(writing, &chunk, expires_at));
        work.await.map_err(|error| Refusal::internal("The chunk could not be written", &error))?
    }

    fn write(
        self: Arc<Self>,
        mut writing: OwnedMutexGuard<Writing>,
        chunk: &Chunk,
        expires_at: DateTime<Utc>,
    ) -> Answer<Upload> {
        if chunk.is_damaged {
            return Err(refusals::bad_checksum());
        }
        if chunk.offset == 0 {
            expect_format(self.format, &chunk.pieces.head(HEAD)).map_err(Refusal::invalid)?;
        }
        let Some(file) = writing.file.clone() else { return Err(refusals::unknown(writing.record.upload.id)) };
        if !chunk.ahead {
            // Who sends one chunk after the other reckons on the offset being after the last one.
            writing.ahead.forget();
        }
        chunk.pieces.write_at(&file, chunk.offset).map_err(|error| refusals::disk(&error))?;
        writing.ahead.keep(chunk.offset, chunk.end());
        let offset = writing.record.upload.offset;
        writing.record.upload.offset = writing.ahead.follow(offset);
        writing.record.upload.expires_at = expires_at;
        let upload = writing.record.upload.clone();
        self.arrived.store(upload.offset, Ordering::SeqCst);
        let unsynced = upload.offset - writing.sync_begun;
        if upload.is_complete() || unsynced >= MOST_UNSYNCED {
            writing.sync_begun = upload.offset;
            let synced = self.synced();
            self.sync(synced, &file, &writing.record)?;
        } else if unsynced >= SYNC_STEP {
            self.sync_behind(&mut writing, file);
        }
        Ok(upload)
    }

    /// Syncs while the next chunks come; not at all while the last sync is still at work.
    fn sync_behind(self: &Arc<Self>, writing: &mut Writing, file: Arc<File>) {
        if let Err(TryLockError::WouldBlock) = self.synced.try_lock() {
            return;
        }
        writing.sync_begun = writing.record.upload.offset;
        let (arrival, record) = (Arc::clone(self), writing.record.clone());
        drop(tokio::task::spawn_blocking(move || {
            let synced = arrival.synced();
            // A failure is told to whoever asks next.
            arrival.sync(synced, &file, &record).ok()
        }));
    }

    /// Makes certain that all bytes up to the record's offset are on disk, then notes it.
    fn sync(&self, mut synced: std::sync::MutexGuard<'_, u64>, file: &File, record: &Record) -> Answer<()> {
        let offset = record.upload.offset;
        if self.is_over.load(Ordering::SeqCst) {
            return Err(refusals::unknown(record.upload.id));
        }
        if *synced >= offset && !record.upload.is_complete() {
            return Ok(());
        }
        file.sync_data().and_then(|()| self.journal.save(record)).map_err(|error| {
            self.fell_back.store(true, Ordering::SeqCst);
            refusals::disk(&error)
        })?;
        leave_cache(file, *synced, offset);
        *synced = offset;
        Ok(())
    }

    /// Notes how far it is, before the server ends.
    pub async fn settle(self: &Arc<Self>) {
        let writing = Arc::clone(&self.writing).lock_owned().await;
        let Some(file) = writing.file.clone() else { return };
        let arrival = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || arrival.sync(arrival.synced(), &file, &writing.record).is_ok());
        if !work.await.unwrap_or_default() {
            tracing::warn!("An upload could not be synced; it will go on from where the last sync was");
        }
    }

    /// Bytes that have not come yet; `None` when none are waited for any more.
    pub fn outstanding(&self) -> Option<u64> {
        let is_over = self.is_over.load(Ordering::SeqCst);
        (!is_over).then(|| self.length - self.arrived.load(Ordering::SeqCst))
    }

    /// Keeps it for an import; the same import may ask again.
    pub async fn hold(self: &Arc<Self>, job: JobId, now: DateTime<Utc>) -> Answer<Lease> {
        let writing = self.open(now).await?;
        let upload = &writing.record.upload;
        if !upload.is_complete() {
            return Err(refusals::incomplete(upload));
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = match held.upgrade() {
            Some(holder) if *holder == job => holder,
            Some(_) => return Err(refusals::in_use()),
            None => Arc::new(job),
        };
        *held = Arc::downgrade(&holder);
        Ok(Lease::new(Arc::clone(self), upload.clone(), holder))
    }

    /// Whether an import uses it.
    pub fn is_held(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).strong_count() > 0
    }

    /// Where its bytes are.
    pub fn path(&self, id: UploadId) -> PathBuf {
        self.journal.part(id)
    }

    /// Removes all of it. An import that uses it may do that.
    pub async fn remove(self: &Arc<Self>) -> std::io::Result<()> {
        let mut writing = Arc::clone(&self.writing).lock_owned().await;
        let arrival = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            // A sync that is still at work would write its note anew.
            let _synced = arrival.synced();
            arrival.is_over.store(true, Ordering::SeqCst);
            writing.file = None;
            arrival.journal.remove(writing.record.upload.id)
        });
        work.await.map_err(std::io::Error::other)?
    }

    /// Removes the bytes when it is past its time, later the note, too; false when nothing is left of it.
    pub fn sweep(&self, now: DateTime<Utc>, later: DateTime<Utc>) -> std::io::Result<bool> {
        // One that is being written to is not past its time.
        let Ok(mut writing) = self.writing.try_lock() else { return Ok(true) };
        let id = writing.record.upload.id;
        if writing.file.is_none() && !writing.record.expired {
            return Ok(false);
        }
        if !self.is_outdated(&writing, now) {
            return Ok(true);
        }
        if writing.record.expired {
            self.journal.remove(id)?;
            return Ok(false);
        }
        tracing::info!(upload.id = %id, "Removed upload {id}: nothing more of it arrived, and nothing imported it");
        let _synced = self.synced();
        self.journal.remove_part(id)?;
        writing.file = None;
        self.is_over.store(true, Ordering::SeqCst);
        writing.record.expired = true;
        writing.record.upload.expires_at = later;
        self.journal.save(&writing.record)?;
        Ok(true)
    }

    fn synced(&self) -> std::sync::MutexGuard<'_, u64> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is on disk need not be in memory as well: a large upload would push the databases' pages out of it, and one that
/// takes pages anew for each chunk is slower.
fn leave_cache(file: &File, start: u64, end: u64) {
    let length = NonZeroU64::new(end.saturating_sub(start));
    // It is a hint: without it all works the same.
    let _ = rustix::fs::fadvise(file, start, length, Advice::DontNeed);
}
