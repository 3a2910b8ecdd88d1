//! Keeps account of a backup while its files are read, on several threads at once.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use backup_api::{Failure, FailureCode, Phase, Progress};
use tokio_util::sync::CancellationToken;

use super::{content::ReportProgress, errors::StorageError, gate::Gate};

/// Reports at most so often.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// A file that was read to its end. There may be a million of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    /// Its place among the announced files.
    pub(super) place: u32,
    pub(super) size: u64,
    pub(super) crc: u32,
}

/// All that became of the announced files.
#[derive(Default)]
pub(super) struct Accounts {
    pub(super) read: Vec<Counted>,
    /// Files that were left out, in no order.
    pub(super) missing: Vec<String>,
    pub(super) dump_sha256: Option<[u8; 32]>,
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
    pub(super) fn new(gate: Arc<Gate>, cancel: CancellationToken, report: ReportProgress) -> Self {
        let state = State {
            accounts: Accounts::default(),
            pending: 0,
            dump_done: false,
            dump: Progress::default(),
            filestore: Progress { done_bytes: 0, total_bytes: Some(0) },
            reported: None,
        };
        Self { gate, cancel, state: Mutex::new(state), settled: Condvar::new(), report }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces what will be read in all.
    pub(super) fn announce(&self, dump: Option<u64>, filestore: u64) {
        let mut state = self.state();
        state.dump.total_bytes = dump;
        state.filestore.total_bytes = Some(filestore);
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
    pub(super) fn settle_read(&self, counted: Counted, dump_sha256: Option<[u8; 32]>) {
        let mut state = self.state();
        state.accounts.read.push(counted);
        state.pending -= 1;
        if dump_sha256.is_some() {
            state.accounts.dump_sha256 = dump_sha256;
            state.dump_done = true;
        }
        drop(state);
        self.settled.notify_all();
    }

    /// A file could not be read. One that may be missing is left out; any other ends the backup.
    pub(super) fn settle_failed(&self, path: &str, may_be_missing: bool, cause: &str) {
        if may_be_missing && !self.must_stop() {
            tracing::warn!(path, cause, "Left out {path}: {cause}");
            self.state().accounts.missing.push(path.to_owned());
        } else {
            let message = format!("“{path}” could not be read from the source: {cause}.");
            self.gate.fail(StorageError::Source(Failure { code: FailureCode::Incomplete, message }));
        }
        self.state().pending -= 1;
        self.settled.notify_all();
    }

    /// Waits until no announced file is pending any more; `None` when the backup failed meanwhile.
    pub(super) fn wait_for_all(&self) -> Option<Vec<Counted>> {
        let state =
            self.settled.wait_while(self.state(), |state| state.pending > 0).unwrap_or_else(PoisonError::into_inner);
        if self.gate.has_failed() {
            return None;
        }
        Some(state.accounts.read.clone())
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
