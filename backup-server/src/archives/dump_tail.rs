//! Whether a plain dump ends as `pg_dump` ends it.

/// Bytes at the end that are looked at; `pg_dump` writes about 200 behind the last row.
const KEPT: usize = 4096;

/// Sees a plain dump pass by and remembers its end.
#[derive(Clone, Debug, Default)]
pub struct DumpTail {
    end: Vec<u8>,
}

impl DumpTail {
    /// Sees more of it.
    pub fn see(&mut self, bytes: &[u8]) {
        if bytes.len() >= KEPT {
            self.end.clear();
        }
        self.end.extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT)..]);
        if self.end.len() > 2 * KEPT {
            self.end.drain(..self.end.len() - KEPT);
        }
    }

    /// Whether the last line with content is `pg_dump`'s, or the `\unrestrict` that newer versions write behind it.
    pub fn is_complete(&self) -> bool {
        let text = String::from_utf8_lossy(&self.end);
        text.lines()
            .rev()
            .map(str::trim_end)
            .find(|line| !line.is_empty() && *line != "--" && !line.starts_with(r"\unrestrict "))
            .is_some_and(|line| line == "-- PostgreSQL database dump complete")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n";

    fn tail_of(text: &str, piece: usize) -> DumpTail {
        let mut tail = DumpTail::default();
        text.as_bytes().chunks(piece).for_each(|bytes| tail.see(bytes));
        tail
    }

    #[test]
    fn a_whole_dump_is_known_by_its_end_however_it_comes() {
        let rows = "1\tAzure\n".repeat(3000);
        for end in [END.to_owned(), format!("{END}\\unrestrict abc\n\n"), END.trim_end().to_owned()] {
            for piece in [1, 7, 4096, 5000, 1 << 20] {
                assert!(tail_of(&format!("{rows}{end}"), piece).is_complete(), "in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_cut_dump_is_not_whole() {
        let rows = "1\tAzure\n".repeat(3000);
        assert!(!tail_of("", 1).is_complete());
        assert!(!tail_of(&rows, 4096).is_complete());
        assert!(!tail_of(&format!("{rows}--\n-- PostgreSQL database dump comp"), 4096).is_complete());
        // A row that quotes the line, or rows behind it.
        assert!(!tail_of(&format!("{rows}5\t-- PostgreSQL database dump complete\n"), 4096).is_complete());
        assert!(!tail_of(&format!("{END}{rows}"), 4096).is_complete());
    }
}
