//! `zip-checksums.sfv`: the CRC-32 of every file of a backup, kept beside them.
//!
//! A zip with stored entries names each entry's CRC-32 before its bytes. Knowing it from the time of the backup, a
//! download can begin at once and at any byte. The format is the simple file verification of old, which `cksfv` and
//! `rhash` check: one line for each file, its path, a space and eight hexadecimal digits.

use std::{
    collections::HashMap,
    fmt::{Display, Write},
};

use super::content::attachment_sha1;

/// Its name; it sorts after everything else, since its content is known last.
pub(super) const CHECKSUMS: &str = "zip-checksums.sfv";

const HEADING: &str = "; CRC-32 of every file, for the zip that a download gives\n";

/// Writes the table.
pub(super) fn write(sums: impl IntoIterator<Item = (impl Display, u32)>) -> Vec<u8> {
    let mut table = HEADING.to_owned();
    for (path, crc) in sums {
        // Writing to a text cannot fail.
        let _ = writeln!(table, "{path} {crc:08x}");
    }
    table.into_bytes()
}

/// The table, small enough for a million attachments.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checksums {
    attachments: Vec<([u8; 20], u32)>,
    others: HashMap<String, u32>,
}

impl Checksums {
    /// Reads the table; `None` when it is not one.
    pub(super) fn read(table: &[u8]) -> Option<Self> {
        let mut sums = Self::default();
        for line in std::str::from_utf8(table).ok()?.lines().filter(|line| !line.starts_with(';')) {
            let (path, crc) = line.rsplit_once(' ')?;
            let crc = u32::from_str_radix(crc, 16).ok()?;
            match attachment_sha1(path) {
                Some(sha1) => sums.attachments.push((sha1, crc)),
                None => drop(sums.others.insert(path.to_owned(), crc)),
            }
        }
        sums.attachments.sort_unstable();
        Some(sums)
    }

    /// The CRC-32 of a file.
    pub(super) fn get(&self, path: &str) -> Option<u32> {
        let Some(sha1) = attachment_sha1(path) else { return self.others.get(path).copied() };
        let place = self.attachments.binary_search_by_key(&sha1, |(sha1, _)| *sha1).ok()?;
        Some(self.attachments[place].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let attachment = format!("filestore/ab/ab{}", "0".repeat(38));
        let table = write([("dump.sql", 7), (&attachment, 1), ("manifest.json", 0xdead_beef)]);
        assert!(String::from_utf8_lossy(&table).contains("\ndump.sql 00000007\n"));
        let read = Checksums::read(&table).unwrap();
        let sums = ["dump.sql", &attachment, "manifest.json", "other"].map(|path| read.get(path));
        assert_eq!(sums, [Some(7), Some(1), Some(0xdead_beef), None]);
    }

    #[test]
    fn other_texts_are_no_table() {
        assert_eq!(Checksums::read(b"dump.sql"), None);
        assert_eq!(Checksums::read(b"dump.sql xyz"), None);
        assert_eq!(Checksums::read(&[0xff, 0xfe]), None);
    }
}
