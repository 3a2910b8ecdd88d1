//! Reads one announced file: counts, checks and hashes it on its way into the repository.

use std::{
    borrow::Cow,
    io::{self, Read},
    ops::Range,
    sync::Arc,
};

use rustic_core::{ErrorKind, ReadSourceOpen, RusticError, RusticResult};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::{
    checksums,
    content::{OpenContent, attachment_path, attachment_sha1},
    ledger::{Counted, Ledger},
};

/// The library's chunker shrinks its buffer for good after a short read, so it never sees one.
const BUFFER: usize = 256 * 1024;

/// A file as it was announced. There may be a million of them.
pub(super) struct Promise {
    name: Name,
    pub(super) size: Option<u64>,
    /// From the previous backup, when the file need not be read.
    pub(super) crc: Option<u32>,
}

/// A path in the backup; an attachment's is told by its SHA-1, which takes a third of the memory.
enum Name {
    Attachment([u8; 20]),
    Other(Box<str>),
}

impl Promise {
    pub(super) fn new(path: String, size: Option<u64>, crc: Option<u32>) -> Self {
        let name = match attachment_sha1(&path) {
            Some(sha1) => Name::Attachment(sha1),
            None => Name::Other(path.into()),
        };
        Self { name, size, crc }
    }

    pub(super) fn path(&self) -> Cow<'_, str> {
        match &self.name {
            Name::Attachment(sha1) => Cow::Owned(attachment_path(sha1)),
            Name::Other(path) => Cow::Borrowed(path),
        }
    }
}

/// A file whose turn has not come yet.
pub(super) struct Waiting {
    pub(super) sha1: Option<[u8; 20]>,
    pub(super) open: OpenContent,
    pub(super) may_be_missing: bool,
}

/// What the library opens when a file's turn comes.
pub(super) enum Announced {
    /// A file of the source.
    File(Box<Pending>),
    /// A file that the previous backup holds. It is opened only if that one turns out to lack a piece of it.
    Known(Box<dyn FnOnce() -> Box<Pending> + Send>),
    /// The table of checksums, which waits for all the others.
    Checksums(Arc<Ledger>, Arc<Vec<Promise>>),
}

impl ReadSourceOpen for Announced {
    type Reader = Box<dyn Read + Send>;

    fn open(self) -> RusticResult<Self::Reader> {
        match self {
            Self::File(pending) => pending.open().map_err(unopened),
            Self::Known(pending) => pending().open().map_err(unopened),
            Self::Checksums(ledger, promises) => {
                let read = ledger
                    .wait_for_all()
                    .ok_or_else(|| RusticError::new(ErrorKind::InputOutput, "there is nothing to sum up"))?;
                Ok(Box::new(io::Cursor::new(table(&promises, read))))
            }
        }
    }
}

fn table(promises: &[Promise], mut read: Vec<Counted>) -> Vec<u8> {
    read.sort_unstable_by_key(|counted| counted.place);
    let lines = promises.iter().zip(0..).filter_map(|(promise, place)| {
        let read = read.binary_search_by_key(&place, |counted| counted.place).ok().map(|at| read[at].crc);
        Some((promise.path(), read.or(promise.crc)?))
    });
    checksums::write(lines)
}

fn unopened(error: io::Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::InputOutput, "a file could not be opened", error)
}

/// A file that the ledger waits for. Dropped before its end, it counts as failed.
pub(super) struct Pending {
    promises: Arc<Vec<Promise>>,
    place: u32,
    sha1: Option<[u8; 20]>,
    may_be_missing: bool,
    is_dump: bool,
    open: Option<OpenContent>,
    settled: bool,
    ledger: Arc<Ledger>,
}

impl Pending {
    pub(super) fn new(
        file: Waiting,
        place: u32,
        promises: Arc<Vec<Promise>>,
        is_dump: bool,
        ledger: Arc<Ledger>,
    ) -> Self {
        ledger.expect();
        let Waiting { sha1, open, may_be_missing } = file;
        Self { promises, place, sha1, may_be_missing, is_dump, open: Some(open), settled: false, ledger }
    }

    fn promise(&self) -> &Promise {
        &self.promises[self.place as usize]
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
        self.ledger.settle_failed(&self.promise().path(), self.may_be_missing, cause);
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
        let fits = pending.promise().size.map_or(BUFFER, |size| usize::try_from(size).map_or(BUFFER, |size| size + 1));
        Self {
            source,
            buffer: vec![0; fits.min(BUFFER)],
            ready: 0..0,
            count: 0,
            crc: crc32fast::Hasher::new(),
            sha1: pending.sha1.map(|_| Sha1::new()),
            sha256: pending.is_dump.then(Sha256::new),
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
        self.pending.ledger.advance(filled as u64, self.pending.is_dump);
        if self.pending.promise().size.is_some_and(|size| self.count > size) {
            return Err(io::Error::other("it has become larger meanwhile"));
        }
        if filled == 0 { self.finish() } else { Ok(()) }
    }

    /// The end was reached: is it what was announced?
    fn finish(&mut self) -> io::Result<()> {
        if let Some(size) = self.pending.promise().size.filter(|size| *size != self.count) {
            return Err(io::Error::other(format!("it ended after {} of {size} bytes", self.count)));
        }
        if self.sha1.take().map(|sha1| <[u8; 20]>::from(sha1.finalize())) != self.pending.sha1 {
            return Err(io::Error::other("its content is not what its name says (SHA-1)"));
        }
        self.pending.settled = true;
        let crc = std::mem::take(&mut self.crc).finalize();
        let sha256 = self.sha256.take().map(|sha256| sha256.finalize().into());
        let counted = Counted { place: self.pending.place, size: self.count, crc };
        self.pending.ledger.settle_read(counted, sha256);
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
