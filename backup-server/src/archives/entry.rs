//! One entry of a zip: where it lies, and its bytes.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    path::Path,
};

use flate2::read::DeflateDecoder;

use super::directory::short;

/// A zip's local header up to the name.
const LOCAL_HEADER: usize = 30;
/// Packed bytes that are read at once.
const BUFFER: u64 = 64 * 1024;
/// The mark of a deflated entry in its packed size, which never gets so large.
const DEFLATED: u64 = 1 << 63;

/// Where an entry lies: 16 bytes, for there may be a million of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    header: u64,
    packed: u64,
}

impl Place {
    /// `None` where no entry can be.
    pub(super) fn new(header: u64, packed: u64, is_deflated: bool) -> Option<Self> {
        let mark = if is_deflated { DEFLATED } else { 0 };
        (packed < DEFLATED && header < DEFLATED).then_some(Self { header, packed: packed | mark })
    }

    /// The local header, with a name of so many bytes.
    pub(super) fn local_header(self, file: &File, name: usize) -> io::Result<Vec<u8>> {
        let mut header = vec![0; LOCAL_HEADER + name];
        file.read_exact_at(&mut header, self.header)?;
        Ok(header)
    }

    /// The first byte of its content.
    pub(super) fn content(self, header: &[u8]) -> u64 {
        self.header + LOCAL_HEADER as u64 + short(header, 26) + short(header, 28)
    }

    /// Its content, unpacked.
    pub(super) fn read(self, file: File) -> io::Result<Unpacked> {
        let header = self.local_header(&file, 0)?;
        let packed = self.packed & !DEFLATED;
        let section = Section { file, at: self.content(&header), left: packed };
        // Most are small.
        let capacity = usize::try_from(packed.clamp(1, BUFFER)).map_err(io::Error::other)?;
        let section = BufReader::with_capacity(capacity, section);
        Ok(match self.packed & DEFLATED {
            0 => Unpacked::Stored(section),
            _ => Unpacked::Deflated(DeflateDecoder::new(section)),
        })
    }

    /// Its content, unpacked, from the zip at `path`.
    pub(super) fn open(self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.read(File::open(path)?)?))
    }
}

/// The content of an entry.
pub(super) enum Unpacked {
    Stored(BufReader<Section>),
    Deflated(DeflateDecoder<BufReader<Section>>),
}

impl Read for Unpacked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(section) => section.read(into),
            Self::Deflated(decoder) => decoder.read(into),
        }
    }
}

/// A part of a file.
pub(super) struct Section {
    file: File,
    at: u64,
    left: u64,
}

impl Read for Section {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(&mut into[..most], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
