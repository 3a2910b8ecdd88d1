//! The uploads of a server.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use backup_api::{JobId, RepositoryId, Upload, UploadId};
use chrono::TimeDelta;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::{
    arrival::{Arrival, Chunk},
    journal::{Journal, Record},
    kind::Format,
    lease::Lease,
    refusals,
    tus::Metadata,
};
use crate::{config::Clock, disk, router::Answer, server::Parts};

/// The longest name of a file.
const NAME: usize = 255;
/// The most chunks that are in memory at once, of all uploads: 32 MiB. Who comes later waits, unread.
const CHUNKS: usize = 32;

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// An upload has fewer bytes.
    pub limit: u64,
    /// How long one is kept after its last chunk.
    pub kept_for: TimeDelta,
    /// How many there are at once.
    pub at_once: usize,
    /// Bytes of the disk that stay free.
    pub keep_free: u64,
}

/// The uploads of a server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Uploads(Arc<Inner>);

struct Inner {
    journal: Journal,
    settings: Settings,
    clock: Clock,
    arrivals: Mutex<HashMap<UploadId, Arc<Arrival>>>,
    /// One is made at a time, so that space is promised once.
    making: tokio::sync::Mutex<()>,
    chunks: Semaphore,
}

impl Uploads {
    /// Those in an existing folder.
    pub fn load(folder: PathBuf, settings: Settings, clock: Clock) -> io::Result<Self> {
        let journal = Journal::new(folder);
        let mut arrivals = HashMap::new();
        for record in journal.load()? {
            let id = record.upload.id;
            let Some(format) = Format::of_name(&record.upload.file_name) else { continue };
            let file = if record.expired { None } else { Some(journal.open(id)?) };
            arrivals.insert(id, Arc::new(Arrival::new(journal.clone(), record, format, file)));
        }
        let arrivals = Mutex::new(arrivals);
        let (making, chunks) = (tokio::sync::Mutex::default(), Semaphore::new(CHUNKS));
        Ok(Self(Arc::new(Inner { journal, settings, clock, arrivals, making, chunks })))
    }

    /// Begins an upload; asked again for the same, answers it as it is.
    pub(super) async fn create(&self, repository: RepositoryId, length: u64, metadata: Metadata) -> Answer<Upload> {
        let name = metadata.file_name.trim();
        let is_odd = |c: char| c.is_control() || matches!(c, '/' | '\\');
        let format = Format::of_name(name).filter(|_| name.len() <= NAME && !name.contains(is_odd));
        let format = format.ok_or_else(refusals::bad_name)?;
        if length == 0 {
            return Err(refusals::empty());
        }
        if length >= self.0.settings.limit {
            return Err(refusals::too_large(length, self.0.settings.limit));
        }
        let _making = self.0.making.lock().await;
        self.sweep().await;
        let id = metadata.id.unwrap_or_else(|| UploadId(Uuid::new_v4()));
        if let Some(known) = self.find(id) {
            let known = known.record(self.0.clock.now()).await?.upload;
            let is_same = (known.repository, known.length, known.file_name.as_str()) == (repository, length, name);
            return if is_same { Ok(known) } else { Err(refusals::other_upload()) };
        }
        self.check_room(length)?;
        let expires_at = self.0.clock.now() + self.0.settings.kept_for;
        let upload = Upload { id, repository, file_name: name.to_owned(), length, offset: 0, expires_at };
        let record = Record { upload: upload.clone(), metadata: metadata.raw, expired: false };
        let journal = self.0.journal.clone();
        let made = tokio::task::spawn_blocking(move || {
            let file = journal.create(&record)?;
            Ok(Arrival::new(journal, record, format, Some(file)))
        });
        let made = made.await.map_err(io::Error::other).flatten().map_err(|error| refusals::disk(&error))?;
        self.arrivals().insert(id, Arc::new(made));
        Ok(upload)
    }

    /// Whether one more of this length has room beside what is promised to the others.
    fn check_room(&self, length: u64) -> Answer<()> {
        let outstanding: Vec<u64> = self.arrivals().values().filter_map(|arrival| arrival.outstanding()).collect();
        let (open, promised) =
            (outstanding.len(), outstanding.iter().fold(0_u64, |sum, more| sum.saturating_add(*more)));
        let Settings { at_once, keep_free, .. } = self.0.settings;
        if open >= at_once {
            return Err(refusals::too_many(open));
        }
        let free = disk::space(self.0.journal.folder()).map_err(|error| refusals::disk(&error))?.free_bytes;
        if free < length.saturating_add(keep_free).saturating_add(promised) {
            return Err(refusals::no_space(length, free, keep_free, promised));
        }
        Ok(())
    }

    /// One upload, with its metadata.
    pub(super) async fn get(&self, id: UploadId) -> Answer<Record> {
        self.known(id)?.record(self.0.clock.now()).await
    }

    /// Waits until there is room in memory for one more chunk.
    pub(super) async fn room(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.0.chunks.acquire().await.ok()
    }

    /// Writes a chunk where it belongs.
    pub(super) async fn append(&self, id: UploadId, chunk: Chunk) -> Answer<Upload> {
        let now = self.0.clock.now();
        self.known(id)?.append(chunk, now, now + self.0.settings.kept_for).await
    }

    /// Ends an upload and removes what arrived.
    pub(super) async fn end(&self, id: UploadId) -> Answer<()> {
        let arrival = self.known(id)?;
        arrival.record(self.0.clock.now()).await?;
        if arrival.is_held() {
            return Err(refusals::in_use());
        }
        arrival.remove().await.map_err(|error| refusals::disk(&error))?;
        self.arrivals().remove(&id);
        Ok(())
    }

    /// Keeps a complete upload of a repository for an import.
    pub async fn hold(&self, id: UploadId, repository: RepositoryId, job: JobId) -> Answer<Lease> {
        let lease = self.known(id)?.hold(job, self.0.clock.now()).await?;
        // What another repository has is none of its business.
        if lease.upload().repository == repository { Ok(lease) } else { Err(refusals::unknown(id)) }
    }

    /// Removes what is past its time.
    pub async fn sweep(&self) {
        let uploads = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let now = uploads.0.clock.now();
            let all: Vec<_> = uploads.arrivals().iter().map(|(id, arrival)| (*id, Arc::clone(arrival))).collect();
            for (id, arrival) in all {
                match arrival.sweep(now, now + uploads.0.settings.kept_for) {
                    Ok(true) => {}
                    Ok(false) => drop(uploads.arrivals().remove(&id)),
                    Err(error) => tracing::warn!(upload.id = %id, %error, "Could not remove upload {id}"),
                }
            }
        });
        // A panic was told by its hook.
        drop(work.await);
    }

    /// Notes how far all uploads are, before the server ends.
    pub async fn settle(&self) {
        let all: Vec<_> = self.arrivals().values().map(Arc::clone).collect();
        for arrival in all {
            arrival.settle().await;
        }
    }

    fn known(&self, id: UploadId) -> Answer<Arc<Arrival>> {
        self.find(id).ok_or_else(|| refusals::unknown(id))
    }

    fn find(&self, id: UploadId) -> Option<Arc<Arrival>> {
        self.arrivals().get(&id).map(Arc::clone)
    }

    fn arrivals(&self) -> MutexGuard<'_, HashMap<UploadId, Arc<Arrival>>> {
        self.0.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sweeps for as long as the server is there.
pub(crate) async fn keep_sweeping(server: Weak<Parts>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(server) = server.upgrade() else { return };
        server.uploads.sweep().await;
    }
}
