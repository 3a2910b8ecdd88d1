//! How many entries a zip announces, before its directory is read into memory.

use std::{fs::File, io, os::unix::fs::FileExt};

/// The end record, and the longest comment behind it.
const TAIL: u64 = 22 + 65_535;
/// The zip64 locator that stands before it.
const LOCATOR: u64 = 20;

/// The number in the last end record; `None` when there is none, which is for others to tell.
pub(super) fn announced_entries(file: &File) -> io::Result<Option<u64>> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(TAIL);
    let tail = read(file, start, length - start)?;
    let Some(end) = tail.windows(22).rposition(|window| window.starts_with(b"PK\x05\x06")) else { return Ok(None) };
    let short = u64::from(u16::from_le_bytes([tail[end + 10], tail[end + 11]]));
    if short < u64::from(u16::MAX) {
        return Ok(Some(short));
    }
    let Some(locator) = (start + end as u64).checked_sub(LOCATOR) else { return Ok(Some(short)) };
    let locator = read(file, locator, LOCATOR)?;
    if !locator.starts_with(b"PK\x06\x07") {
        return Ok(Some(short));
    }
    let record = read(file, number(&locator[8..]), 40).unwrap_or_default();
    let entries = record.starts_with(b"PK\x06\x06").then(|| number(&record[32..]));
    Ok(Some(entries.unwrap_or(u64::MAX)))
}

fn read(file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn announced(bytes: &[u8]) -> Option<u64> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        announced_entries(&file).unwrap()
    }

    fn end(entries: u16) -> Vec<u8> {
        let mut record = b"PK\x05\x06\0\0\0\0\0\0".to_vec();
        record.extend(entries.to_le_bytes());
        record.extend([0; 10]);
        record
    }

    #[test]
    fn both_kinds_of_end_records_are_read() {
        assert_eq!((announced(b""), announced(b"PK\x05\x06"), announced(&vec![0; 100_000])), (None, None, None));
        assert_eq!(announced(&end(7)), Some(7));
        assert_eq!(announced(&[vec![1; 100_000], end(7), b"a comment".to_vec()].concat()), Some(7));
        let mut large = b"PK\x06\x06".to_vec();
        large.extend([0; 28]);
        large.extend(9_000_000_u64.to_le_bytes());
        large.extend([0; 16]);
        let locator = [b"PK\x06\x07\0\0\0\0".to_vec(), 0_u64.to_le_bytes().to_vec(), vec![0; 4]].concat();
        assert_eq!(announced(&[large.clone(), locator, end(u16::MAX)].concat()), Some(9_000_000));
        assert_eq!(announced(&[large, end(u16::MAX)].concat()), Some(65_535));
    }
}
