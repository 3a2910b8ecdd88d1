//! `zip-checksums.sfv`: the CRC-32 of every file of a backup, kept beside them.
//!
//! A zip with stored entries names each entry's CRC-32 before its bytes. Knowing it from the time of the backup, a
//! download can begin at once and at any byte. The format is the simple file verification of old, which `cksfv` and
//! `rhash` check: one line for each file, its path, a space and eight hexadecimal digits. There may be a million lines,
//! so neither side holds them all.

use std::{
    io::{self, Read, Write},
    ops::Range,
    sync::Arc,
};

use super::{inventory::Inventory, ledger::Ledger};

/// Its name; it sorts after everything else, since its content is known last.
pub(super) const CHECKSUMS: &str = "zip-checksums.sfv";

const HEADING: &[u8] = b"; CRC-32 of every file, for the zip that a download gives\n";

/// Lines that are made at once.
const LINES: usize = 1000;
/// No path that was ever stored is longer.
const LONGEST: usize = 4096;

/// Gives the table's text.
pub(super) struct Table {
    inventory: Arc<Inventory>,
    ledger: Arc<Ledger>,
    next: usize,
    text: Vec<u8>,
    ready: Range<usize>,
}

impl Table {
    pub(super) fn new(inventory: Arc<Inventory>, ledger: Arc<Ledger>) -> Self {
        Self { inventory, ledger, next: 0, text: HEADING.to_vec(), ready: 0..HEADING.len() }
    }

    /// Makes the next lines, if any are left.
    fn refill(&mut self) -> io::Result<()> {
        self.text.clear();
        while self.text.is_empty() && self.inventory.place(self.next).is_some() {
            let places = (self.next..self.next + LINES).map_while(|nth| self.inventory.place(nth));
            for (place, crc) in self.ledger.crcs(places) {
                writeln!(self.text, "{} {crc:08x}", self.inventory.path(place))?;
            }
            self.next += LINES;
        }
        self.ready = 0..self.text.len();
        Ok(())
    }
}

impl Read for Table {
    /// Never short before the end: the library's chunker would shrink its buffer for good.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            if self.ready.is_empty() {
                self.refill()?;
                if self.ready.is_empty() {
                    break;
                }
            }
            let taken = self.ready.len().min(into.len() - filled);
            into[filled..filled + taken].copy_from_slice(&self.text[self.ready.start..self.ready.start + taken]);
            self.ready.start += taken;
            filled += taken;
        }
        Ok(filled)
    }
}

/// Takes a table's text and shows its lines.
pub(super) struct Lines<F> {
    see: F,
    line: Vec<u8>,
    is_table: bool,
}

impl<F: FnMut(&str, u32)> Lines<F> {
    /// `see` is given each path with its CRC-32.
    pub(super) fn new(see: F) -> Self {
        Self { see, line: Vec::new(), is_table: true }
    }

    /// After the last byte: whether all of it was a table.
    pub(super) fn end(self) -> bool {
        self.is_table && self.line.is_empty()
    }

    fn take_line(&mut self) {
        let line = std::str::from_utf8(&self.line).unwrap_or_default();
        if !line.starts_with(';') {
            let crc = |(path, crc)| Some((path, u32::from_str_radix(crc, 16).ok()?));
            match line.rsplit_once(' ').and_then(crc) {
                Some((path, crc)) => (self.see)(path, crc),
                None => self.is_table = false,
            }
        }
        self.line.clear();
    }
}

impl<F: FnMut(&str, u32)> Write for Lines<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece.strip_suffix(b"\n").unwrap_or(piece));
            if piece.ends_with(b"\n") {
                self.take_line();
            } else if self.line.len() > LONGEST {
                return Err(io::Error::other(format!("{CHECKSUMS} has a line without an end")));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use backup_api::BackupFormat;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::repositories::{
        content::{ContentFile, FilestoreFile, attachment_path},
        gate::Gate,
        ledger::{Accounts, Counted, Fate},
    };

    /// The lines of a text that comes in pieces of so many bytes; `None` when it is no table.
    fn lines(text: &[u8], piece: usize) -> Option<Vec<(String, u32)>> {
        let mut seen = Vec::new();
        let mut lines = Lines::new(|path: &str, crc| seen.push((path.to_owned(), crc)));
        text.chunks(piece).try_for_each(|piece| lines.write_all(piece)).ok()?;
        lines.end().then_some(seen)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let open = || Ok(Box::new(io::empty()) as Box<dyn Read + Send>);
        let files = ["dump.sql", "manifest.json"];
        let files = files.map(|path| ContentFile { path: path.to_owned(), size: None, open: Box::new(open) });
        let attachments: Vec<_> = (0..2500_u32)
            .map(|number| {
                let mut sha1 = [0; 20];
                sha1[..4].copy_from_slice(&number.to_be_bytes());
                FilestoreFile { sha1, size: 1 }
            })
            .collect();
        let mut expected: Vec<_> = (0..2500).map(|at| (attachment_path(&attachments[at as usize].sha1), at)).collect();
        expected.remove(7);
        expected.insert(0, ("dump.sql".to_owned(), 0xdead_beef));
        let (inventory, _) = Inventory::new(files.into(), attachments, BackupFormat::Zip).unwrap();
        let mut fates: Vec<_> = (0..2500).map(Fate::Known).collect();
        fates[7] = Fate::LeftOut;
        let accounts = Accounts::new(&inventory, fates);
        let (gate, token) = (Arc::new(Gate::closed()), CancellationToken::new());
        let ledger = Ledger::new(&inventory, accounts, gate, token, Arc::new(|_, _| ()));
        ledger.expect();
        ledger.settle_read(inventory.dump(), Counted { size: 1, crc: 0xdead_beef }, None);
        let mut text = Vec::new();
        Table::new(Arc::new(inventory), Arc::new(ledger)).read_to_end(&mut text).unwrap();
        assert!(text.starts_with(HEADING));
        for piece in [1, 100, text.len()] {
            assert_eq!(lines(&text, piece).as_deref(), Some(&expected[..]), "in pieces of {piece}");
        }
        assert_eq!(lines(&text[..text.len() - 1], 100), None, "cut off");
    }

    #[test]
    fn other_texts_are_no_table() {
        for text in [&b"dump.sql\n"[..], b"dump.sql xyz\n", b"\xff\xfe\n", &[b'a'; 3 * LONGEST]] {
            assert_eq!(lines(text, 1000), None);
        }
    }
}
