//! Keeps account of a backup while its files are read, on several threads at once.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use backup_api::{Failure, FailureCode, Phase, Progress};
use tokio_util::sync::CancellationToken;

use super::{
    content::ReportProgress,
    errors::StorageError,
    gate::Gate,
    inventory::{Inventory, Place},
};

/// Reports at most so often.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// What became of an attachment. There may be a million of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fate {
    /// To be read.
    #[default]
    Waiting,
    /// The previous backup holds it, with this CRC-32.
    Known(u32),
    /// Read to its end, with this CRC-32.
    Read(u32),
    /// It could not be read, and is not in the backup.
    LeftOut,
}

/// A file that was read to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) size: u64,
    pub(super) crc: u32,
}

/// All that became of the announced files.
#[derive(Default)]
pub(super) struct Accounts {
    files: Vec<Option<Counted>>,
    attachments: Vec<Fate>,
    /// The first attachment that was left out, and why.
    pub(super) first_left_out: Option<String>,
    pub(super) dump_sha256: Option<[u8; 32]>,
}

impl Accounts {
    /// Nothing is read yet; a fate for each attachment says what the previous backup holds.
    pub(super) fn new(inventory: &Inventory, attachments: Vec<Fate>) -> Self {
        Self { files: vec![None; inventory.file_count()], attachments, ..Self::default() }
    }

    /// The CRC-32 of a file that is in the backup.
    pub(super) fn crc(&self, place: Place) -> Option<u32> {
        match place {
            Place::File(file) => self.files[file].map(|counted| counted.crc),
            Place::Attachment(file) => match self.attachments[file] {
                Fate::Known(crc) | Fate::Read(crc) => Some(crc),
                Fate::Waiting | Fate::LeftOut => None,
            },
        }
    }

    /// The bytes of a file that is in the backup.
    pub(super) fn size(&self, place: Place, inventory: &Inventory) -> Option<u64> {
        match place {
            Place::File(file) => self.files[file].map(|counted| counted.size),
            Place::Attachment(_) => self.crc(place).and_then(|_| inventory.size(place)),
        }
    }

    /// The files that are in the backup, in order, with their bytes.
    pub(super) fn kept(&self, inventory: &Inventory) -> impl Iterator<Item = (Place, u64)> {
        inventory.places().filter_map(|place| Some((place, self.size(place, inventory)?)))
    }

    /// The attachments that were left out.
    pub(super) fn left_out(&self) -> impl Iterator<Item = Place> {
        let left_out = |(fate, place): (&Fate, usize)| (*fate == Fate::LeftOut).then_some(Place::Attachment(place));
        self.attachments.iter().zip(0..).filter_map(left_out)
    }

    /// Whether an attachment's file is in the backup.
    pub(super) fn have_attachments(&self) -> bool {
        self.attachments.iter().any(|fate| matches!(fate, Fate::Known(_) | Fate::Read(_)))
    }

    fn settle(&mut self, place: Place, counted: Counted) {
        match place {
            Place::File(file) => self.files[file] = Some(counted),
            Place::Attachment(file) => self.attachments[file] = Fate::Read(counted.crc),
        }
    }
}

/// The account book of one backup.
pub(super) struct Ledger {
    gate: Arc<Gate>,
    cancel: CancellationToken,
    state: Mutex<State>,
    settled: Condvar,
    report: ReportProgress,
}

struct State {
    accounts: Accounts,
    /// Files that were announced as to be read, and are neither read nor given up.
    pending: usize,
    dump_done: bool,
    dump: Progress,
    filestore: Progress,
    reported: Option<Instant>,
}

impl Ledger {
    pub(super) fn new(
        inventory: &Inventory,
        accounts: Accounts,
        gate: Arc<Gate>,
        cancel: CancellationToken,
        report: ReportProgress,
    ) -> Self {
        let dump = inventory.dump();
        let to_read = inventory.places().filter(|place| *place != dump && accounts.crc(*place).is_none());
        let filestore = to_read.filter_map(|place| inventory.size(place)).sum();
        let state = State {
            accounts,
            pending: 0,
            dump_done: false,
            dump: Progress { done_bytes: 0, total_bytes: inventory.size(dump) },
            filestore: Progress { done_bytes: 0, total_bytes: Some(filestore) },
            reported: None,
        };
        Self { gate, cancel, state: Mutex::new(state), settled: Condvar::new(), report }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the previous backup holds a file.
    pub(super) fn is_known(&self, place: Place) -> bool {
        self.state().accounts.crc(place).is_some()
    }

    /// Announces a file that will be read.
    pub(super) fn expect(&self) {
        self.state().pending += 1;
    }

    /// Whether reading must stop: cancelled, or another file failed.
    pub(super) fn must_stop(&self) -> bool {
        if self.cancel.is_cancelled() {
            self.gate.fail(StorageError::Cancelled);
        }
        self.gate.has_failed()
    }

    /// Counts bytes and reports them, now and then.
    pub(super) fn advance(&self, bytes: u64, is_dump: bool) {
        let mut state = self.state();
        let progress = if is_dump { &mut state.dump } else { &mut state.filestore };
        progress.done_bytes += bytes;
        let now = Instant::now();
        if state.reported.is_some_and(|last| now.duration_since(last) < REPORT_EVERY) {
            return;
        }
        state.reported = Some(now);
        let (phase, progress) =
            if state.dump_done { (Phase::Filestore, state.filestore) } else { (Phase::Database, state.dump) };
        drop(state);
        (self.report)(phase, progress);
    }

    /// A file was read to its end, and is what it was announced to be; the dump comes with its SHA-256.
    pub(super) fn settle_read(&self, place: Place, counted: Counted, dump_sha256: Option<[u8; 32]>) {
        let mut state = self.state();
        state.accounts.settle(place, counted);
        state.pending -= 1;
        if dump_sha256.is_some() {
            state.accounts.dump_sha256 = dump_sha256;
            state.dump_done = true;
        }
        drop(state);
        self.settled.notify_all();
    }

    /// A file could not be read. An attachment of a live database is left out; any other ends the backup.
    pub(super) fn settle_failed(&self, place: Place, path: &str, may_be_missing: bool, cause: &str) {
        let left_out = match place {
            Place::Attachment(file) if may_be_missing && !self.must_stop() => Some(file),
            _ => None,
        };
        if let Some(file) = left_out {
            tracing::warn!(path, cause, "Left out {path}: {cause}");
            let mut state = self.state();
            state.accounts.attachments[file] = Fate::LeftOut;
            state.accounts.first_left_out.get_or_insert_with(|| format!("{path}: {cause}"));
        } else {
            let message = format!("“{path}” could not be read from the source: {cause}.");
            self.gate.fail(StorageError::Source(Failure { code: FailureCode::Incomplete, message }));
        }
        self.state().pending -= 1;
        self.settled.notify_all();
    }

    /// Waits until no announced file is pending any more; false when the backup failed meanwhile.
    pub(super) fn wait_for_all(&self) -> bool {
        drop(self.settled.wait_while(self.state(), |state| state.pending > 0).unwrap_or_else(PoisonError::into_inner));
        !self.gate.has_failed()
    }

    /// The CRC-32s of some files, where there are any.
    pub(super) fn crcs(&self, places: impl Iterator<Item = Place>) -> Vec<(Place, u32)> {
        let state = self.state();
        places.filter_map(|place| Some((place, state.accounts.crc(place)?))).collect()
    }

    /// What became of the files, once nothing is read any more.
    pub(super) fn close(&self) -> Accounts {
        std::mem::take(&mut self.state().accounts)
    }

    /// Says that only comparing is left.
    pub(super) fn report_verifying(&self) {
        (self.report)(Phase::Verifying, Progress::default());
    }
}
