//! `zip-checksums.sfv`: the CRC-32 of every file of a backup, kept beside them.
//!
//! A zip with stored entries names each entry's CRC-32 before its bytes. Knowing it from the time of the backup, a
//! download can begin at once and at any byte. The format is the simple file verification of old, which `cksfv` and
//! `rhash` check: one line for each file, its path, a space and eight hexadecimal digits.

use std::{collections::HashMap, fmt::Write};

/// Its name; it sorts after everything else, since its content is known last.
pub(super) const CHECKSUMS: &str = "zip-checksums.sfv";

const HEADING: &str = "; CRC-32 of every file, for the zip that a download gives\n";

/// Writes the table, sorted by path.
pub(super) fn write(mut sums: Vec<(String, u32)>) -> Vec<u8> {
    sums.sort_unstable();
    let mut table = String::with_capacity(HEADING.len() + sums.len() * 64);
    table.push_str(HEADING);
    for (path, crc) in sums {
        // Writing to a text cannot fail.
        let _ = writeln!(table, "{path} {crc:08x}");
    }
    table.into_bytes()
}

/// Reads the table; `None` when it is not one.
pub(super) fn read(table: &[u8]) -> Option<HashMap<String, u32>> {
    std::str::from_utf8(table)
        .ok()?
        .lines()
        .filter(|line| !line.starts_with(';'))
        .map(|line| {
            let (path, crc) = line.rsplit_once(' ')?;
            Some((path.to_owned(), u32::from_str_radix(crc, 16).ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let sums = vec![("manifest.json".to_owned(), 0xdead_beef), ("dump.sql".to_owned(), 7)];
        let table = write(sums.clone());
        assert!(String::from_utf8_lossy(&table).ends_with("dump.sql 00000007\nmanifest.json deadbeef\n"));
        assert_eq!(read(&table), Some(sums.into_iter().collect()));
    }

    #[test]
    fn other_texts_are_no_table() {
        assert_eq!(read(b"dump.sql"), None);
        assert_eq!(read(b"dump.sql xyz"), None);
        assert_eq!(read(&[0xff, 0xfe]), None);
    }
}
