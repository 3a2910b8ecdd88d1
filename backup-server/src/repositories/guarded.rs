//! Reads one announced file: counts, checks and hashes it on its way into the repository.

use std::{
    io::{self, Read},
    ops::Range,
    sync::Arc,
};

use rustic_core::{ErrorKind, ReadSourceOpen, RusticError, RusticResult};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::{
    checksums::Table,
    content::OpenContent,
    inventory::{Inventory, Place},
    ledger::{Counted, Ledger},
};

/// The library's chunker shrinks its buffer for good after a short read, so it never sees one.
const BUFFER: usize = 256 * 1024;

/// What the library opens when a file's turn comes.
pub(super) enum Announced {
    /// A file of the source.
    File(Box<Pending>),
    /// A file that the previous backup holds. It is opened only if that one turns out to lack a piece of it.
    Known(Box<dyn FnOnce() -> Box<Pending> + Send>),
    /// The table of checksums, which waits for all the others.
    Checksums(Arc<Inventory>, Arc<Ledger>),
}

impl ReadSourceOpen for Announced {
    type Reader = Box<dyn Read + Send>;

    fn open(self) -> RusticResult<Self::Reader> {
        match self {
            Self::File(pending) => pending.open().map_err(unopened),
            Self::Known(pending) => pending().open().map_err(unopened),
            Self::Checksums(inventory, ledger) => {
                if !ledger.wait_for_all() {
                    return Err(RusticError::new(ErrorKind::InputOutput, "there is nothing to sum up"));
                }
                Ok(Box::new(Table::new(inventory, ledger)))
            }
        }
    }
}

fn unopened(error: io::Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::InputOutput, "a file could not be opened", error)
}

/// A file that the ledger waits for. Dropped before its end, it counts as failed.
pub(super) struct Pending {
    inventory: Arc<Inventory>,
    place: Place,
    open: Option<OpenContent>,
    may_be_missing: bool,
    settled: bool,
    ledger: Arc<Ledger>,
}

impl Pending {
    pub(super) fn new(
        place: Place,
        open: OpenContent,
        may_be_missing: bool,
        inventory: Arc<Inventory>,
        ledger: Arc<Ledger>,
    ) -> Self {
        ledger.expect();
        Self { inventory, place, open: Some(open), may_be_missing, settled: false, ledger }
    }

    fn size(&self) -> Option<u64> {
        self.inventory.size(self.place)
    }

    fn is_dump(&self) -> bool {
        self.place == self.inventory.dump()
    }

    fn open(mut self: Box<Self>) -> io::Result<Box<dyn Read + Send>> {
        if self.ledger.must_stop() {
            return Err(io::Error::other("the backup has stopped"));
        }
        let open = self.open.take().ok_or_else(|| io::Error::other("opened twice"))?;
        match open() {
            Ok(source) => Ok(Box::new(Guarded::new(source, self))),
            Err(error) => {
                self.fail(&error.to_string());
                Err(error)
            }
        }
    }

    fn fail(&mut self, cause: &str) {
        self.settled = true;
        self.ledger.settle_failed(self.place, &self.inventory.path(self.place), self.may_be_missing, cause);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.settled {
            self.fail("it was not read to its end");
        }
    }
}

/// An opened file.
struct Guarded {
    source: Box<dyn Read + Send>,
    pending: Box<Pending>,
    buffer: Vec<u8>,
    /// What of the buffer the library has not taken yet.
    ready: Range<usize>,
    count: u64,
    crc: crc32fast::Hasher,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
}

impl Guarded {
    fn new(source: Box<dyn Read + Send>, pending: Box<Pending>) -> Self {
        // One byte more than announced, so that a file that grew is noticed.
        let fits = pending.size().map_or(BUFFER, |size| usize::try_from(size).map_or(BUFFER, |size| size + 1));
        Self {
            source,
            buffer: vec![0; fits.min(BUFFER)],
            ready: 0..0,
            count: 0,
            crc: crc32fast::Hasher::new(),
            sha1: pending.inventory.sha1(pending.place).map(|_| Sha1::new()),
            sha256: pending.is_dump().then(Sha256::new),
            pending,
        }
    }

    /// Fills the buffer as far as the source goes.
    fn refill(&mut self) -> io::Result<()> {
        if self.pending.ledger.must_stop() {
            return Err(io::Error::other("the backup has stopped"));
        }
        let filled = fill(&mut self.source, &mut self.buffer)?;
        let bytes = &self.buffer[..filled];
        self.ready = 0..filled;
        self.count += filled as u64;
        self.crc.update(bytes);
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        self.pending.ledger.advance(filled as u64, self.pending.is_dump());
        if self.pending.size().is_some_and(|size| self.count > size) {
            return Err(io::Error::other("it has become larger meanwhile"));
        }
        if filled == 0 { self.finish() } else { Ok(()) }
    }

    /// The end was reached: is it what was announced?
    fn finish(&mut self) -> io::Result<()> {
        if let Some(size) = self.pending.size().filter(|size| *size != self.count) {
            return Err(io::Error::other(format!("it ended after {} of {size} bytes", self.count)));
        }
        let sha1 = self.sha1.take().map(|sha1| <[u8; 20]>::from(sha1.finalize()));
        if sha1 != self.pending.inventory.sha1(self.pending.place) {
            return Err(io::Error::other("its content is not what its name says (SHA-1)"));
        }
        self.pending.settled = true;
        let crc = std::mem::take(&mut self.crc).finalize();
        let sha256 = self.sha256.take().map(|sha256| sha256.finalize().into());
        let counted = Counted { size: self.count, crc };
        self.pending.ledger.settle_read(self.pending.place, counted, sha256);
        Ok(())
    }
}

impl Read for Guarded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() && !self.pending.settled {
            self.refill().inspect_err(|error| {
                if !self.pending.settled {
                    self.pending.fail(&error.to_string());
                }
            })?;
        }
        let taken = self.ready.len().min(into.len());
        into[..taken].copy_from_slice(&self.buffer[self.ready.start..self.ready.start + taken]);
        self.ready.start += taken;
        Ok(taken)
    }
}

/// Reads until the buffer is full or the source ends.
fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
