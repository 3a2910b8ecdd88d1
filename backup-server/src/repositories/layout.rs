//! A zip's records around the entries' bytes, and its exact length before anything is read.
//!
//! Stored entries name their CRC-32 and size before their bytes: a data descriptor behind stored bytes cannot be found
//! by a program that reads the zip as a stream. Zip64 records are written where a size, an offset or the number of
//! entries needs them, and only there.

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::content::{MANIFEST, PLAIN_DUMP};

const LIMIT: u64 = u32::MAX as u64;
const MANY: u64 = u16::MAX as u64;

const LOCAL: u64 = 30;
const CENTRAL: u64 = 46;
const END: u64 = 22;
const END64: u64 = 56;
const LOCATOR: u64 = 20;
/// Two sizes.
const LOCAL_EXTRA64: u64 = 20;
const DESCRIPTOR: u64 = 16;
const DESCRIPTOR64: u64 = 24;

/// The place of a file in the zip: as Odoo does it, the database and its description come first.
pub(super) fn rank(name: &str) -> u8 {
    match name {
        PLAIN_DUMP => 0,
        MANIFEST => 1,
        _ => LAST,
    }
}

/// The rank of all that Odoo puts behind them.
pub(super) const LAST: u8 = 2;

/// How an entry's bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// As they are; size and CRC-32 stand before them.
    Stored,
    /// Deflated; size and CRC-32 stand behind them.
    Deflated,
}

/// An entry, as the records name it.
#[derive(Clone, Debug)]
pub(super) struct ZipEntry<'a> {
    pub(super) name: &'a str,
    pub(super) size: u64,
    pub(super) packed: u64,
    pub(super) crc: u32,
    pub(super) offset: u64,
    pub(super) packing: Packing,
}

impl ZipEntry<'_> {
    /// Whether its local records need eight bytes for a size. Deflate makes what does not compress a little larger.
    pub(super) fn is_large(&self) -> bool {
        match self.packing {
            Packing::Stored => self.size >= LIMIT,
            Packing::Deflated => self.size >= LIMIT - LIMIT / 1000,
        }
    }

    /// The record before its bytes.
    pub(super) fn local_header(&self, made: DateTime<Utc>) -> Vec<u8> {
        let mut record = Vec::with_capacity(64 + self.name.len());
        record.extend(0x0403_4b50_u32.to_le_bytes());
        self.common(&mut record, made);
        let behind = self.packing == Packing::Deflated;
        let (crc, size, packed) = if behind { (0, 0, 0) } else { (self.crc, self.size, self.packed) };
        record.extend(crc.to_le_bytes());
        let large = self.is_large();
        record.extend(if large { u32::MAX } else { capped(packed) }.to_le_bytes());
        record.extend(if large { u32::MAX } else { capped(size) }.to_le_bytes());
        record.extend(length(self.name).to_le_bytes());
        record.extend(if large { 20_u16 } else { 0 }.to_le_bytes());
        record.extend(self.name.as_bytes());
        if large {
            record.extend([1_u16.to_le_bytes(), 16_u16.to_le_bytes()].concat());
            record.extend(size.to_le_bytes());
            record.extend(packed.to_le_bytes());
        }
        record
    }

    /// Version, flags, method and time: the same in both headers.
    fn common(&self, record: &mut Vec<u8>, made: DateTime<Utc>) {
        let (flags, method) = match self.packing {
            Packing::Stored => (0_u16, 0_u16),
            Packing::Deflated => (1 << 3, 8),
        };
        let (date, time) = dos_time(made);
        for word in [if self.needs64() { 45 } else { 20 }, flags, method, time, date] {
            record.extend(word.to_le_bytes());
        }
    }

    fn needs64(&self) -> bool {
        self.is_large() || self.size >= LIMIT || self.packed >= LIMIT || self.offset >= LIMIT
    }

    /// The record behind a deflated entry's bytes.
    pub(super) fn descriptor(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(24);
        record.extend(0x0807_4b50_u32.to_le_bytes());
        record.extend(self.crc.to_le_bytes());
        if self.is_large() {
            record.extend(self.packed.to_le_bytes());
            record.extend(self.size.to_le_bytes());
        } else {
            record.extend(capped(self.packed).to_le_bytes());
            record.extend(capped(self.size).to_le_bytes());
        }
        record
    }

    /// Bytes from its local header to the next entry's.
    pub(super) fn whole_length(&self) -> u64 {
        let behind = match self.packing {
            Packing::Stored => 0,
            Packing::Deflated if self.is_large() => DESCRIPTOR64,
            Packing::Deflated => DESCRIPTOR,
        };
        let extra = if self.is_large() { LOCAL_EXTRA64 } else { 0 };
        LOCAL + self.name.len() as u64 + extra + self.packed + behind
    }

    /// The record in the directory at the end.
    pub(super) fn central_header(&self, made: DateTime<Utc>) -> Vec<u8> {
        let large = [self.size, self.packed, self.offset].into_iter().filter(|value| *value >= LIMIT);
        let large: Vec<u8> = large.flat_map(u64::to_le_bytes).collect();
        let mut record = Vec::with_capacity(80 + self.name.len());
        record.extend(0x0201_4b50_u32.to_le_bytes());
        // Version 4.5, on Unix.
        record.extend([45, 3]);
        self.common(&mut record, made);
        record.extend(self.crc.to_le_bytes());
        record.extend(capped(self.packed).to_le_bytes());
        record.extend(capped(self.size).to_le_bytes());
        record.extend(length(self.name).to_le_bytes());
        let extra = u16::try_from(large.len()).unwrap_or(0);
        record.extend(if extra == 0 { 0 } else { 4 + extra }.to_le_bytes());
        // No comment, first disk, binary.
        record.extend([0; 6]);
        record.extend((0o100_644_u32 << 16).to_le_bytes());
        record.extend(capped(self.offset).to_le_bytes());
        record.extend(self.name.as_bytes());
        if !large.is_empty() {
            record.extend([1_u16.to_le_bytes(), extra.to_le_bytes()].concat());
            record.extend(large);
        }
        record
    }
}

/// The records behind the directory.
pub(super) fn end_records(entries: u64, start: u64, bytes: u64) -> Vec<u8> {
    let mut record = Vec::new();
    if entries >= MANY || start >= LIMIT || bytes >= LIMIT {
        record.extend(0x0606_4b50_u32.to_le_bytes());
        record.extend((END64 - 12).to_le_bytes());
        record.extend([45, 3, 45, 0]);
        record.extend([0; 8]);
        for value in [entries, entries, bytes, start] {
            record.extend(value.to_le_bytes());
        }
        record.extend(0x0706_4b50_u32.to_le_bytes());
        record.extend([0; 4]);
        record.extend((start + bytes).to_le_bytes());
        record.extend(1_u32.to_le_bytes());
    }
    let count = u16::try_from(entries).unwrap_or(u16::MAX);
    record.extend(0x0605_4b50_u32.to_le_bytes());
    record.extend([0; 4]);
    record.extend(count.to_le_bytes());
    record.extend(count.to_le_bytes());
    record.extend(capped(bytes).to_le_bytes());
    record.extend(capped(start).to_le_bytes());
    record.extend([0; 2]);
    record
}

/// Length of a stored entry's records before its bytes.
pub(super) fn local_length(name: usize, size: u64) -> u64 {
    LOCAL + name as u64 + if size >= LIMIT { LOCAL_EXTRA64 } else { 0 }
}

/// Length of the zip that holds these entries, stored, in this order; each is told by its name's length and its size.
pub(super) fn stored_length(entries: impl IntoIterator<Item = (usize, u64)>) -> u64 {
    let (mut offset, mut directory, mut count) = (0, 0, 0);
    for (name, size) in entries {
        let large = 2 * u64::from(size >= LIMIT) + u64::from(offset >= LIMIT);
        directory += CENTRAL + name as u64 + if large > 0 { 4 + 8 * large } else { 0 };
        offset += local_length(name, size) + size;
        count += 1;
    }
    let large = count >= MANY || offset >= LIMIT || directory >= LIMIT;
    offset + directory + END + if large { END64 + LOCATOR } else { 0 }
}

/// The value, or "see the zip64 record".
fn capped(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn length(name: &str) -> u16 {
    u16::try_from(name.len()).unwrap_or(u16::MAX)
}

/// Zip's date and time: local by habit, here UTC, in steps of two seconds, from 1980.
fn dos_time(at: DateTime<Utc>) -> (u16, u16) {
    let year = u32::try_from(at.year().clamp(1980, 2107) - 1980).unwrap_or(0);
    let date = (year << 9) | (at.month() << 5) | at.day();
    let time = (at.hour() << 11) | (at.minute() << 5) | (at.second() / 2);
    (u16::try_from(date).unwrap_or(0), u16::try_from(time).unwrap_or(0))
}
