//! A zip's directory, read record by record: there may be a million of them, and the `zip` library holds all in memory,
//! with half a kilobyte for each.
//!
//! Of what the format allows only that is read which a backup needs: one file, nothing before it, the directory right
//! before the end record, and local headers that say the same as the directory.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Take},
    os::unix::fs::FileExt,
};

use super::{ArchiveError, entry::Place};

/// The end record without its comment.
const END: usize = 22;
/// The end record, and the longest comment behind it.
const TAIL: u64 = END as u64 + 65_535;
/// What stands before it in a zip64, and says where the end record of that is.
const LOCATOR: u64 = 20;
/// The end record of a zip64.
const END64: u64 = 56;
/// A record of the directory, without name, extra fields and comment.
const RECORD: usize = 46;
/// The most that two bytes hold: more is told elsewhere.
const SHORT: u64 = 0xffff;
/// The most that four bytes hold.
const WORD: u64 = 0xffff_ffff;
/// Number of the extra field that has what four bytes do not hold.
const ZIP64: u64 = 1;
/// Bytes of the directory that are read at once.
const BUFFER: usize = 128 * 1024;

/// Where the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// How many records it announces.
    pub(super) entries: u64,
    /// Its first byte; all entries lie before it.
    pub(super) start: u64,
    bytes: u64,
}

/// What the directory says of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: Vec<u8>,
    pub(super) flags: u64,
    pub(super) method: u64,
    pub(super) crc: u32,
    pub(super) packed: u64,
    pub(super) size: u64,
    /// Where its local header is.
    pub(super) header: u64,
    /// The file's mode, where it was made on Unix.
    pub(super) mode: u64,
}

/// The records, in order.
pub(super) struct Records {
    from: BufReader<Take<File>>,
    left: u64,
}

pub(super) fn not_a_zip(why: &str) -> ArchiveError {
    ArchiveError::NotAZip(why.to_owned())
}

impl Directory {
    /// Finds it by the end record. What it announces is not believed yet.
    pub(super) fn find(file: &File) -> Result<Self, ArchiveError> {
        let length = file.metadata().map_err(ArchiveError::Read)?.len();
        let tail_start = length.saturating_sub(TAIL);
        let tail = read(file, tail_start, length - tail_start)?;
        let fits = |at: &usize| {
            tail[*at..].starts_with(b"PK\x05\x06") && (*at + END) as u64 + short(&tail, *at + 20) <= tail.len() as u64
        };
        let at = (0..(tail.len() + 1).saturating_sub(END)).rev().find(fits);
        let at = at.ok_or_else(|| not_a_zip("it has no end record"))?;
        let (end, record) = (tail_start + at as u64, &tail[at..]);
        let found = Self { entries: short(record, 10), start: word(record, 16), bytes: word(record, 12) };
        let is_larger = found.entries == SHORT || found.start == WORD || found.bytes == WORD;
        match end.checked_sub(LOCATOR).filter(|_| is_larger) {
            Some(at) => match read(file, at, LOCATOR)? {
                locator if locator.starts_with(b"PK\x06\x07") => Self::of_zip64(file, at, long(&locator, 8)),
                _ => found.ending_at(end, short(record, 4), short(record, 8)),
            },
            None => found.ending_at(end, short(record, 4), short(record, 8)),
        }
    }

    fn of_zip64(file: &File, locator: u64, at: u64) -> Result<Self, ArchiveError> {
        let absent = || not_a_zip("the end record of its zip64 is not where it says");
        let fits = at.checked_add(END64).is_some_and(|end| end <= locator);
        let record = if fits { read(file, at, END64)? } else { return Err(absent()) };
        // Its length counts from behind itself.
        let is_whole =
            record.starts_with(b"PK\x06\x06") && at.checked_add(12 + long(&record, 4).min(WORD)) == Some(locator);
        if !is_whole {
            return Err(absent());
        }
        let found = Self { entries: long(&record, 32), start: long(&record, 48), bytes: long(&record, 40) };
        found.ending_at(at, word(&record, 16), long(&record, 24))
    }

    /// Checks that it is all of the directory, and stands right before `end`.
    fn ending_at(self, end: u64, disk: u64, entries_on_disk: u64) -> Result<Self, ArchiveError> {
        if disk != 0 || entries_on_disk != self.entries {
            return Err(not_a_zip("it is one of several parts"));
        }
        match self.start.checked_add(self.bytes) {
            Some(stated) if stated == end => Ok(self),
            Some(stated) if stated < end => Err(ArchiveError::Refused("something stands before it".to_owned())),
            _ => Err(not_a_zip("its directory is not where it says")),
        }
    }

    /// Its records, read from a file that is opened for it.
    pub(super) fn records(&self, mut file: File) -> Result<Records, ArchiveError> {
        if self.entries.saturating_mul(RECORD as u64) > self.bytes {
            return Err(not_a_zip("its directory is too small for what it announces"));
        }
        file.seek(SeekFrom::Start(self.start)).map_err(ArchiveError::Read)?;
        Ok(Records { from: BufReader::with_capacity(BUFFER, file.take(self.bytes)), left: self.entries })
    }
}

impl Records {
    /// The next one; `None` after the last, behind which nothing may stand.
    pub(super) fn next(&mut self) -> Result<Option<Record>, ArchiveError> {
        let Some(left) = self.left.checked_sub(1) else {
            let mut more = [0];
            return match self.from.read(&mut more).map_err(ArchiveError::Read)? {
                0 => Ok(None),
                _ => Err(not_a_zip("its directory has more than it announces")),
            };
        };
        self.left = left;
        let record = self.take(RECORD as u64)?;
        if !record.starts_with(b"PK\x01\x02") {
            return Err(not_a_zip("its directory is damaged"));
        }
        let name = self.take(short(&record, 28))?;
        let extra = self.take(short(&record, 30))?;
        self.take(short(&record, 32))?;
        let [size, packed, header] = sizes([word(&record, 24), word(&record, 20), word(&record, 42)], &extra)?;
        Ok(Some(Record {
            name,
            flags: short(&record, 8),
            method: short(&record, 10),
            crc: record[16..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)),
            packed,
            size,
            header,
            mode: short(&record, 40),
        }))
    }

    fn take(&mut self, length: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        (&mut self.from).take(length).read_to_end(&mut bytes).map_err(ArchiveError::Read)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(not_a_zip("its directory is cut off")) }
    }
}

impl Record {
    /// Whether it would be a symbolic link.
    pub(super) fn is_symlink(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }

    /// Whether its content, or its name in the local header, is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.flags & 0x2001 != 0
    }

    /// Its name as text.
    pub(super) fn text(&self) -> Result<String, ArchiveError> {
        const IS_UTF8: u64 = 1 << 11;
        match std::str::from_utf8(&self.name) {
            Ok(name) => Ok(name.to_owned()),
            Err(_) if self.flags & IS_UTF8 != 0 => Err(ArchiveError::Refused("a name in it is no text".to_owned())),
            // Of an old code page. Names that matter have none but the letters that all of them have.
            Err(_) => Ok(String::from_utf8_lossy(&self.name).into_owned()),
        }
    }

    /// Compares it with the local header; gives where the entry is, and the first byte behind it.
    pub(super) fn place(&self, file: &File, directory: &Directory) -> Result<(Place, u64), ArchiveError> {
        let differs = || ArchiveError::NotAZip(format!("“{}” is not where it says", self.name.escape_ascii()));
        let place = Place::new(self.header, self.packed, self.method != 0).ok_or_else(differs)?;
        let local = place.local_header(file, self.name.len()).map_err(|_| differs())?;
        let encrypted = short(&local, 6) & 1 != self.flags & 1;
        let name_differs = short(&local, 26) != self.name.len() as u64 || local[30..] != self.name;
        if !local.starts_with(b"PK\x03\x04") || short(&local, 8) != self.method || encrypted || name_differs {
            return Err(differs());
        }
        let end = place.content(&local).checked_add(self.packed).filter(|end| *end <= directory.start);
        end.map(|end| (place, end)).ok_or_else(differs)
    }
}

/// Fills in from the extra field of zip64 what four bytes do not hold: size, packed size and place, in that order.
fn sizes(stated: [u64; 3], mut extra: &[u8]) -> Result<[u64; 3], ArchiveError> {
    let mut large: &[u8] = &[];
    while extra.len() >= 4 {
        let (head, rest) = extra.split_at(4);
        let length = usize::try_from(short(head, 2)).unwrap_or(usize::MAX).min(rest.len());
        if short(head, 0) == ZIP64 {
            large = &rest[..length];
        }
        extra = &rest[length..];
    }
    let mut sizes = stated;
    for size in sizes.iter_mut().filter(|size| **size == WORD) {
        if large.len() < 8 {
            return Err(not_a_zip("its directory lacks a size"));
        }
        *size = long(large, 0);
        large = &large[8..];
    }
    Ok(sizes)
}

fn read(file: &File, at: u64, length: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other).map_err(ArchiveError::Read)?];
    file.read_exact_at(&mut bytes, at).map_err(ArchiveError::Read)?;
    Ok(bytes)
}

/// Two bytes as a number.
pub(super) fn short(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes).into())
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes).into())
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn find(parts: &[&[u8]]) -> Result<Directory, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&parts.concat()).unwrap();
        Directory::find(&file).map_err(|error| error.to_string())
    }

    /// An end record.
    fn end(entries: u16, bytes: u32, start: u32, comment: u16) -> Vec<u8> {
        let numbers = [[0, 0].as_slice(), &[0, 0], &entries.to_le_bytes(), &entries.to_le_bytes()].concat();
        [b"PK\x05\x06", &numbers[..], &bytes.to_le_bytes(), &start.to_le_bytes(), &comment.to_le_bytes()].concat()
    }

    /// An end record of a zip64, with its locator.
    fn end64(entries: u64, bytes: u64, start: u64) -> Vec<u8> {
        let numbers = [entries, entries, bytes, start].map(u64::to_le_bytes).concat();
        let record = [b"PK\x06\x06", &44_u64.to_le_bytes()[..], &[0; 12], &numbers].concat();
        let locator = [b"PK\x06\x07\0\0\0\0", &(start + bytes).to_le_bytes()[..], &1_u32.to_le_bytes()].concat();
        [record, locator].concat()
    }

    #[test]
    fn both_kinds_of_end_records_are_found_behind_what_may_stand_there() {
        let found = |entries, start, bytes| Ok(Directory { entries, start, bytes });
        let directory = [7; 500];
        assert_eq!(find(&[&directory, &end(7, 400, 100, 0)]), found(7, 100, 400));
        assert_eq!(find(&[&directory, &end(7, 400, 100, 9), b"a comment"]), found(7, 100, 400));
        assert_eq!(find(&[&directory, &end(7, 400, 100, 0), b"\r\n"]), found(7, 100, 400));
        assert_eq!(find(&[&vec![1; 100_000], &end(7, 400, 99_600, 0)]), found(7, 99_600, 400));
        assert_eq!(find(&[&directory, &end(u16::MAX, 400, 100, 0)]), found(65_535, 100, 400));
        let large = end64(9_000_000, 400, 100);
        assert_eq!(find(&[&directory, &large, &end(u16::MAX, 400, 100, 0)]), found(9_000_000, 100, 400));
        assert_eq!(find(&[&directory, &large, &end(7, u32::MAX, u32::MAX, 0)]), found(9_000_000, 100, 400));
    }

    #[test]
    fn end_records_that_lead_nowhere_are_refused() {
        let directory = [7; 500];
        let large = end64(9, 400, 100);
        for (parts, why) in [
            (vec![&[][..]], "no end record"),
            (vec![b"PK\x05\x06"], "no end record"),
            (vec![&vec![0; 100_000]], "no end record"),
            (vec![&directory, &end(7, 400, 100, 10), b"a comment"], "no end record"),
            (vec![&directory, &end(7, 401, 100, 0)], "not where it says"),
            (vec![&directory, &end(7, 399, 100, 0)], "something stands before it"),
            (vec![b"prefix", &directory, &end(7, 400, 100, 0)], "something stands before it"),
            (vec![b"prefix", &directory, &large, &end(u16::MAX, 400, 100, 0)], "zip64 is not where"),
            (
                vec![&directory, &large[..56], b"and more", &large[56..], &end(u16::MAX, 400, 100, 0)],
                "zip64 is not where",
            ),
        ] {
            let refused = find(&parts).unwrap_err();
            assert!(refused.contains(why), "{refused}, expected: {why}");
        }
        let mut part = end(7, 400, 100, 0);
        part[8] = 6;
        assert!(find(&[&directory, &part]).unwrap_err().contains("several parts"));
    }

    #[test]
    fn sizes_beyond_four_bytes_come_from_the_extra_field() {
        let (max, full) = (WORD, [5_u64, 6, 7].map(u64::to_le_bytes).concat());
        let field = |bytes: &[u8]| [&[1, 0, u8::try_from(bytes.len()).unwrap(), 0], bytes].concat();
        let other = [9, 9, 2, 0, 1, 1];
        assert_eq!(sizes([1, 2, 3], &[]).unwrap(), [1, 2, 3]);
        assert_eq!(sizes([max, max, max], &[&other, &field(&full)[..]].concat()).unwrap(), [5, 6, 7]);
        assert_eq!(sizes([1, max, 3], &field(&full[..8])).unwrap(), [1, 5, 3]);
        assert!(sizes([max, max, 3], &field(&full[..8])).is_err());
        assert!(sizes([max, 2, 3], &other).is_err());
    }
}
